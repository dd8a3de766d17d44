"""Arithmetic of what a clock on the wall shows, without time zones."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped
from numpy import ndarray

DAY = timedelta(days=1)
WEEK = 7 * DAY
MONTH = timedelta(days=365.25) / 12
MONDAY = datetime(1970, 1, 5)
MONTHS_OF_YEAR = 12
WEEKS_OF_YEAR = 52
DAYS_OF_WEEK = 7
TICK = timedelta(microseconds=1)


def plain_step(step: timedelta) -> timedelta:
    """A step of pandas as one of the standard library.

    Example:
        >>> import pandas as pd
        >>> plain_step(pd.Timedelta(minutes=5))
        datetime.timedelta(seconds=300)
    """
    return step.to_pytimedelta() if hasattr(step, "to_pytimedelta") else step  # pyright: ignore


def on_wall(moment: datetime) -> datetime:
    """What a clock on the wall shows, of the standard library.

    Example:
        >>> from datetime import UTC
        >>> on_wall(datetime(2024, 7, 1, 12, tzinfo=UTC))
        datetime.datetime(2024, 7, 1, 12, 0)
    """
    if hasattr(moment, "to_pydatetime"):
        moment = moment.replace(nanosecond=0).to_pydatetime()  # pyright: ignore
    return moment.replace(tzinfo=None)


def in_zone(naive: datetime, like: datetime) -> datetime:
    """A time on the wall in the zone of another time stamp.

    Example:
        >>> from datetime import UTC
        >>> in_zone(datetime(2024, 7, 1, 12), datetime(2020, 1, 1, tzinfo=UTC)).tzinfo
        datetime.timezone.utc
    """
    return naive if like.tzinfo is None else naive.replace(tzinfo=like.tzinfo)


def is_shown(stamp: datetime) -> bool:
    """False for a time that the clock of its zone jumps over.

    Example:
        >>> from zoneinfo import ZoneInfo
        >>> hours = [datetime(2024, 3, 31, hour, tzinfo=ZoneInfo("Europe/Oslo")) for hour in (1, 2)]
        >>> [is_shown(hour) for hour in hours]
        [True, False]
    """
    if stamp.tzinfo is None:
        return True
    again = stamp.astimezone(UTC).astimezone(stamp.tzinfo)
    return again.replace(tzinfo=None) == stamp.replace(tzinfo=None)


def monday_of(moment: Any) -> Any:
    """Midnight of the Monday of its week.

    Example:
        >>> monday_of(datetime(2024, 7, 4, 15))
        datetime.datetime(2024, 7, 1, 0, 0)
    """
    if isinstance(moment, datetime):
        return MONDAY + (moment - MONDAY) // WEEK * WEEK
    return np.datetime64(monday_of(moment.item()), "us")


def phase(start: datetime, step: timedelta) -> Any:
    """How far into its slot a step begins.

    Example:
        >>> phase(datetime(2024, 7, 4, 15, 7), timedelta(minutes=15)).astype("timedelta64[m]")
        np.timedelta64(7,'m')
    """
    midnight = datetime.combine(start.date(), time())
    return np.timedelta64((start - midnight) % plain_step(step) // TICK, "us")


def month_number(moment: datetime) -> int:
    """Months since year 0.

    Example:
        >>> month_number(datetime(2024, 3, 1)) - month_number(datetime(2023, 12, 1))
        3
    """
    return moment.year * MONTHS_OF_YEAR + moment.month - 1


def months_later(first: Any, months: Int[ndarray, " step"]) -> Shaped[ndarray, " step"]:
    """The same day of later months, or their last day where that is what the first one is.

    Example:
        >>> first = np.datetime64("2023-01-31", "us")
        >>> months_later(first, np.array([1, 3])).astype("datetime64[D]").tolist()
        [datetime.date(2023, 2, 28), datetime.date(2023, 4, 30)]
    """
    month = first.astype("datetime64[M]")
    within = first - month.astype("datetime64[us]")
    last = (month + 1).astype("datetime64[us]") - month.astype("datetime64[us]")
    later = month + months
    starts, ends = (m.astype("datetime64[us]") for m in (later, later + 1))
    day = np.timedelta64(1, "D")
    if last - within <= day:
        return ends - (last - within)
    return np.minimum(starts + within, ends - day + within % day)
