"""Time stamps and time zones as people write them."""

from datetime import datetime, timedelta

import pandas as pd
import pytest

from eac.data.parsing.form import Form
from eac.data.parsing.stamps import parse_stamps
from eac.data.parsing.zones import find_zone
from eac.errors import StreamError


@pytest.mark.parametrize(
    ("name", "hours"), [("+02:00", 2), ("-0330", -3.5), ("Europe/Oslo", 1), ("UTC", 0)]
)
def test_a_zone_is_found_by_name_or_offset(name, hours):
    assert find_zone(name, "x").utcoffset(datetime(2024, 1, 1)) == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["Oslo/Nowhere", "+2", "../etc/passwd", ""])
def test_a_zone_that_is_none_is_refused(name):
    with pytest.raises(StreamError, match="time_zone"):
        find_zone(name, "x")


def wall(texts, **form):
    return parse_stamps(pd.Index(texts, name="ds"), "x", Form(**form)).wall


DAYS = pd.date_range("2024-01-01", periods=90)


@pytest.mark.parametrize("pattern", ["%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y", "%a %d/%m/%Y"])
def test_dates_that_begin_with_what_changes_most_often_are_read(pattern):
    assert wall(DAYS.strftime(pattern)).equals(DAYS)


@pytest.mark.parametrize("pattern", ["%y-%m-%d", "%y/%m/%d"])
@pytest.mark.parametrize("count", [1, 31, 90])
def test_a_year_of_two_digits_that_may_come_first_is_asked_for(pattern, count):
    texts = DAYS[:count].strftime(pattern)
    with pytest.raises(StreamError, match="begin with its day or with its year") as asked:
        wall(texts)
    assert repr(pattern) in str(asked.value)
    assert wall(texts, date_format=pattern).equals(DAYS[:count])


def test_a_weekday_decides_nothing_about_day_and_month():
    with pytest.raises(StreamError, match="--dayfirst true or --dayfirst false"):
        wall(["Wed 03/04/2024 00:00"])
    assert wall(["Wed 03/04/2024 00:00"], dayfirst=True)[0] == pd.Timestamp("2024-04-03")


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("Wed Jan 31 2024 06:00:00 GMT+0100", 1),
        ("Wed Jan 31 2024 06:00:00 GMT+0100 (Central European Standard Time)", 1),
        ("31/01/2024 06:00 GMT+01:00", 1),
        ("31/01/2024 06:00 UTC+1", 1),
        ("2024-01-31 06:00 UTC-03:30", -3.5),
        ("2024-01-31 06:00 UTC", 0),
    ],
)
def test_hours_ahead_of_utc_are_hours_ahead(text, hours):
    found = parse_stamps(pd.Index([text], name="ds"), "x")
    assert found.wall[0] == pd.Timestamp("2024-01-31 06:00")
    assert found.zone.utcoffset(None) == timedelta(hours=hours)


def test_a_format_with_an_offset_keeps_the_clock_of_the_file():
    pattern = "%Y-%m-%dT%H:%M%z"
    found = wall(["2024-01-31T00:00+02:00", "2024-01-31T01:00+02:00"], date_format=pattern)
    assert found[0] == pd.Timestamp("2024-01-31 00:00")
    moved = wall(["2024-01-31T00:00+02:00"], date_format=pattern, time_zone="UTC")
    assert moved[0] == pd.Timestamp("2024-01-30 22:00")


def test_times_that_a_zone_skips_are_noted_and_an_offset_has_none():
    hours = pd.date_range("2024-03-31", periods=5, freq="h").astype(str)
    found = parse_stamps(pd.Index(hours, name="ds"), "x", Form(time_zone="Europe/Oslo"))
    assert "first 2024-03-31 02:00:00" in found.notes[0]
    assert not parse_stamps(pd.Index(hours, name="ds"), "x", Form(time_zone="+01:00")).notes


def of_zone(name, first, last):
    """Every hour between two days, with its offset in this zone."""
    hours = pd.date_range(first, last, freq="h", tz="UTC").tz_convert(name)
    return pd.Index([str(hour) for hour in hours], name="ds")


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("America/Santiago", "2024-03-20", "2024-04-20"),
        ("America/Mexico_City", "2020-03-20", "2020-11-20"),
        ("America/Sao_Paulo", "2017-10-01", "2018-03-20"),
        ("Atlantic/Azores", "2020-03-20", "2020-11-20"),
        ("Europe/Berlin", "2024-03-20", "2024-04-20"),
        ("America/New_York", "2024-03-01", "2024-03-20"),
    ],
)
def test_of_zones_that_fit_the_best_known_is_taken(zone, first, last):
    assert str(parse_stamps(of_zone(zone, first, last), "x").zone) == zone


def test_a_zone_that_others_fit_for_now_says_what_settles_it():
    stamps = of_zone("America/Santiago", "2024-03-20", "2024-04-20")
    *_, note = parse_stamps(stamps, "x").notes
    assert "the clock of America/Santiago, one of several" in note
    assert "differ later (America/Coyhaique): --time-zone NAME" in note
    said = parse_stamps(stamps, "x", Form(time_zone="America/Coyhaique"))
    assert str(said.zone) == "America/Coyhaique"
    assert "several" not in "".join(said.notes)


def test_zones_that_never_differ_are_not_asked_about():
    stamps = of_zone("Europe/Oslo", "2024-03-20", "2024-04-20")
    assert "several" not in "".join(parse_stamps(stamps, "x").notes)
