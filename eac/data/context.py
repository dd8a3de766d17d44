"""What a forecast may know besides its window: the clock, and the past at the same slots."""

import re
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from eac.data.calendar import Calendar
from eac.data.period import Period
from eac.data.stream import GraphStream
from eac.errors import ConfigError
from eac.typing import NodeSeries

_LAG = re.compile(r"(\d+)\s*([dw])")


@dataclass(frozen=True, eq=False)
class Clock:
    """Slot of the day and day of the week of every step of a batch, inputs then targets.

    Attributes:
        slot: From 0 to ``steps_per_day`` - 1.
        day: From 0 to ``days_per_week`` - 1.
        steps_per_day: Slots in a day.
        days_per_week: Days in a week.
    """

    slot: Int[Tensor, "batch span"]
    day: Int[Tensor, "batch span"]
    steps_per_day: int
    days_per_week: int

    @staticmethod
    def at(calendar: Calendar, starts: Int[Tensor, " batch"], span: int) -> "Clock":
        """The clock of ``span`` steps from each start on."""
        steps = starts[:, None] + torch.arange(span, device=starts.device)
        return Clock(
            calendar.slot_of_day(steps),
            calendar.day_of_week(steps),
            calendar.steps_per_day,
            calendar.days_per_week,
        )


def lag_steps(lags: list[str], calendar: Calendar, horizon: int) -> tuple[int, ...]:
    """Each lag in steps, raised to the next multiple that is known when the forecast is made.

    Args:
        lags: Such as ``1d`` (a day before) or ``2w`` (two weeks before).
        calendar: Says how long a day and a week are.
        horizon: Steps forecast; a lag shorter than this would look ahead.

    Example:
        >>> lag_steps(["1d", "1w"], Calendar(steps_per_day=24), horizon=36)
        (48, 168)
    """
    steps = []
    for lag in lags:
        match = _LAG.fullmatch(lag.strip())
        if match is None or int(match[1]) < 1:
            raise ConfigError(f"lag {lag!r}: give a number of days or weeks, such as 1d or 2w.")
        unit = calendar.steps_per_day if match[2] == "d" else calendar.steps_per_week
        length = int(match[1]) * unit
        steps.append(length if length >= horizon else -(-horizon // unit) * unit)
    return tuple(steps)


def readings_before(stream: GraphStream, index: int, num_steps: int) -> NodeSeries:
    """The ``num_steps`` steps before period ``index``, for its nodes, from the periods before it.

    Nodes are matched by id. What was not measured, or lies before the stream, is NaN; so is a gap
    between two periods. Periods whose clocks cannot be put on one axis are not reached.
    """
    current = stream.load(index)
    before = torch.full((num_steps, current.num_nodes), torch.nan)
    column = {node: i for i, node in enumerate(current.node_ids)}
    for earlier in range(index - 1, -1, -1):
        period = stream.load(earlier)
        offset = _steps_between(period.calendar, current.calendar)
        if offset is None or offset - period.num_steps >= num_steps:
            break
        _copy_shared(period, before, offset, column)
        if offset >= num_steps:
            break
    return before


def _copy_shared(period: Period, before: NodeSeries, offset: int, column: dict[str, int]) -> None:
    """Copies the steps of ``period``, which begins ``offset`` steps before the end of ``before``."""
    shared = [(i, column[node]) for i, node in enumerate(period.node_ids) if node in column]
    if not shared:
        return
    source, target = (torch.tensor(rows) for rows in zip(*shared, strict=True))
    first = max(len(before) - offset, 0)
    skip = max(offset - len(before), 0)
    length = min(period.num_steps - skip, len(before) - first)
    before[first : first + length, target] = period.series[skip : skip + length][:, source]


def _steps_between(earlier: Calendar, later: Calendar) -> int | None:
    """Steps from the first step of one period to that of the other; None if unknown."""
    if earlier.start is not None and later.start is not None and later.step is not None:
        steps = (later.start - earlier.start) / later.step
        whole = round(steps)
        same_grid = abs(steps - whole) < 1e-6 and earlier.step == later.step
        return whole if same_grid and whole > 0 else None
    difference = later.start_slot - earlier.start_slot
    return difference if difference > 0 else None
