"""What a stream holds, period by period, and what in it looks suspicious."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from eac.data.period import NodeChange, Period
from eac.data.stream import GraphStream, node_changes
from eac.data.windows import Split, window_starts
from eac.typing import Part

PARTS: tuple[Part, ...] = ("train", "val", "test")
FRACTIONS = (0.6, 0.2)
MINUTES = "minutes"
_CHUNK_ELEMENTS = 1 << 20


@dataclass(frozen=True)
class PeriodSummary:
    """Counts of one period; ``mean``, ``std``, ``low`` and ``high`` are in the stream's unit.

    Attributes:
        name: Name of the period.
        num_nodes: Nodes in it.
        kept: Nodes also in the period before.
        new: Nodes never seen before.
        returned: Nodes seen before, but not in the period just before.
        gone: Nodes of the period before that are absent.
        num_steps: Time steps.
        missing_share: Share of readings that are missing, between 0 and 1.
        num_edges: Directed edges.
        num_isolated: Nodes that no edge touches.
        first: First time stamp, or the first slot without real time.
        last: Last time stamp, or the last slot without real time.
        mean: Mean of the readings present.
        std: Their standard deviation.
        low: Smallest reading.
        high: Largest reading.
        zero_share: Share of the readings present that are 0.
        warnings: What looks suspicious, one sentence each.
    """

    name: str
    num_nodes: int
    kept: int
    new: int
    returned: int
    gone: int
    num_steps: int
    missing_share: float
    num_edges: int
    num_isolated: int
    first: str
    last: str
    mean: float | None
    std: float | None
    low: float | None
    high: float | None
    zero_share: float | None
    warnings: tuple[str, ...]


def summaries(
    stream: GraphStream, *, window: int | None = None, horizon: int = 1
) -> Iterator[PeriodSummary]:
    """Reads the periods one by one and sums each up.

    Args:
        stream: The stream to read.
        window: When given, every part of a period must hold one window of this many steps.
        horizon: Steps that follow each window.

    Raises:
        StreamError: At the first period that is not valid.
    """
    before: Period | None = None
    for period, change in node_changes(stream):
        if window is not None:
            check_length(period, window, horizon)
        yield summarize(period, change, before)
        before = period


def check_length(period: Period, window: int, horizon: int) -> None:
    """Raises ``StreamError`` when a part of the period is too short for one window."""
    split = Split.by_fraction(period.num_steps, FRACTIONS)
    for part in PARTS:
        window_starts(split.part(part), window, horizon, period=period.name, part=part)


def longest_gaps(missing: Bool[Tensor, "time node"]) -> Int[Tensor, " node"]:
    """The longest run of missing readings of each node, in steps.

    Example:
        >>> longest_gaps(torch.tensor([[True], [False], [True], [True]])).tolist()
        [2]
    """
    step = torch.arange(len(missing), dtype=torch.int32)[:, None]
    longest = []
    for nodes in missing.split(max(1, _CHUNK_ELEMENTS // len(missing)), dim=1):
        seen = torch.where(nodes, -1, step).cummax(dim=0).values
        longest.append((step - seen).amax(dim=0).long())
    return torch.cat(longest)


def summarize(period: Period, change: NodeChange, before: Period | None) -> PeriodSummary:
    """Sums up one period.

    Args:
        period: The period.
        change: Its nodes, by how they relate to the periods before.
        before: The period before it, to see whether they overlap in time.
    """
    first, last = _ends(period)
    readings = period.series.numpy().ravel()
    present = readings[~np.isnan(readings)]  # torch would list the position of each first
    some = present.size > 0
    return PeriodSummary(
        name=period.name,
        num_nodes=period.num_nodes,
        kept=len(change.kept),
        new=len(change.new),
        returned=len(change.returned),
        gone=len(change.gone),
        num_steps=period.num_steps,
        missing_share=period.missing_share,
        num_edges=period.graph.num_edges,
        num_isolated=int(period.graph.isolated().sum()),
        first=first,
        last=last,
        mean=float(present.mean(dtype=np.float64)) if some else None,
        std=_deviation(present) if some else None,
        low=float(present.min()) if some else None,
        high=float(present.max()) if some else None,
        zero_share=float((present == 0).mean()) if some else None,
        warnings=(*_overlap(before, period), *_suspicious(period)),
    )


def _deviation(values: Float[ndarray, " any"]) -> float:
    """Standard deviation in float64, without a float64 copy of all values."""
    mean = values.mean(dtype=np.float64)
    pieces = np.array_split(values, max(1, values.size // _CHUNK_ELEMENTS))
    squares = sum(float(np.square(piece - mean).sum()) for piece in pieces)
    return math.sqrt(squares / values.size)


def _ends(period: Period) -> tuple[str, str]:
    clock = period.calendar
    if clock.start is None or clock.step is None:
        return f"slot {clock.start_slot}", f"slot {clock.start_slot + period.num_steps - 1}"
    last = clock.start + (period.num_steps - 1) * clock.step
    return clock.start.isoformat(" ", MINUTES), last.isoformat(" ", MINUTES)


def _overlap(before: Period | None, period: Period) -> tuple[str, ...]:
    if before is None:
        return ()
    then, now = before.calendar, period.calendar
    if then.start is None or then.step is None or now.start is None:
        return ()
    end = then.start + (before.num_steps - 1) * then.step
    if now.start > end:
        return ()
    return (f"starts at {now.start}, before period {before.name!r} ends ({end})",)


def _suspicious(period: Period) -> Iterator[str]:
    missing = period.series.isnan()
    silent = missing.all(dim=0)
    low = torch.where(missing, torch.inf, period.series).amin(dim=0)
    high = torch.where(missing, -torch.inf, period.series).amax(dim=0)
    gaps = longest_gaps(missing).masked_fill(silent, 0)
    yield from _named(period, silent, "without any reading")
    yield from _named(period, ~silent & (low == high), "with one constant reading")
    week = period.calendar.steps_per_week
    longest = f"missing for more than a week on end, at most {int(gaps.max())} steps"
    yield from _named(period, gaps > week, longest)


def _named(period: Period, chosen: Bool[Tensor, " node"], what: str) -> Iterator[str]:
    ids = [period.node_ids[row] for row in chosen.nonzero().flatten().tolist()]
    if ids:
        more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
        plural = "nodes" if len(ids) > 1 else "node"
        yield f"{len(ids)} {plural} {what}: {', '.join(ids[:3])}{more}"
