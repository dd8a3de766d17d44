"""Which steps lie on a public holiday."""

import re
from datetime import date

import pandas as pd
import torch
from jaxtyping import Bool
from torch import Tensor

from eac.data.core.calendar import Calendar
from eac.errors import ConfigError, StreamError

_CODE = re.compile(r"([A-Z]{2,3})(?:-(.+))?")


def holiday_steps(
    country: str, calendar: Calendar, steps: range, *, period: str
) -> Bool[Tensor, " step"]:
    """True where a step of the period lies on a public holiday.

    Days are those of the stream's own time stamps, in whatever zone these are.

    Args:
        country: Two-letter code such as ``NO``, or with a part of the country: ``DE-BY``.
        calendar: Clock of the period.
        steps: Counted from the first step of the period; may begin before it and end after it.
        period: Named in messages.

    Raises:
        ConfigError: If the country is unknown, or the library that knows holidays is missing.
        StreamError: If the period has no dates.

    Example:
        >>> from datetime import datetime, timedelta
        >>> calendar = Calendar.from_timestamps(datetime(2024, 5, 16), timedelta(days=1))
        >>> holiday_steps("NO", calendar, range(3), period="may")
        tensor([False,  True, False])
    """
    week = calendar.days_per_week == 7 or calendar.hours is not None
    if calendar.start is None or calendar.step is None or not week:
        raise StreamError(
            f"period {period!r} has no dates of a seven-day week, so data.holidays={country} says "
            "nothing. Give the stream time stamps (start and frequency in stream.yaml), or leave "
            "data.holidays out."
        )
    stamps = pd.DatetimeIndex(calendar.wall_times(steps))
    days = holidays_of(country, stamps[0].year, stamps[-1].year)
    return torch.tensor([day in days for day in stamps.date], dtype=torch.bool)


def holidays_of(country: str, first_year: int, last_year: int) -> set[date]:
    """The public holidays of these years.

    Raises:
        ConfigError: If the country is unknown, or the library that knows holidays is missing.

    Example:
        >>> date(2024, 5, 17) in holidays_of("NO", 2024, 2024)
        True
    """
    try:
        import holidays
    except ImportError as error:
        raise ConfigError(
            f"data.holidays={country} needs the library holidays: pip install 'eac[holidays]'"
        ) from error
    code = _CODE.fullmatch(country)
    try:
        if code is None:
            raise NotImplementedError
        found = holidays.country_holidays(
            code[1], subdiv=code[2], years=range(first_year, last_year + 1)
        )
    except NotImplementedError as error:
        raise ConfigError(
            f"data.holidays={country}: no such country or part of one. Give a code such as NO, or "
            "DE-BY for a part."
        ) from error
    return set(found)
