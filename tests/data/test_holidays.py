"""Holidays: dates known by everyone, on the steps of a period."""

import sys
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import torch

from eac.backbones.seasonal import SeasonalMLP
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.needs import Needs
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream
from eac.data.series.holidays import holiday_steps
from eac.data.series.readings import PartScaling
from eac.data.series.scaling import Scaler
from eac.errors import ConfigError, StreamError
from tests.streams import tiny_stream

HOUR = timedelta(hours=1)
NO_SCALING = PartScaling.of([Scaler.identity(2)], shared=False)


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


@pytest.fixture
def norway():
    """Nine weeks of hours around the national day of 2021, a Monday; readings name their step."""
    pytest.importorskip("holidays", reason="the extra eac[holidays] is not installed")
    start = datetime(2021, 4, 5)
    step = torch.arange(9 * 168.0)
    series = torch.stack([step, step + 5000], dim=1)
    graph = Graph.from_dense(torch.ones(2, 2) - torch.eye(2))
    return MemoryStream([Period("p", series, ("a", "b"), graph, hourly(start))], name="norway")


MAY_17 = 6 * 168
"""First step of the holiday."""


def tensors_of(stream, holidays="NO", window=4, horizon=3):
    data = PeriodData(stream, window=window, horizon=horizon, holidays=holidays)
    return data.prepared(Needs(("1d", "1w", "2w"))).full


def raw(tensors, values):
    return values * tensors.scaler.scale[:, None, None] + tensors.scaler.mean[:, None, None]


def test_the_clock_of_a_batch_marks_the_holiday_and_calls_it_the_last_day_of_a_week(norway):
    clock = tensors_of(norway).batch(torch.tensor([MAY_17 - 2])).inputs.clock
    assert clock.holiday[0].tolist() == [False, False, True, True, True, True, True]
    assert clock.day[0].tolist() == [6] * 7
    assert clock.weekday[0].tolist() == [6, 6, 0, 0, 0, 0, 0]
    after = tensors_of(norway).batch(torch.tensor([MAY_17 + 24])).inputs.clock
    assert not after.holiday.any()
    assert after.day[0].tolist() == [1] * 7


def test_a_holiday_is_compared_with_the_sundays_before_and_the_day_before(norway):
    tensors = tensors_of(norway)
    inputs = tensors.batch(torch.tensor([MAY_17 + 2])).inputs
    expected = torch.stack([MAY_17 + 2 + torch.arange(7.0) - back for back in (24, 24, 192)])
    torch.testing.assert_close(raw(tensors, inputs.history)[0, 0], expected, rtol=0, atol=0.01)
    assert inputs.history_observed.all()


def test_the_steps_before_midnight_keep_their_own_history(norway):
    tensors = tensors_of(norway)
    inputs = tensors.batch(torch.tensor([MAY_17 - 2])).inputs
    week_before = raw(tensors, inputs.history)[0, 0, 1] - (MAY_17 - 2 + torch.arange(7.0))
    assert week_before.round().tolist() == [-168, -168, -24, -24, -24, -24, -24]


def test_other_days_are_not_compared_with_a_holiday(norway):
    around_may_31 = tensors_of(norway).batch(torch.tensor([MAY_17 + 2 * 168 - 2]))
    yesterday, whit_monday, may_17 = around_may_31.inputs.history_observed[0, 0]
    assert yesterday.all()
    assert whit_monday.tolist() == [True, True, False, False, False, False, False]
    assert may_17.tolist() == whit_monday.tolist()


def test_a_sunday_so_near_that_it_would_look_ahead_is_unknown(norway):
    tensors = tensors_of(norway, horizon=30)
    inputs = tensors.batch(torch.tensor([MAY_17 - 4])).inputs
    holiday = inputs.clock.holiday[0]
    assert not inputs.history_observed[0, 0, 1][holiday].any()
    assert inputs.history_observed[0, 0, 2][holiday].all()


def test_the_future_of_a_holiday_changes_nothing_that_its_forecast_sees(norway):
    start, period = MAY_17 + 1, norway.load(0)
    series = period.series.clone()
    series[start + 4 :] = -1.0
    changed = MemoryStream([replace(period, series=series)], name="changed")
    one, other = (
        replace(tensors_of(s), readings=replace(tensors_of(s).readings, scaling=NO_SCALING))
        for s in (norway, changed)
    )
    seen, expected = (t.batch(torch.tensor([start])).inputs for t in (other, one))
    assert torch.equal(seen.x, expected.x)
    assert torch.equal(seen.history, expected.history)


def test_a_sunday_so_near_that_it_would_look_ahead_shows_nothing_of_the_neighbours_either(norway):
    """Two days are forecast from the beginning of Sunday on; Monday is the holiday."""
    start, period = MAY_17 - 28, norway.load(0)
    series = period.series.clone()
    series[start + 4 :] *= 2
    other = MemoryStream([replace(period, series=series)], name="other")
    needs = Needs(("1d", "1w", "2w"), neighbours=SeasonalMLP().needs.neighbours)
    seen = []
    for stream in (norway, other):
        data = PeriodData(stream, window=4, horizon=48, holidays="NO")
        batch = data.prepared(needs).full.batch(torch.tensor([start]))
        seen.append(batch.inputs.neighbour_history)
    assert torch.equal(*seen)


def test_single_nodes_see_of_a_holiday_what_they_see_among_all(norway):
    tensors = tensors_of(norway).with_neighbours(SeasonalMLP().needs.neighbours)
    starts, nodes = torch.tensor([MAY_17 - 2, 900]), torch.tensor([[1], [0]])
    some, full = tensors.batch(starts, nodes=nodes).inputs, tensors.batch(starts).inputs
    for name in ("history", "history_observed", "neighbour_history"):
        expected = torch.stack([getattr(full, name)[0, 1:], getattr(full, name)[1, :1]])
        assert torch.equal(getattr(some, name), expected)


def test_without_the_setting_nothing_is_marked(norway):
    clock = tensors_of(norway, holidays=None).batch(torch.tensor([MAY_17])).inputs.clock
    assert clock.holiday is None
    assert clock.day[0, 0] == 0


def test_a_stream_without_dates_says_so_when_the_run_begins():
    data = PeriodData(tiny_stream(), holidays="NO")
    with pytest.raises(StreamError, match=r"leave data\.holidays out"):
        _ = data.full
