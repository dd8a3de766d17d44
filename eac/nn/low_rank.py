"""Low-rank layers that are added one after the other, of which only the last is trained."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from eac.errors import ConfigError


class LowRankStack(nn.Module):
    """The sum of low-rank linear maps ``x -> up (down x)`` of one width.

    ``grow`` fixes the layers there are and adds one whose ``up`` is zero, so that growing changes
    no output. Layers that are fixed lie side by side in ``settled_down`` and ``settled_up``.

    Args:
        width: Features in and out.
        rank: Of each layer.

    Example:
        >>> stack = LowRankStack(width=4, rank=2)
        >>> stack.grow(seed=0)
        >>> stack(torch.ones(3, 4)).abs().max().item()
        0.0
    """

    def __init__(self, width: int, rank: int):
        super().__init__()
        if not 1 <= rank <= width:
            raise ConfigError(
                f"rank={rank} with features of width {width}: give a rank between 1 and the width."
            )
        self.width, self.rank = width, rank
        self.settled_down = nn.Parameter(torch.empty(0, width), requires_grad=False)
        self.settled_up = nn.Parameter(torch.empty(width, 0), requires_grad=False)
        self.down = nn.Parameter(torch.empty(0, width))
        self.up = nn.Parameter(torch.empty(width, 0))

    @property
    def num_layers(self) -> int:
        """How often the stack has grown."""
        return (len(self.settled_down) + len(self.down)) // self.rank

    @torch.no_grad()
    def grow(self, seed: int) -> None:
        """Fixes every layer and adds one: ``down`` uniform in ``+- 1/sqrt(width)``, ``up`` zero."""
        joined = torch.cat([self.settled_down, self.down]), torch.cat([self.settled_up, self.up], 1)
        self.settled_down, self.settled_up = (nn.Parameter(j, requires_grad=False) for j in joined)
        generator = torch.Generator().manual_seed(seed)
        fresh = 2 * torch.rand(self.rank, self.width, generator=generator) - 1
        self.down = nn.Parameter((fresh * self.width**-0.5).to(self.down))
        self.up = nn.Parameter(self.up.new_zeros(self.width, self.rank))

    def forward(self, x: Float[Tensor, "*any width"]) -> Float[Tensor, "*any width"]:
        """The sum of all layers."""
        down = torch.cat([self.settled_down, self.down])
        return F.linear(F.linear(x, down), torch.cat([self.settled_up, self.up], 1))

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        """Takes the saved sizes first: a stack is as high as what it loads."""
        for name in ("settled_down", "settled_up", "down", "up"):
            saved, own = state_dict.get(prefix + name), getattr(self, name)
            if saved is not None and own.shape != saved.shape:
                sized = nn.Parameter(own.new_empty(saved.shape), own.requires_grad)
                setattr(self, name, sized)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
