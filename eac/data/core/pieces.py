"""Reads a series in pieces, so that one larger than memory is never held whole."""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from eac.data.core.blocks import drop_pages
from eac.typing import NodeSeries

ELEMENTS = 1 << 17
"""Readings in a piece of steps."""
HELD = 1 << 23
"""Readings of a mapped series that a pass leaves in memory at most (32 MiB)."""
LEAST_STEPS = 16
"""Steps of a piece at least, which of a series laid out by node are one line of the cache."""
PASSES = 64
"""Pieces of columns at most; each piece touches every step."""


def step_pieces(num_steps: int, num_nodes: int, elements: int | None = None) -> Iterator[range]:
    """Ranges of steps, in order of time, of about ``elements`` readings; None: ``ELEMENTS``.

    Example:
        >>> [len(steps) for steps in step_pieces(num_steps=80, num_nodes=ELEMENTS // 32)]
        [32, 32, 16]
    """
    size = max(LEAST_STEPS, (elements or ELEMENTS) // max(1, num_nodes))
    for first in range(0, num_steps, size):
        yield range(first, min(first + size, num_steps))


def pieces(series: NodeSeries) -> Iterator[tuple[range, Float[Tensor, "step node"]]]:
    """Steps and what was read in them, in order of time.

    Of a mapped series not more than ``HELD`` readings stay in memory behind it.

    Example:
        >>> [steps for steps, part in pieces(torch.zeros(3, 2))]
        [range(0, 3)]
    """
    cuts = list(step_pieces(*series.shape))
    parts = (series[steps.start : steps.stop] for steps in cuts)
    yield from zip(cuts, _released(series, parts), strict=True)


def column_pieces(
    series: NodeSeries, elements: int
) -> Iterator[tuple[slice, Float[Tensor, "time column"]]]:
    """Some columns at a time, of about so many readings.

    Example:
        >>> [part.shape for _, part in column_pieces(torch.zeros(3, 2), elements=3)]
        [torch.Size([3, 1]), torch.Size([3, 1])]
    """
    steps, count = series.shape
    size = max(1, elements // max(1, steps), count // PASSES)
    cuts = [slice(first, first + size) for first in range(0, count, size)]
    yield from zip(cuts, _released(series, (series[:, columns] for columns in cuts)), strict=True)


def _released(series: NodeSeries, parts: Iterable[Tensor]) -> Iterator[Tensor]:
    """Parts of a series, the pages of which do not stay in memory if it is a file."""
    since, large = 0, series.numel() > HELD
    for part in parts:
        yield part
        since += part.numel()
        if since >= HELD:
            drop_pages(series)
            since = 0
    if large:
        drop_pages(series)


def is_complete(series: NodeSeries) -> bool:
    """True when no reading is missing.

    Example:
        >>> is_complete(torch.tensor([[1.0], [torch.nan]]))
        False
    """
    return not any(bool(part.isnan().any()) for _, part in pieces(series))


def count_readings(series: NodeSeries) -> Tensor:
    """How many readings each node has.

    Example:
        >>> count_readings(torch.tensor([[1.0, 2.0], [torch.nan, 3.0]])).tolist()
        [1, 2]
    """
    count = torch.zeros(series.shape[1], dtype=torch.long, device=series.device)
    for _, part in pieces(series):
        count += (~part.isnan()).sum(0)
    return count
