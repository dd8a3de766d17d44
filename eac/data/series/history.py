"""What was read before a window: lags, and the periods before a period."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from eac.data.core.calendar import Calendar
from eac.data.core.period import Period
from eac.data.core.stream import GraphStream
from eac.errors import ConfigError
from eac.typing import NodeSeries

_Columns: TypeAlias = tuple[Sequence[str], Float[Tensor, "time column *channel"]]
"""Ids, and what belongs to each: readings, or several covariates."""

REHEARSED_READINGS = 1 << 26
"""Readings of earlier periods that rehearsal draws from, at most, the latest ones (256 MiB)."""

_LAG = re.compile(r"(\d+)\s*([dw])")


@dataclass(frozen=True)
class Lag:
    """One lag of seasonal history.

    Attributes:
        steps: How far back.
        weekly: True for whole weeks: the same day of the week.

    Example:
        >>> Lag(steps=168, weekly=True).steps
        168
    """

    steps: int
    weekly: bool


@dataclass(frozen=True)
class Span:
    """Where a period lies in time.

    Attributes:
        num_steps: How long it is.
        calendar: When it begins.

    Example:
        >>> Span(720, Calendar(24)).num_steps
        720
    """

    num_steps: int
    calendar: Calendar


def lag_steps(lags: Sequence[str], calendar: Calendar, horizon: int) -> tuple[Lag, ...]:
    """Each lag in steps, raised to the next multiple that is known when the forecast is made.

    Args:
        lags: Such as ``1d`` (a day before) or ``2w`` (two weeks before).
        calendar: Says how long a day and a week are.
        horizon: Steps forecast; a lag shorter than this would look ahead.

    Example:
        >>> [lag.steps for lag in lag_steps(["1d", "1w"], Calendar(24), horizon=36)]
        [48, 168]
    """
    steps = []
    for lag in lags:
        match = _LAG.fullmatch(lag.strip())
        if match is None or int(match[1]) < 1:
            raise ConfigError(f"lag {lag!r}: give a number of days or weeks, such as 1d or 2w.")
        unit = calendar.steps_per_day if match[2] == "d" else calendar.steps_per_week
        length = int(match[1]) * unit
        length = length if length >= horizon else -(-horizon // unit) * unit
        steps.append(Lag(length, weekly=match[2] == "w"))
    return tuple(steps)


def readings_before(
    stream: GraphStream, index: int, num_steps: int, current: Period | None = None
) -> NodeSeries:
    """The ``num_steps`` steps before period ``index``, for its nodes, from the periods before it.

    Nodes are matched by id. What was not measured, or lies before the stream, is NaN; so is a gap
    between two periods. Periods whose clocks cannot be put on one axis are not reached.

    Args:
        stream: The stream.
        index: Position of the period.
        num_steps: Steps before it.
        current: The period, perhaps with some of its nodes alone; None reads it.

    Example:
        >>> from eac.data.core.graph import Graph
        >>> from eac.data.core.stream import MemoryStream
        >>> alone = Graph.empty(1)
        >>> first, second = (
        ...     Period(name, torch.full((4, 1), value), ("a",), alone, Calendar(24, 7, start))
        ...     for name, value, start in (("0", 1.0, 0), ("1", 2.0, 4))
        ... )
        >>> readings_before(MemoryStream([first, second]), index=1, num_steps=2)
        tensor([[1.],
                [1.]])
    """
    return _before(stream, index, current, num_steps, lambda read: (read.node_ids, read.series))


def covariates_before(
    stream: GraphStream,
    index: int,
    num_steps: int,
    names: Sequence[str],
    current: Period | None = None,
) -> Float[Tensor, "time column channel"]:
    """The same of covariates: by node where they are given by node, else one column for all.

    Example:
        >>> from eac.data.core.covariates import Covariates
        >>> from eac.data.core.graph import Graph
        >>> from eac.data.core.stream import MemoryStream
        >>> rain = Covariates(("rain",), torch.arange(4.0)[:, None, None])
        >>> series, graph = torch.ones(4, 1), Graph.empty(1)
        >>> first = Period("0", series, ("a",), graph, Calendar(24), covariates=rain)
        >>> second = Period("1", series, ("a",), graph, Calendar(24, start_slot=4), covariates=rain)
        >>> covariates_before(MemoryStream([first, second]), 1, 2, ["rain"]).flatten()
        tensor([2., 3.])
    """

    def read(period: Period) -> _Columns:
        values = period.known_ahead(names).values
        return (period.node_ids if values.shape[1] > 1 else ("",)), values

    return _before(stream, index, current, num_steps, read)


def _before(
    stream: GraphStream,
    index: int,
    current: Period | None,
    num_steps: int,
    read: Callable[[Period], _Columns],
) -> Float[Tensor, "step node *channel"]:
    current = stream.load(index) if current is None else current
    ids, values = read(current)
    before = torch.full((num_steps, *values.shape[1:]), torch.nan)
    column = {node: i for i, node in enumerate(ids)}
    for earlier in range(index - 1, -1, -1):
        period = stream.load(earlier)
        offset = _steps_between(period, current)
        if offset is None or offset - period.num_steps >= num_steps:
            break
        _copy_shared(read(period), before, offset, column)
        if offset >= num_steps:
            break
    return before


def steps_before(stream: GraphStream, index: int, *, most: int, known: dict[int, Span]) -> int:
    """Steps from the earliest period that shares a clock with period ``index`` to its beginning.

    Args:
        stream: The stream.
        index: Position of the period.
        most: Steps at which looking further back ends.
        known: Spans of periods by position; those found here are added, so that no period is read
            again for its span.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> stream = SyntheticStream(num_nodes=3, num_periods=3, steps_per_period=48)
        >>> steps_before(stream, 2, most=1000, known={})
        96
    """
    current, reached = _span(stream, index, known), 0
    for earlier in range(index - 1, -1, -1):
        offset = _steps_between(_span(stream, earlier, known), current)
        if offset is None:
            break
        reached = offset
        if reached >= most:
            break
    return min(reached, most)


def _span(stream: GraphStream, index: int, known: dict[int, Span]) -> Span:
    if index not in known:
        period = stream.load(index)
        known[index] = Span(period.num_steps, period.calendar)
    return known[index]


def _copy_shared(
    given: _Columns,
    before: Float[Tensor, "step node *channel"],
    offset: int,
    column: dict[str, int],
) -> None:
    """Copies what is given, which begins ``offset`` steps before ``before`` ends."""
    ids, values = given
    shared = [(i, column[node]) for i, node in enumerate(ids) if node in column]
    if not shared:
        return
    source, target = (torch.tensor(rows) for rows in zip(*shared, strict=True))
    first = max(len(before) - offset, 0)
    skip = max(offset - len(before), 0)
    length = min(len(values) - skip, len(before) - first)
    before[first : first + length, target] = values[skip : skip + length][:, source]


def _steps_between(first: Period | Span, second: Period | Span) -> int | None:
    """Steps from the first step of one period to that of the other; None if unknown.

    Slots that count on through the periods are one clock. Periods that would overlap by their
    slots are not: their slots are counted from the beginning of some week each.
    """
    earlier, later = first.calendar, second.calendar
    if earlier.start is not None and later.start is not None and later.step is not None:
        steps = earlier.position_of(later.start) if earlier.goes_with(later) else None
        return steps if steps is not None and steps > 0 else None
    difference = later.start_slot - earlier.start_slot
    return difference if difference >= first.num_steps else None
