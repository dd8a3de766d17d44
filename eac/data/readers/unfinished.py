"""Whether the last period of a stream that a calendar cuts is over."""

import pandas as pd
from pandas.tseries.frequencies import to_offset


def unfinished(
    period: object, first: pd.Timestamp, last: pd.Timestamp, step: pd.Timedelta
) -> str | None:
    """Why the period that holds ``last`` is not over, in words; None where it is.

    Args:
        period: A pandas offset such as ``MS`` or ``90D``; anything else has no calendar.
        first: First time stamp of the stream.
        last: Last time stamp that has a reading.
        step: Time between two readings.

    Example:
        >>> hour, first = pd.Timedelta(hours=1), pd.Timestamp("2024-01-01")
        >>> unfinished("MS", first, pd.Timestamp("2024-02-28 13:00"), hour)
        'its readings end at 2024-02-28 13:00, and it lasts until 2024-03-01 00:00'
        >>> unfinished("MS", first, pd.Timestamp("2024-02-29 23:00"), hour) is None
        True
    """
    if not isinstance(period, str) or pd.isna(last):
        return None
    offset = to_offset(period)
    fixed = isinstance(offset, pd.offsets.Tick | pd.offsets.Day)
    start = first if fixed else offset.rollback(first.normalize())
    end = pd.date_range(start, last, freq=offset)[-1] + offset
    if last + step >= end:
        return None
    return f"its readings end at {last:%Y-%m-%d %H:%M}, and it lasts until {end:%Y-%m-%d %H:%M}"
