"""Which slot of the day and which day of the week a step is, and when it is."""

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from math import gcd

import numpy as np
from jaxtyping import Int, Shaped
from numpy import ndarray
from torch import Tensor

from eac.data.core.hours import OpenHours
from eac.data.core.wall import (
    DAY,
    DAYS_OF_WEEK,
    MONDAY,
    MONTH,
    MONTHS_OF_YEAR,
    TICK,
    WEEK,
    WEEKS_OF_YEAR,
    in_zone,
    monday_of,
    month_number,
    months_later,
    on_wall,
    phase,
    plain_step,
)
from eac.errors import StreamError


@dataclass(frozen=True)
class Calendar:
    """The clock of one period: a regular grid of steps, with or without real time stamps.

    Steps follow the clock on the wall: with a start in a time zone, the hour that a clock change
    leaves out is a step without readings, and the one that it repeats is one step.

    Attributes:
        steps_per_day: Steps after which the slots of the day repeat; 24 for hourly readings. Where
            a day is not a whole number of steps, as many as make whole days; 1 for steps of days.
        days_per_week: Days after which the week repeats; 5 when weekends were cut out, 52 for
            weekly and 12 for monthly readings, whose "week" is a year.
        start_slot: Slot of the first step, counted from slot 0 of the first day of a week.
        start: Time stamp of the first step, when there are real time stamps.
        step: Time between two steps, when there are real time stamps; the mean of steps of months.
        hours: The open slots, when only those are steps.
        months: Months in a step, where steps are of months, and else 0.

    Example:
        >>> tuesday = datetime(2024, 1, 2, hour=3)
        >>> Calendar.from_timestamps(tuesday, timedelta(hours=1)).start_slot
        27
    """

    steps_per_day: int
    days_per_week: int = 7
    start_slot: int = 0
    start: datetime | None = None
    step: timedelta | None = None
    hours: OpenHours | None = None
    months: int = 0

    def __post_init__(self):
        if self.steps_per_day < 1 or self.days_per_week < 1 or self.start_slot < 0:
            raise StreamError(
                f"calendar with steps_per_day={self.steps_per_day}, days_per_week="
                f"{self.days_per_week}, start_slot={self.start_slot}: the first two must be at "
                "least 1 and the last at least 0."
            )

    @staticmethod
    def from_timestamps(
        start: datetime, step: timedelta, *, hours: OpenHours | None = None, months: int = 0
    ) -> "Calendar":
        """The calendar of real time, whose slots repeat with the days and weeks, or the year.

        Args:
            start: Time stamp of the first step; an open slot where there are ``hours``.
            step: Time between two steps; what it is where ``months`` are given does not matter.
            hours: The open slots; the step must divide a day.
            months: Months in a step, for steps of months.

        Example:
            >>> monday = datetime(2024, 1, 1)
            >>> weekly = Calendar.from_timestamps(monday, timedelta(days=7))
            >>> weekly.steps_per_week, weekly.cycles
            (52, ('', 'year'))
            >>> Calendar.from_timestamps(monday, timedelta(hours=7)).cycles
            ('', 'week')
        """
        if months:
            first = (start.year * MONTHS_OF_YEAR + start.month - 1) // months
            year = MONTHS_OF_YEAR // gcd(months, MONTHS_OF_YEAR)
            return Calendar(1, year, first % year, start, months * MONTH, months=months)
        if step <= timedelta(0):
            raise StreamError(f"the time between two steps is {step}; give a positive frequency.")
        if hours is not None:
            return _open_calendar(start, step, hours)
        slots, days = _cycles_of(step)
        first = (on_wall(start) - MONDAY) // plain_step(step) % (slots * days)
        return Calendar(slots, days, first, start, step)

    @property
    def steps_per_week(self) -> int:
        """Steps after which slot of day and day of week repeat."""
        return self.steps_per_day * self.days_per_week

    @property
    def cycles(self) -> tuple[str, str]:
        """What the slots of a "day" and those of a "week" repeat with: day, week, year or ''.

        '' says that they repeat after some other time, which nobody would name.
        """
        if self.months:
            return "", "year" if self.days_per_week > 1 else ""
        if self.step is None or self.hours is not None:
            return "day", "week"
        length, week = self.steps_per_day * plain_step(self.step), self.days_per_week
        day = "day" if length == DAY else ""
        if length * week == WEEK or (day and week < DAYS_OF_WEEK):
            return day, "week"
        return day, "year" if length * week == WEEKS_OF_YEAR * WEEK else ""

    def slot_of_day(self, steps: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        """Slot of the day of each step, from 0."""
        return (steps + self.start_slot) % self.steps_per_day

    def day_of_week(self, steps: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        """Day of the week of each step, from 0 (Monday, with real time stamps)."""
        return (steps + self.start_slot) // self.steps_per_day % self.days_per_week

    def time_of(self, step: int) -> datetime | None:
        """The time stamp of one step, or None without real time."""
        if self.start is None or self.step is None:
            return None
        if self.hours is None and not self.months and self.start.tzinfo is None:
            return self.start + step * self.step
        wall = self.wall_times(range(step, step + 1))[0].item()
        naive = self.start.replace(tzinfo=None)
        return in_zone(naive + (wall - on_wall(self.start)), self.start)

    def wall_times(self, steps: range) -> Shaped[ndarray, " step"]:
        """What a clock on the wall shows at each of these steps, as ``datetime64[us]``."""
        if self.start is None or self.step is None:
            raise StreamError("a clock of slots has no time stamps.")
        first, number = np.datetime64(on_wall(self.start), "us"), np.arange(steps.start, steps.stop)
        if self.months:
            return months_later(first, number * self.months)
        tick = np.timedelta64(plain_step(self.step) // TICK, "us")
        if self.hours is None:
            return first + number * tick
        days, week = np.array(self.hours.days), np.timedelta64(DAYS_OF_WEEK, "D")
        day, place = np.divmod(number + self.start_slot, self.steps_per_day)
        weeks, weekday = np.divmod(day, self.days_per_week)
        slots = np.array(self.hours.slots)[place]
        return (
            monday_of(first)
            + phase(on_wall(self.start), self.step)
            + weeks * week
            + days[weekday] * np.timedelta64(1, "D")
            + slots * tick
        )

    def position_of(self, moment: datetime) -> int | None:
        """The step whose time stamp this is, which may lie before the first; None for no step."""
        if self.start is None or self.step is None:
            return None
        wall, begin = on_wall(moment), on_wall(self.start)
        if self.months:
            whole, rest = divmod(month_number(wall) - month_number(begin), self.months)
            return (
                whole if not rest and self.wall_times(range(whole, whole + 1))[0] == wall else None
            )
        steps = (wall - begin) / plain_step(self.step)
        if abs(steps - round(steps)) > 1e-6:
            return None
        if self.hours is None:
            return round(steps)
        week, rest = divmod(wall - monday_of(begin), WEEK)
        day, since = divmod(rest, DAY)
        slot = since // plain_step(self.step)
        if day not in self.hours.days or slot not in self.hours.slots:
            return None
        days = week * self.days_per_week + self.hours.days.index(day)
        return days * self.steps_per_day + self.hours.slots.index(slot) - self.start_slot

    def goes_with(self, other: "Calendar") -> bool:
        """True where both count the same steps, from whatever start on."""
        mine, yours = (
            (clock.step, clock.months, clock.hours and (clock.hours.slots, clock.hours.days))
            for clock in (self, other)
        )
        return mine == yours

    def never_read(self, step: int) -> bool:
        """True where a step is in the open hours, and nothing is ever read then all the same."""
        if self.hours is None or not self.hours.never:
            return False
        day, place = divmod(step + self.start_slot, self.steps_per_day)
        pair = (self.hours.days[day % self.days_per_week], self.hours.slots[place])
        return pair in self.hours.never

    def facts(self) -> tuple[str, ...]:
        """Everything that tells one clock from another, as text; what is usual is left out."""
        plain = (self.steps_per_day, self.days_per_week, self.start_slot, self.start, self.step)
        further = (self.hours, self.months or None)
        return tuple(map(str, (*plain, *(fact for fact in further if fact is not None))))

    def later(self, steps: int) -> "Calendar":
        """The clock of what begins so many steps later; earlier where ``steps`` is negative."""
        slot = (self.start_slot + steps) % self.steps_per_week
        return replace(self, start_slot=slot, start=self.time_of(steps))


def zone_name(moment: datetime) -> str | None:
    """Name of the time zone of a time stamp, or its offset; None without one.

    Example:
        >>> from zoneinfo import ZoneInfo
        >>> zone_name(datetime(2024, 1, 1, tzinfo=ZoneInfo("Europe/Oslo")))
        'Europe/Oslo'
    """
    if moment.tzinfo is None:
        return None
    return getattr(moment.tzinfo, "key", None) or str(moment.tzinfo).replace("UTC+", "+").replace(
        "UTC-", "-"
    )


def _cycles_of(step: timedelta) -> tuple[int, int]:
    """Steps of a whole number of days, and how many of those make weeks, or a year."""
    tick, day, week = plain_step(step) // TICK, DAY // TICK, WEEK // TICK
    if tick >= week:
        year = WEEKS_OF_YEAR * week
        return 1, year // tick if year % tick == 0 else 1
    length = tick * day // gcd(tick, day)
    return length // tick, week // gcd(length, week)


def _open_calendar(start: datetime, step: timedelta, hours: OpenHours) -> Calendar:
    slots, days = len(hours.slots), len(hours.days)
    slot = (on_wall(start) - datetime.combine(on_wall(start).date(), time())) // plain_step(step)
    whole = slots == hours.slots_of_day and days == DAYS_OF_WEEK
    if plain_step(step) * hours.slots_of_day != DAY or whole:
        raise StreamError(
            f"open hours of {slots} of {hours.slots_of_day} slots and {days} days do not go with "
            f"steps of {in_words(step)}. Leave hours out."
        )
    if start.weekday() not in hours.days or slot not in hours.slots:
        raise StreamError(f"a period with hours {hours.in_words()} cannot start at {start}.")
    first = hours.days.index(start.weekday()) * slots + hours.slots.index(slot)
    return Calendar(slots, days, first, start, step, hours=hours)


def in_words(step: timedelta) -> str:
    """A time step for people: ``15 min``, ``1 h``, ``1.5 s``.

    Example:
        >>> in_words(timedelta(hours=2)), in_words(timedelta(milliseconds=1500))
        ('2 h', '1.5 s')
    """
    ticks = plain_step(step) // TICK
    units = [("d", DAY), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1))]
    for name, unit in units:
        if ticks and ticks % (unit // TICK) == 0:
            return f"{ticks // (unit // TICK)} {name}"
    for name, unit in units:
        if ticks > 2 * (unit // TICK):
            whole, rest = divmod(timedelta(microseconds=ticks), unit)
            return f"{whole} {name} {in_words(rest)}"
    return f"{ticks / 1e6:.10g} s"
