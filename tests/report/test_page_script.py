"""What the script of a page says of the forecasts of some sensors, run by node."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from eac.records.details import PeriodDetails, Traces
from eac.records.sample import sample_details, sample_run, write_sample
from eac.report.run.page import write_page
from tests.report.page_in_node import NODE, drawn_by_node

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node, such as Debian's package nodejs")


def page_with(tmp_path, null_value: float | None = None, **parts: object) -> str:
    """The page of one period whose traces have these parts."""

    def details(name: str) -> PeriodDetails:
        found = sample_details(name)
        traces: Traces = replace(found.traces, **parts)
        return replace(found, traces=traces)

    record, page = replace(sample_run((8.0,)), null_value=null_value), tmp_path / "page.html"
    write_page(write_sample(tmp_path / "run", record, details), page)
    return page.read_text(encoding="utf-8")


def clock(moment: float) -> str:
    """A time of the script as a clock on the wall shows it."""
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize("offset", ["", "+02:00"])
def test_forecasts_of_a_stream_with_a_time_zone_are_drawn_by_the_clock_on_the_wall(
    tmp_path, offset
):
    page = page_with(tmp_path, start=f"2024-04-16T21:00:00{offset}")
    drawn, (shown,) = drawn_by_node(page, {"origin": 2})
    measured = next(mark for mark in shown["marks"] if mark["name"] == "measured")
    assert drawn == page.count('role="img"')
    assert clock(measured["x"][0]) == "2024-04-16 21:00"
    assert clock(measured["x"][-1]) == "2024-04-17 05:00"


def test_readings_of_open_hours_stand_at_their_times(tmp_path):
    hour, night = 3600.0, 17 * 3600.0
    seconds = (-night, 0.0, hour, 2 * hour, *(2 * hour + night + i * hour for i in range(6)))
    page = page_with(tmp_path, start="2024-03-01T18:00:00", seconds=seconds)
    _, (shown,) = drawn_by_node(page, {"origin": 0})
    marks = {mark["name"].partition(" made")[0]: mark["x"] for mark in shown["marks"]}
    expected = ["2024-03-01 18:00", "2024-03-01 19:00", "2024-03-01 20:00", "2024-03-02 13:00"]
    assert [clock(x) for x in marks["measured"][:4]] == expected
    assert [clock(x) for x in marks["forecast"]] == expected


@pytest.mark.parametrize(
    ("parts", "made"),
    [
        ({}, "2024-03-01 19:00"),
        ({"seconds": (-50400.0, *(3600.0 * i for i in range(9)))}, "2024-03-01 19:00"),
        ({"start": None, "step_seconds": None}, "step 85"),
    ],
)
def test_a_forecast_is_made_when_its_last_reading_is_known_as_in_a_backtest(tmp_path, parts, made):
    page = page_with(tmp_path, **{"start": "2024-03-01T18:00:00", **parts})
    _, (shown,) = drawn_by_node(page, {"origin": 2})
    assert shown["marks"][-1]["name"] == f"forecast made at {made}"


def test_the_first_forecast_of_a_day_is_made_on_the_evening_before(tmp_path):
    seconds = (-50400.0, *(3600.0 * i for i in range(9)))
    page = page_with(tmp_path, start="2024-03-02T06:00:00", seconds=seconds)
    _, (shown,) = drawn_by_node(page, {"origin": 0})
    assert shown["marks"][-1]["name"] == "forecast made at 2024-03-01 16:00"


@pytest.mark.parametrize(("null_value", "error"), [(None, "2.000"), (0.0, "1.000")])
def test_targets_that_errors_leave_out_do_not_count_in_the_words_of_a_figure(
    tmp_path, null_value, error
):
    (trace,) = sample_details("0").traces.worst
    forecast = ((3.0,), (4.0,), (9.0,))
    trace = replace(trace, truth=(0.0, 5.0, None), week=(None,) * 3, forecast=forecast)
    page = page_with(tmp_path, null_value, leads=(1,), worst=(trace,))
    _, (shown,) = drawn_by_node(page, {"sensor": 0})
    assert f"ahead on these days: {error} veh/h." in shown["alt"]
