"""Diagonal Fisher information, and elastic weight consolidation (Kirkpatrick et al., 2017)."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


def flat(parameters: Iterable[Tensor]) -> Float[Tensor, " value"]:
    """All parameters as one vector.

    Example:
        >>> flat([torch.ones(2, 2), torch.zeros(1)])
        tensor([1., 1., 1., 1., 0.])
    """
    return torch.cat([p.reshape(-1) for p in parameters])


def diagonal_fisher(
    parameters: Sequence[nn.Parameter], losses: Iterable[Float[Tensor, ""]]
) -> Float[Tensor, " value"]:
    """Sum over batches of the squared gradient of each batch's mean loss.

    This is how the code of TrafficStream counts it, and the scale on which its weight of the
    penalty was chosen: more or smaller batches give a larger value. A parameter that a loss does
    not depend on, or that is frozen, counts 0.

    Args:
        parameters: What to compute it for.
        losses: One mean loss per batch, computed when asked for.

    Example:
        >>> weight = nn.Parameter(torch.tensor([2.0, 3.0]))
        >>> batches = torch.tensor([1.0, 0.0]), torch.tensor([2.0, 1.0])
        >>> diagonal_fisher([weight], ((weight * batch).sum() for batch in batches))
        tensor([5., 1.])
    """
    total = torch.zeros_like(flat(parameters)).detach()
    trained = [p for p in parameters if p.requires_grad]
    for loss in losses:
        grads = iter(torch.autograd.grad(loss, trained, allow_unused=True))
        found = (next(grads) if p.requires_grad else None for p in parameters)
        pairs = zip(parameters, found, strict=True)
        whole = [torch.zeros_like(p) if g is None else g for p, g in pairs]
        total = total + flat(whole).square()
    return total


class EWC(nn.Module):
    """Keeps parameters near values that mattered: ``weight / 2 * sum F (theta - anchor)^2``.

    Args:
        num_values: Numbers in all parameters that are held.
        weight: Lambda; half of it multiplies the sum, as published.

    Attributes:
        anchor: The values to stay near.
        importance: ``F``, one number per value; 0 until ``consolidate`` was called.

    Example:
        >>> weight = nn.Parameter(torch.tensor([1.0, 1.0]))
        >>> held = EWC.over([weight], weight=2.0)
        >>> held.consolidate([weight], torch.tensor([1.0, 0.0]))
        >>> with torch.no_grad():
        ...     weight += 3.0
        >>> held.penalty([weight]).item()  # 2 / 2 * (1 * 3^2 + 0 * 3^2)
        9.0
    """

    def __init__(self, num_values: int, weight: float):
        super().__init__()
        self.weight = weight
        self.anchor: Tensor
        self.importance: Tensor
        self.register_buffer("anchor", torch.zeros(num_values))
        self.register_buffer("importance", torch.zeros(num_values))

    @staticmethod
    def over(parameters: Iterable[Tensor], weight: float) -> "EWC":
        """A penalty with room for ``parameters``, which holds nothing yet."""
        return EWC(sum(p.numel() for p in parameters), weight)

    @torch.no_grad()
    def consolidate(
        self, parameters: Iterable[Tensor], importance: Float[Tensor, " value"]
    ) -> None:
        """Holds ``parameters`` where they are now, each as firmly as it is important."""
        self.anchor.copy_(flat(parameters))
        self.importance.copy_(importance)

    def penalty(self, parameters: Iterable[Tensor]) -> Float[Tensor, ""]:
        """What the parameters have departed, weighted."""
        departed = (flat(parameters) - self.anchor).square()
        return self.weight / 2 * (self.importance * departed).sum()
