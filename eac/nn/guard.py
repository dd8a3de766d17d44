"""A fence around values in training: whatever the optimizer does, they stay inside."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Guard(nn.Module):
    """Holds a pool's factor rows near, and its basis in directions free, where they were.

    The values in use are functions of those the optimizer moves, so that neither momentum, nor
    scaling of steps, nor weight decay leaves the fence.

    Args:
        node_factor: Rows as they are now.
        radius: How far each row may go; 0 not at all, infinite freely.
        basis: The basis as it is now; None without one.
        free: Projection onto the directions in which the basis may move: a row vector ``u`` of
            what is preserved has ``u @ free = 0``.

    Example:
        >>> guard = Guard(torch.zeros(1, 2), radius=torch.tensor([1.0]))
        >>> guard.factor(torch.tensor([[3.0, 4.0]]))  # back onto the ball of radius 1
        tensor([[0.6000, 0.8000]])
    """

    def __init__(
        self,
        node_factor: Float[Tensor, "row column"],
        radius: Float[Tensor, " row"],
        basis: Float[Tensor, "column width"] | None = None,
        free: Float[Tensor, "column column"] | None = None,
    ):
        super().__init__()
        self.first_factor: Tensor
        self.radius: Tensor
        self.register_buffer("first_factor", node_factor.detach().clone(), persistent=False)
        self.register_buffer("radius", radius, persistent=False)
        self.first_basis: Tensor | None
        self.free: Tensor | None
        first = None if basis is None else basis.detach().clone()
        self.register_buffer("first_basis", first, persistent=False)
        self.register_buffer("free", free, persistent=False)

    def factor(self, moved: Float[Tensor, "row column"]) -> Float[Tensor, "row column"]:
        """Each row drawn back onto the ball around where it was."""
        step = moved - self.first_factor
        length = step.square().sum(1).add(1e-24).sqrt()
        share = torch.minimum(length, self.radius) / length
        return self.first_factor + share[:, None] * step

    def basis(self, moved: Float[Tensor, "column width"]) -> Float[Tensor, "column width"]:
        """What of the move goes in free directions."""
        if self.first_basis is None or self.free is None:
            return moved
        return self.first_basis + self.free @ (moved - self.first_basis)
