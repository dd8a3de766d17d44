"""Steps on one clock, on which issue, target and known times are told apart."""

import math
from datetime import datetime, timedelta

from eac.data.core.calendar import Calendar

MONDAY = datetime(2000, 1, 3)
"""From where steps are counted when there are real time stamps."""


def clock_step(calendar: Calendar, step: int) -> int:
    """A step of a period, counted from a moment that all periods share.

    With real time stamps that is a Monday; without, slot 0 of the calendar. Of a clock with open
    hours, open slots are counted; of one of months, those.

    Example:
        >>> clock_step(Calendar(24, start_slot=48), 3)
        51
    """
    when = calendar.time_of(step)
    if when is None or calendar.step is None or calendar.start is None:
        return calendar.start_slot + step
    if calendar.hours is not None or calendar.months:
        weeks = (calendar.start.replace(tzinfo=None) - MONDAY) // timedelta(days=7)
        if calendar.months:
            return (calendar.start.year * 12 + calendar.start.month) // calendar.months + step
        return weeks * calendar.steps_per_week + calendar.start_slot + step
    return moment_step(when, calendar.step)


def moment_step(when: datetime, step: timedelta) -> int:
    """A time stamp in steps since a Monday; time zones are left out, as on a wall clock.

    Of a grid that lies between those steps, each step has a number of its own: halves count up.

    Example:
        >>> moment_step(datetime(2000, 1, 4, 5), timedelta(hours=1))
        29
    """
    return math.floor((when.replace(tzinfo=None) - MONDAY) / step + 0.5)
