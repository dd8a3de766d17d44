"""The smallest and the largest reading of each sensor, its steps, and what that says of digits."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eac.data.core.period import Period
from eac.data.core.pieces import column_pieces, pieces

FEWEST_LEVELS = 100
"""Values that single precision must tell apart between the smallest and the largest reading."""
FEWEST_STEPS = 4
"""Differences that single precision must tell apart in the usual one between two readings."""
FEWEST_PAIRS = 100
_SAMPLE = 1 << 22


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


def changes(period: Period) -> Iterator[tuple[slice, Float[Tensor, "pair node"]]]:
    """Differences between readings and those a step before, early in a period, of some nodes each.

    A period of one step has none.

    Example:
        >>> from eac.data.core.calendar import Calendar
        >>> from eac.data.core.graph import Graph
        >>> series = torch.tensor([[1.0], [4.0], [torch.nan]])
        >>> [(nodes, found)] = changes(Period("0", series, ("a",), Graph.empty(1), Calendar(24)))
        >>> found.tolist()
        [[3.0], [nan]]
    """
    steps = max(2 * FEWEST_PAIRS, _SAMPLE // period.num_nodes)
    if period.num_steps < 2:
        return
    for nodes, part in column_pieces(period.series[:steps], _SAMPLE // 8):
        yield nodes, part.diff(dim=0)


def rough(
    differences: Float[Tensor, "pair node"],
    low: Float[Tensor, " node"],
    high: Float[Tensor, " node"],
) -> Bool[Tensor, " node"]:
    """Nodes whose readings change by steps that single precision can hardly tell apart.

    Example:
        >>> meter = torch.tensor([[4.2e8], [4.2e8 + 32.0], [4.2e8 + 64.0]])
        >>> rough(meter.diff(dim=0), meter[0], meter[2]).tolist()
        [True]
    """
    moved = differences.abs().masked_fill(differences == 0, torch.nan)
    step = torch.maximum(low.abs(), high.abs()) * torch.finfo(torch.float32).eps
    return moved.nanmedian(0).values < FEWEST_STEPS * step


def counting(differences: Float[Tensor, "pair node"]) -> Bool[Tensor, " node"]:
    """Nodes whose readings rise and never fall, but for a reset: those of a meter.

    Example:
        >>> counting(torch.ones(200, 1)).tolist(), counting(torch.ones(20, 1)).tolist()
        ([True], [False])
    """
    pairs, rises = (~differences.isnan()).sum(0), (differences > 0).sum(0)
    falls = (differences < 0).sum(0)
    return (pairs >= FEWEST_PAIRS) & (rises > 0.1 * pairs) & (falls <= (0.001 * pairs).clamp_min(1))
