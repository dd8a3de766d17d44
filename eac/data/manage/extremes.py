"""The smallest and the largest reading of each sensor, and what they say of its digits."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eac.data.core.period import Period
from eac.data.core.pieces import pieces

FEWEST_LEVELS = 100
"""Values that single precision must tell apart between the smallest and the largest reading."""


def extremes(period: Period) -> tuple[Float[Tensor, " node"], Float[Tensor, " node"]]:
    """Smallest and largest reading of each node; infinite where there is none.

    Example:
        >>> from eac.data.core.calendar import Calendar
        >>> from eac.data.core.graph import Graph
        >>> series = torch.tensor([[1.0], [torch.nan], [5.0]])
        >>> extremes(Period("0", series, ("a",), Graph.empty(1), Calendar(24)))
        (tensor([1.]), tensor([5.]))
    """
    low = torch.full((period.num_nodes,), torch.inf)
    high = -low
    for _, part in pieces(period.series):
        missing = part.isnan()
        low = torch.minimum(low, part.masked_fill(missing, torch.inf).amin(0))
        high = torch.maximum(high, part.masked_fill(missing, -torch.inf).amax(0))
    return low, high


def coarse(low: Float[Tensor, " node"], high: Float[Tensor, " node"]) -> Bool[Tensor, " node"]:
    """Nodes whose readings are far from 0 and close together: single precision loses their digits.

    Example:
        >>> coarse(torch.tensor([0.0, 1e9]), torch.tensor([1.0, 1e9 + 100])).tolist()
        [False, True]
    """
    step = torch.maximum(low.abs(), high.abs()).double() * torch.finfo(torch.float32).eps
    spread = high.double() - low.double()
    return (spread > 0) & (spread < FEWEST_LEVELS * step)
