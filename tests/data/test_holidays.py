"""Holidays: dates known by everyone, on the steps of a period."""

import sys
from datetime import datetime, timedelta

import pytest

from eac.data.calendar import Calendar
from eac.data.holidays import holiday_steps
from eac.errors import ConfigError, StreamError

HOUR = timedelta(hours=1)


def hourly(start):
    return Calendar.from_timestamps(start, HOUR)


def test_the_national_day_of_norway_is_a_holiday_from_midnight_to_midnight():
    pytest.importorskip("holidays", reason="the extra eac[holidays] is not installed")
    flags = holiday_steps("NO", hourly(datetime(2021, 5, 16)), range(72), period="p")
    assert flags.nonzero().flatten().tolist() == list(range(24, 48))


def test_steps_may_begin_before_the_period_and_end_after_it():
    pytest.importorskip("holidays", reason="the extra eac[holidays] is not installed")
    flags = holiday_steps("NO", hourly(datetime(2021, 1, 1, 12)), range(-14, 14), period="p")
    assert flags.nonzero().flatten().tolist() == list(range(2, 26))


def test_a_part_of_a_country_has_its_own():
    pytest.importorskip("holidays", reason="the extra eac[holidays] is not installed")
    epiphany = hourly(datetime(2023, 1, 6))
    assert holiday_steps("DE-BY", epiphany, range(24), period="p").all()
    assert not holiday_steps("DE", epiphany, range(24), period="p").any()


@pytest.mark.parametrize("country", ["XX", "Norway", "DE-XX", ""])
def test_an_unknown_country_is_refused(country):
    pytest.importorskip("holidays", reason="the extra eac[holidays] is not installed")
    with pytest.raises(ConfigError, match="such as NO"):
        holiday_steps(country, hourly(datetime(2021, 1, 1)), range(24), period="p")


@pytest.mark.parametrize("calendar", [Calendar(24), Calendar(24, 5, 0, datetime(2021, 1, 1), HOUR)])
def test_a_stream_without_dates_is_refused_and_told_what_to_do(calendar):
    with pytest.raises(StreamError, match=r"period 'p' has no dates.*start and frequency"):
        holiday_steps("NO", calendar, range(24), period="p")


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(ConfigError, match=r"pip install 'eac\[holidays\]'"):
        holiday_steps("NO", hourly(datetime(2021, 1, 1)), range(24), period="p")
