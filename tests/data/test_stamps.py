"""Time zones by name and by offset."""

from datetime import datetime, timedelta

import pytest

from eac.data.parsing.stamps import find_zone
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
