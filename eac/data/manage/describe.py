"""What a stream holds, period by period, and what in it looks suspicious."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eac.data.core.period import NodeChange, Period
from eac.data.core.pieces import pieces
from eac.data.core.stream import GraphStream, node_changes
from eac.data.core.windows import Split, window_starts
from eac.data.manage.clocks import clock_notes, named
from eac.data.manage.suspicious import CONSTANT, suspicious_values
from eac.typing import NodeSeries, Part

PARTS: tuple[Part, ...] = ("train", "val", "test")
FRACTIONS = (0.6, 0.2)
MINUTES = "minutes"


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
        warnings: What looks suspicious, and what the reader changed, one sentence each.
        notes: How the steps of the first period go, where that is unusual, one sentence each.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> stream = SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=48)
        >>> found = next(summaries(stream))
        >>> found.num_nodes, found.new, found.missing_share
        (3, 3, 0.0)
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
    notes: tuple[str, ...] = ()


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

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> stream = SyntheticStream(num_nodes=3, num_periods=2, steps_per_period=48, growth=0)
        >>> [(one.name, one.kept, one.new) for one in summaries(stream)]
        [('0', 0, 3), ('1', 3, 0)]
    """
    before: Period | None = None
    for period, change in node_changes(stream):
        if window is not None:
            _check_length(period, window, horizon)
        yield summarize(period, change, before)
        before = period


def _check_length(period: Period, window: int, horizon: int) -> None:
    """Raises ``StreamError`` when a part of the period is too short for one window."""
    split = Split.by_fraction(period.num_steps, FRACTIONS)
    for part in PARTS:
        window_starts(split.part(part), window, horizon, period=period.name, part=part)


@dataclass(frozen=True, eq=False)
class Survey:
    """What one walk through a series finds of each node.

    Attributes:
        count: Readings present.
        zeros: Readings that are 0.
        total: Sum of the readings, float64.
        low: Smallest reading; infinite where there is none.
        high: Largest reading; minus infinite where there is none.
        gap: Longest run of missing readings, in steps.
        trailing: Missing readings after the last one that is present, in steps.

    Example:
        >>> found = survey(torch.tensor([[1.0], [torch.nan], [0.0], [torch.nan]]))
        >>> found.count, found.zeros, found.gap, found.trailing
        (tensor([2]), tensor([1]), tensor([1]), tensor([1]))
    """

    count: Int[Tensor, " node"]
    zeros: Int[Tensor, " node"]
    total: Float[Tensor, " node"]
    low: Float[Tensor, " node"]
    high: Float[Tensor, " node"]
    gap: Int[Tensor, " node"]
    trailing: Int[Tensor, " node"]

    @property
    def silent(self) -> Bool[Tensor, " node"]:
        """Nodes without any reading."""
        return self.count == 0

    @property
    def constant(self) -> Bool[Tensor, " node"]:
        """Nodes whose readings are all the same."""
        return ~self.silent & (self.low == self.high)

    @property
    def longest_gap(self) -> int:
        """The longest run of missing readings of a node that has any."""
        return int(self.gap.masked_fill(self.silent, 0).max())


def survey(series: NodeSeries) -> Survey:
    """Walks through a series once, a few steps at a time.

    Example:
        >>> survey(torch.tensor([[torch.nan], [0.0], [torch.nan], [torch.nan]])).gap.tolist()
        [2]
    """
    nodes = series.shape[1]
    count, zeros, gap = torch.zeros(3, nodes, dtype=torch.long)
    total, seen = torch.zeros(nodes, dtype=torch.float64), torch.full((nodes,), -1)
    low, high = torch.full((nodes,), torch.inf), torch.full((nodes,), -torch.inf)
    for steps, part in pieces(series):
        missing = part.isnan()
        count += (~missing).sum(0)
        zeros += (part == 0).sum(0)
        total += part.nansum(0, dtype=torch.float64)
        low = torch.minimum(low, part.masked_fill(missing, torch.inf).amin(0))
        high = torch.maximum(high, part.masked_fill(missing, -torch.inf).amax(0))
        step = torch.arange(steps.start, steps.stop)[:, None]
        last = torch.cat([seen[None], torch.where(missing, -1, step)]).cummax(0).values[1:]
        gap, seen = torch.maximum(gap, (step - last).amax(0)), last[-1]
    return Survey(count, zeros, total, low, high, gap, trailing=len(series) - 1 - seen)


def summarize(
    period: Period, change: NodeChange, before: Period | None, found: Survey | None = None
) -> PeriodSummary:
    """Sums up one period.

    Args:
        period: The period.
        change: Its nodes, by how they relate to the periods before.
        before: The period before it, to see whether they overlap in time.
        found: What ``survey`` found in its series; None walks through it.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> period = SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=48)[0]
        >>> summarize(period, NodeChange.between(period.node_ids, (), set()), None).num_steps
        48
    """
    first, last = _ends(period)
    found = found or survey(period.series)
    count = int(found.count.sum())
    mean = float(found.total.sum()) / count if count else None
    return PeriodSummary(
        name=period.name,
        num_nodes=period.num_nodes,
        kept=len(change.kept),
        new=len(change.new),
        returned=len(change.returned),
        gone=len(change.gone),
        num_steps=period.num_steps,
        missing_share=1 - count / period.series.numel(),
        num_edges=period.graph.num_edges,
        num_isolated=int(period.graph.isolated().sum()),
        first=first,
        last=last,
        mean=mean,
        std=None if mean is None else _deviation(period.series, mean, count),
        low=float(found.low.min()) if count else None,
        high=float(found.high.max()) if count else None,
        zero_share=int(found.zeros.sum()) / count if count else None,
        warnings=(
            *period.notes,
            *_overlap(before, period),
            *_suspicious(period, found),
            *suspicious_values(period, found.low, found.high),
        ),
        notes=clock_notes(period.calendar) if before is None else (),
    )


def _deviation(series: NodeSeries, mean: float, count: int) -> float:
    """Standard deviation of the readings present, in float64."""
    squares = sum(float((part.double() - mean).square_().nansum()) for _, part in pieces(series))
    return math.sqrt(squares / count)


def _ends(period: Period) -> tuple[str, str]:
    clock = period.calendar
    if clock.start is None or clock.step is None:
        return f"slot {clock.start_slot}", f"slot {clock.start_slot + period.num_steps - 1}"
    last = clock.time_of(period.num_steps - 1) or clock.start
    return clock.start.isoformat(" ", MINUTES), last.isoformat(" ", MINUTES)


def _overlap(before: Period | None, period: Period) -> tuple[str, ...]:
    if before is None:
        return ()
    then, now = before.calendar, period.calendar
    if then.start is None or then.step is None or now.start is None:
        return ()
    end = then.time_of(before.num_steps - 1) or then.start
    if (now.start.tzinfo is None) != (end.tzinfo is None):
        return (
            f"starts at {now.start} and period {before.name!r} ends at {end}: give both a zone",
        )
    if now.start > end:
        return ()
    return (f"starts at {now.start}, before period {before.name!r} ends ({end})",)


def _suspicious(period: Period, found: Survey) -> Iterator[str]:
    yield from named(period, found.silent, "without any reading")
    yield from named(period, found.constant, CONSTANT)
    blanks = torch.tensor([node != node.strip() for node in period.node_ids])
    yield from named(period, blanks, "with blanks around the id, which other files may lack")
    if period.calendar.cycles[1] != "week":
        return
    gaps, week = found.gap.masked_fill(found.silent, 0), period.calendar.steps_per_week
    longest = f"missing for more than a week on end, at most {found.longest_gap} steps"
    yield from named(period, gaps > week, longest)
