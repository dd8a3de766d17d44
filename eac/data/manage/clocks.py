"""The steps of a period in words: clocks, slots, sensors that are read rarely."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool
from torch import Tensor

from eac.data.core.calendar import Calendar, in_words
from eac.data.core.period import Period
from eac.data.core.pieces import column_pieces, pieces
from eac.data.parsing.hours import said_of

_FEWEST_STEPS, _FEW_READINGS = 512, 20
_SAMPLE = 1 << 22


def clock_notes(clock: Calendar) -> tuple[str, ...]:
    """What a person should know of a clock with open hours, or without slots of the day.

    Example:
        >>> clock_notes(Calendar(24))
        ()
    """
    if clock.hours is not None:
        return (said_of(clock.hours),)
    if clock.step is None:
        return ()
    day, week = clock.cycles
    if day or (week == "week" and clock.steps_per_day == 1):
        return ()
    step = f"{clock.months} months" if clock.months else in_words(clock.step)
    step = "a month" if clock.months == 1 else step
    if week == "year":
        return (f"steps of {step} repeat with the year, of {clock.steps_per_week} steps",)
    if week == "week":
        return (f"a day is not a whole number of steps of {step}; slots repeat with the week",)
    if clock.steps_per_week == 1:
        return (f"steps of {step} repeat with no day, week or year; there are no slots",)
    return (
        f"a day is not a whole number of steps of {step}; slots repeat after "
        f"{in_words(clock.steps_per_day * clock.step)}",
    )


def named(period: Period, chosen: Bool[Tensor, " node"], what: str) -> Iterator[str]:
    """How many nodes are chosen, what of them, and the names of the first; nothing without any.

    Example:
        >>> from eac.data.core.graph import Graph
        >>> period = Period("0", torch.ones(1, 2), ("a", "b"), Graph.empty(2), Calendar(24))
        >>> list(named(period, torch.tensor([True, False]), "without any reading"))
        ['1 node without any reading: a']
    """
    ids = [period.node_ids[row] for row in chosen.nonzero().flatten().tolist()]
    if ids:
        more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
        plural = "nodes" if len(ids) > 1 else "node"
        yield f"{len(ids)} {plural} {what}: {', '.join(ids[:3])}{more}"


def unread_slots(period: Period) -> Iterator[str]:
    """Slots of the day that never hold a reading, where hours were not recognised or are off.

    Example:
        >>> from datetime import datetime, timedelta
        >>> from eac.data.core.graph import Graph
        >>> clock = Calendar.from_timestamps(datetime(2024, 1, 1), timedelta(hours=6))
        >>> series = torch.tensor([torch.nan, 1.0, 2.0, 3.0]).repeat(3)[:, None]
        >>> next(unread_slots(Period("0", series, ("a",), Graph.empty(1), clock))).partition(",")[0]
        '1 of the 4 slots of a day never hold a reading'
    """
    clock, days = period.calendar, period.num_steps / period.calendar.steps_per_day
    if clock.step is None or clock.cycles[0] != "day" or clock.hours is not None or days < 2:
        return
    read = torch.cat([(~part.isnan()).any(1) for _, part in pieces(period.series)])
    slots = clock.slot_of_day(torch.arange(period.num_steps))
    held = torch.bincount(slots[read], minlength=clock.steps_per_day)
    never = int((held == 0).sum())
    if 0 < never < clock.steps_per_day:
        yield (
            f"{never} of the {clock.steps_per_day} slots of a day never hold a reading, and are "
            "forecast all the same (hours: 05:00-22:00 and the like leaves them out)"
        )


def rarely_read(period: Period) -> Iterator[str]:
    """Nodes that are read more rarely than the steps come: every second step, or every sixth.

    Example:
        >>> from datetime import datetime, timedelta
        >>> from eac.data.core.graph import Graph
        >>> clock = Calendar.from_timestamps(datetime(2024, 1, 1), timedelta(hours=1))
        >>> series = torch.ones(48, 1)
        >>> series[1::2] = torch.nan
        >>> next(rarely_read(Period("0", series, ("a",), Graph.empty(1), clock))).partition(":")[0]
        '1 node whose readings never follow each other by one step of 1 h'
    """
    steps = period.series[: max(_FEWEST_STEPS, _SAMPLE // period.num_nodes)]
    there = (~part.isnan() for _, part in column_pieces(steps, _SAMPLE // 8))
    parts = [(present.sum(0), (present[1:] & present[:-1]).sum(0)) for present in there]
    count, both = map(torch.cat, zip(*parts, strict=True))
    rare = (count >= _FEW_READINGS) & (both <= 0.02 * count)
    if period.calendar.step is not None:
        every = in_words(period.calendar.step)
        about = f"whose readings never follow each other by one step of {every}: they come more"
        yield from named(period, rare, f"{about} rarely, or at other minutes, than steps do")
