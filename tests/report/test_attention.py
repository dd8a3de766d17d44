"""Which sensors need attention, and why, with numbers by hand."""

from dataclasses import replace

import pytest

from eac.records.details import SensorFacts
from eac.records.record import RunRecord, SensorErrors
from eac.report.sections.attention import attention, sensor_states
from eac.report.sections.sensors import section
from eac.report.sections.view import RunView
from tests.report.runs import details, period

NAMES = tuple("abcdef")


def _facts(naive, missing=(0.0,) * 6, silent=(0,) * 6) -> SensorFacts:
    return SensorFacts(NAMES, "week", naive, missing, silent)


def _view(errors, naive, *, missing=(0.0,) * 6, silent=(0,) * 6) -> RunView:
    """Period "0" in which every sensor errs by 5 beside a naive 10, then these numbers."""
    before = replace(period("0", 5.0), sensors=SensorErrors(NAMES, (5.0,) * 6))
    now = replace(period("1", 5.0), sensors=SensorErrors(NAMES, errors))
    run = RunRecord("made", "veh/h", "", "strict", 1, periods=(before, now))
    known = replace(details("0"), sensors=_facts((10.0,) * 6), steps_per_day=24)
    latest = replace(details("1"), sensors=_facts(naive, missing, silent), steps_per_day=24)
    return RunView(run, (known, latest), "MAE")


def _found(view: RunView) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {one.node: (one.level, one.reasons) for one in attention(view, sensor_states(view))}


def test_sensors_that_go_on_as_before_need_no_attention():
    view = _view((5.0,) * 6, (10.0,) * 6)
    assert _found(view) == {}
    assert section(view).text == ("None of the 6 sensors stands out.",)


def test_a_sensor_worse_than_the_naive_forecast_is_listed_first():
    # a: skill 1 - 12/10 = -0.2, was 0.5; error 2.4 times the earlier one, the median sensor's 1
    view = _view((12.0, 5.0, 5.0, 5.0, 5.0, 5.0), (10.0,) * 6)
    level, reasons = _found(view)["a"]
    assert level == 2
    assert set(reasons) == {
        "worse than the same slot a week ago: 12.00 against 10.00",
        "skill fell from 50 % to -20 %",
        "error 2.4 times that of earlier periods (usual now: 1.0)",
    }


def test_an_error_that_grew_with_the_naive_error_is_no_loss_of_skill():
    view = _view((10.0,) * 6, (20.0,) * 6)  # a month twice as hard, for all sensors
    assert _found(view) == {}


def test_an_error_of_one_sensor_that_grew_with_its_naive_error_is_not_listed():
    assert _found(_view((10.0, *[5.0] * 5), (20.0, *[10.0] * 5))) == {}


def test_levels_follow_the_thresholds():
    # b: skill 0.3 for 0.5, 20 points lost, error 1.4 times: both medium
    view = _view((5.0, 7.0, 5.0, 5.0, 5.0, 5.0), (10.0,) * 6)
    assert _found(view) == {
        "b": (
            1,
            (
                "error 1.4 times that of earlier periods (usual now: 1.0)",
                "skill fell from 50 % to 30 %",
            ),
        )
    }


def test_missing_and_silent_sensors_are_named_with_how_long():
    view = _view(
        (5.0, 5.0, 5.0, None, 5.0, 5.0),
        (10.0, 10.0, 10.0, None, 10.0, 10.0),
        missing=(0.3, 0.6, 0.0, 1.0, 0.1, 0.0),
        silent=(0, 0, 48, 100, 23, 0),
    )
    assert _found(view) == {
        "d": (2, ("no reading in this period",)),
        "c": (2, ("silent for the last 2 days",)),
        "b": (2, ("60 % of the readings missing",)),
        "a": (1, ("30 % of the readings missing",)),
    }
    assert list(_found(view)) == ["d", "c", "b", "a"]
    table = section(view).first[0]
    assert [row[0].text for row in table.rows] == ["d", "c", "b", "a"]
    assert [row[1].text for row in table.rows] == ["high", "high", "high", "medium"]


def test_a_run_of_an_older_version_is_judged_by_its_errors_alone():
    view = _view((5.0, 15.0, 5.0, 5.0, 5.0, 5.0), (10.0,) * 6)
    older = replace(view, details=tuple(replace(p, sensors=None) for p in view.details))
    assert _found(older) == {
        "b": (2, ("error 3.0 times that of earlier periods (usual now: 1.0)",))
    }
    assert "kept no naive errors by sensor" in section(older).text[0]


@pytest.mark.parametrize("count", [20, 400])
def test_of_many_sensors_the_worst_are_listed_and_the_rest_counted(count):
    names = tuple(f"s{i}" for i in range(count))
    errors = tuple(11.0 + i / count for i in range(count))
    last = replace(period("0", 8.0), sensors=SensorErrors(names, errors))
    facts = SensorFacts(names, "week", (10.0,) * count, (0.0,) * count, (0,) * count)
    run = RunRecord("made", "", "", "strict", 1, periods=(last,))
    found = section(RunView(run, (replace(details("0"), sensors=facts),), "MAE"))
    assert len(found.first[0].rows) == 15
    assert found.first[0].rows[0][0].text == names[-1]
    assert found.first[0].notes[0] == f"The first 15 of {count}."
    assert len(found.folded[0].rows) == min(count, 300)


def test_silence_over_closed_hours_is_told_in_real_time():
    # 16 open hours a day, in steps of half an hour: 80 steps are two days and 8 hours
    view = _view((5.0,) * 6, (10.0,) * 6, silent=(0, 0, 160, 80, 0, 0))
    traces = replace(view.details[-1].traces, step_seconds=1800.0)
    old = replace(view.details[-1], traces=traces, steps_per_day=32)
    told = _found(replace(view, details=(old,)))
    assert told["c"] == (2, ("silent for the last 5 days",))
    assert told["d"] == (2, ("silent for the last 56 hours",))
    seconds = tuple(3600.0 * hours for hours in (0, 0, 168, 80, 0, 0))  # closed at weekends
    new = replace(old, sensors=replace(old.sensors, silent_seconds=seconds))
    told = _found(replace(view, details=(new,)))
    assert told["c"] == (2, ("silent for the last 7 days",))
    assert told["d"] == (2, ("silent for the last 80 hours",))
