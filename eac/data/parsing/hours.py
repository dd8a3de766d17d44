"""Operating hours: slots in which no sensor ever reads are left out of a period, and put back."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray

from eac.data.core.calendar import DAY, MONDAY, WEEK, Calendar, in_words
from eac.data.core.hours import DAYS, OpenHours, days_in_words
from eac.data.core.period import Period
from eac.data.core.pieces import pieces
from eac.data.parsing.form import ALL, AUTO, Form
from eac.errors import StreamError

FULL_DAYS = 7
"""Days that a first period must span before hours are taken from it."""
STRAY = 0.1
"""A slot that is read in a smaller share of its days, or weeks, counts as never read."""
LEAST_MISSING = 0.01
"""Share of the open slots that is taken to be missing by chance, where fewer are."""
CHANCE = 0.05
"""Largest expected number of slots of the week that only seem closed, by chance."""
STEADY = 0.8
"""Share of the open slots, over all days, that must hold some reading."""
MOST_PIECES = 2
"""Pieces that the open part of a day may have."""


def hours_of(period: Period, form: Form) -> OpenHours | None:
    """The hours in which anything is read, as said or, where nothing else fits, as found.

    They are found where some slots of the day never hold a reading over a week or more, or some
    days of the week never do, while the others nearly always do.

    Raises:
        StreamError: If hours are said that do not go with the readings.

    Example:
        >>> from datetime import datetime
        >>> from eac.data.core.graph import Graph
        >>> clock = Calendar.from_timestamps(datetime(2024, 1, 1), timedelta(hours=1))
        >>> series = torch.ones(24 * 14, 1)
        >>> series[torch.arange(24 * 14) % 24 < 5] = torch.nan
        >>> hours_of(Period("0", series, ("a",), Graph.empty(1), clock), Form()).in_words()
        '05:00 to 24:00'
    """
    clock, what = period.calendar, f"period {period.name!r}"
    if form.hours == ALL and not _fewer_slots(period, form):
        return None
    if clock.step is None or clock.months or clock.hours is not None or DAY % clock.step:
        if form.span is not None:
            raise StreamError(
                f"{what}: hours is {form.hours!r}, but the period has no time stamps in steps that "
                "divide a day. Leave hours out."
            )
        return None
    if clock.days_per_week != DAYS:
        return None
    if period.mapped:
        if form.span is not None or _fewer_slots(period, form):
            raise StreamError(
                f"{what} is mapped from a file, which is read as it is. Leave hours out, or give "
                "it as series.parquet."
            )
        return None
    read = _read_slots(period)
    if form.span is not None:
        return _said(form.span, clock)
    if form.steps_per_day is not None and form.steps_per_day < clock.steps_per_day:
        return _declared(read, form.steps_per_day, clock, what)
    return _found(read, period)


def only_open(period: Period, hours: OpenHours | None) -> Period:
    """The period on a clock of its open slots; readings in closed ones are left out, and counted.

    Raises:
        StreamError: If nothing is left.

    Example:
        >>> from datetime import datetime
        >>> from eac.data.core.graph import Graph
        >>> clock = Calendar.from_timestamps(datetime(2024, 1, 1), timedelta(hours=1))
        >>> period = Period("0", torch.ones(48, 1), ("a",), Graph.empty(1), clock)
        >>> only_open(period, OpenHours(tuple(range(5, 22)), 24)).num_steps
        34
    """
    clock = period.calendar
    if hours is None or clock.step is None or clock.start is None:
        return period
    keep, _ = _open_steps(clock, hours, period.num_steps)
    rows = torch.from_numpy(np.flatnonzero(keep))
    if not len(rows):
        raise StreamError(
            f"period {period.name!r} has no step in the hours {hours.in_words()}. Say other hours, "
            "or hours: all."
        )
    outside = int((~period.series[torch.from_numpy(~keep)].isnan()).sum())
    start = clock.time_of(int(rows[0]))
    calendar = Calendar.from_timestamps(start or clock.start, clock.step, hours=hours)
    ahead = period.covariates
    ahead = None if ahead is None else replace(ahead, values=ahead.values[rows])
    lost = (f"{outside} readings outside the hours {hours.in_words()} are left out",)
    return replace(
        period,
        series=period.series[rows].contiguous(),
        calendar=calendar,
        covariates=ahead,
        notes=(*period.notes, *(lost if outside else ())),
    )


def with_closed(period: Period) -> Period:
    """The same readings on a clock of all slots, with nothing read in the closed ones.

    Example:
        >>> from datetime import datetime
        >>> from eac.data.core.graph import Graph
        >>> hours = OpenHours(tuple(range(5, 22)), 24)
        >>> begin, hour = datetime(2024, 1, 1, 5), timedelta(hours=1)
        >>> clock = Calendar.from_timestamps(begin, hour, hours=hours)
        >>> period = Period("0", torch.ones(34, 1), ("a",), Graph.empty(1), clock)
        >>> with_closed(period).num_steps  # from 05:00 to 22:00 of the next day
        41
    """
    clock = period.calendar
    if clock.hours is None or clock.start is None or clock.step is None:
        return period
    times = clock.wall_times(range(period.num_steps))
    plain = Calendar.from_timestamps(clock.start, clock.step)
    at = torch.from_numpy((times - times[0]) // np.timedelta64(clock.step))
    series = torch.full((int(at[-1]) + 1, period.num_nodes), torch.nan)
    series[at] = period.series
    ahead = period.covariates
    if ahead is not None:
        values = torch.full((len(series), *ahead.values.shape[1:]), torch.nan)
        values[at] = ahead.values
        ahead = replace(ahead, values=values)
    return replace(period, series=series, calendar=plain, covariates=ahead)


def said_of(hours: OpenHours) -> str:
    """What a person is told of hours.

    Example:
        >>> said_of(OpenHours((0,), 1, (0, 1, 2, 3, 4))).partition(":")[0]
        'nothing is ever read on Saturday and Sunday'
    """
    count, whole = len(hours.slots), len(hours.slots) == hours.slots_of_day
    outside = [] if whole else [f"outside {hours.times()}"]
    if len(hours.days) < DAYS:
        outside.append(f"on {days_in_words([d for d in range(DAYS) if d not in hours.days])}")
    fewer = days_in_words(sorted({day for day, _ in hours.never}))
    more = f", and in fewer slots on {fewer}" if fewer else ""
    kept = "the other days" if whole else f"these {count} slots of a day"
    return (
        f"nothing is ever read {' nor '.join(outside)}{more}: only {kept} are trained on, tested "
        f"and forecast (hours: all keeps all{'' if whole else f' {hours.slots_of_day}'})"
    )


def _fewer_slots(period: Period, form: Form) -> bool:
    return form.steps_per_day is not None and form.steps_per_day < period.calendar.steps_per_day


def _week_slots(clock: Calendar, num_steps: int) -> tuple[ndarray, int]:
    """Slot of the week of each step by the clock on the wall, and slots of a day."""
    step = clock.step or timedelta(hours=1)
    of_day = round(DAY / step)
    times = clock.wall_times(range(num_steps))
    since = (times - np.datetime64(MONDAY, "us")) % np.timedelta64(WEEK)
    return since // np.timedelta64(DAY // of_day), of_day


def _read_slots(period: Period) -> Bool[ndarray, " step"]:
    """True where any sensor reads."""
    parts = [(~part.isnan()).any(1) for _, part in pieces(period.series)]
    return torch.cat(parts).numpy()


def _open_steps(clock: Calendar, hours: OpenHours, num_steps: int) -> tuple[ndarray, ndarray]:
    slots, of_day = _week_slots(clock, num_steps)
    if of_day != hours.slots_of_day:
        raise StreamError(
            f"the hours {hours.in_words()} are of {hours.slots_of_day} slots a day, but steps of "
            f"{in_words(clock.step or DAY)} make {of_day}. Give all periods one step, or say "
            "hours: all."
        )
    day, slot = np.divmod(slots, of_day)
    return np.isin(day, hours.days) & np.isin(slot, hours.slots), slots


def _found(read: Bool[ndarray, " step"], period: Period) -> OpenHours | None:
    """The hours that readings show without doubt.

    A slot of the day is closed where it is never read over a week or more. A day of the week, or
    one slot of it, is closed where it came by so often that chance does not explain that it was
    never read: twice where hardly any reading is missing, six times where a fifth is.
    """
    slots, of_day = _week_slots(period.calendar, len(read))
    if len(read) / of_day < FULL_DAYS:
        return None
    table, passed = (
        np.bincount(some, minlength=DAYS * of_day).reshape(DAYS, of_day)
        for some in (slots[read], slots)
    )
    open_slots = np.flatnonzero(table.sum(0) >= STRAY * passed.sum(0))
    inside = np.isin(np.arange(of_day), open_slots)[None] & (passed > 0)
    unread = inside & (table < STRAY * passed)
    kept = inside & ~unread
    share = table[kept].sum() / max(1, passed[kept].sum())
    certain = max(1 - share, LEAST_MISSING) ** passed * DAYS * of_day <= CHANCE
    closed = unread & certain
    open_days = np.flatnonzero((inside & ~closed).any(1) | ~inside.any(1))
    if share < STEADY or len(open_slots) < min(2, of_day):
        return None
    if len(open_slots) == of_day and len(open_days) == DAYS:
        return None
    never = [(int(d), int(s)) for d, s in np.argwhere(closed) if d in open_days]
    hours = OpenHours(tuple(open_slots.tolist()), of_day, tuple(open_days.tolist()), tuple(never))
    return hours if _pieces(open_slots, of_day) <= MOST_PIECES else None


def _pieces(slots: ndarray, of_day: int) -> int:
    """Pieces of the day that the slots make, midnight being no border."""
    return int((~np.isin((slots - 1) % of_day, slots)).sum())


def _said(span: tuple[int, int], clock: Calendar) -> OpenHours:
    first, last = (minutes * clock.steps_per_day / (24 * 60) for minutes in span)
    count = clock.steps_per_day
    slots = [s for s in range(count) if _within(s, first % count, last, count)]
    return OpenHours(tuple(slots), count)


def _within(slot: int, first: float, last: float, count: int) -> bool:
    return first <= slot < last if first < last else slot >= first or slot < last % count


def _declared(
    read: Bool[ndarray, " step"], wanted: int, clock: Calendar, what: str
) -> OpenHours | None:
    """The hours where ``steps_per_day`` says how many slots there are."""
    slots, of_day = _week_slots(clock, len(read))
    found = np.unique(slots[read] % of_day)
    if len(found) != wanted:
        raise StreamError(
            f"{what}: steps_per_day is {wanted}, but steps are {in_words(clock.step or DAY)} "
            f"apart, which makes {of_day}, and {len(found)} of them are ever read. Correct one of "
            "them, or leave steps_per_day out."
        )
    return OpenHours(tuple(found.tolist()), of_day)


__all__ = ["AUTO", "hours_of", "only_open", "said_of", "with_closed"]
