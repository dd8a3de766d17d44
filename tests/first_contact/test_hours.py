"""Operating hours: the same run, and the same errors, as on a clock that has only those slots."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import torch

from eac import EAC, Forecaster, load_run
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.stream import MemoryStream
from eac.data.parsing.form import Form
from eac.data.parsing.hours import hours_of
from eac.data.readers.frame import FrameStream
from eac.data.simulator.synthetic import SyntheticStream
from eac.errors import StreamError
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.first_contact.conftest import readings

DAYS = pd.date_range("2024-01-01", periods=30 * 24, freq="h")


def night_free(sensors=4):
    frame = readings(DAYS, sensors)
    hour = frame["ds"].dt.hour
    return frame[(hour >= 5) & (hour < 23)]


def simulated(sensors=4):
    """Counts of the simulator, a month of hours, without those of the night."""
    stream = SyntheticStream(
        num_nodes=sensors, num_periods=1, steps_per_period=len(DAYS), steps_per_day=24
    )
    period = stream[0]
    wide = pd.DataFrame(period.series.numpy(), DAYS, list(period.node_ids)).rename_axis("ds")
    frame = wide.reset_index().melt("ds", var_name="unique_id", value_name="y")
    hour = frame["ds"].dt.hour
    return frame[(hour >= 5) & (hour < 23)]


def run(stream, folder):
    torch.manual_seed(0)
    model = Forecaster(STGNN(), EAC())
    trainer = DefaultTrainer(max_epochs=1)
    return StreamRunner(model, PeriodData(stream), run_dir=folder, make_trainer=trainer).run()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A run on readings of 18 of 24 hours, and one on the same readings with 18 slots a day."""
    folder = tmp_path_factory.mktemp("hours")
    opened = FrameStream(simulated())
    slots = replace(opened[0], calendar=Calendar(18, 7, 0), notes=())
    plain = MemoryStream([slots], name="slots")
    return folder, run(opened, folder / "hours"), run(plain, folder / "slots")


def test_errors_are_those_of_the_same_readings_on_a_clock_of_18_slots(both):
    _, hours, slots = both

    assert hours.periods[0].groups == slots.periods[0].groups
    assert hours.periods[0].baselines == slots.periods[0].baselines


def test_nothing_is_forecast_while_nothing_is_ever_read(both):
    forecasts = load_run(both[0] / "hours").predict(simulated())

    assert forecasts["ds"].dt.hour.between(5, 22).all()
    assert forecasts["ds"].min() == pd.Timestamp("2024-01-31 05:00")
    assert len(forecasts) == 4 * 12


def test_the_first_period_says_the_hours_of_all(tmp_path):
    frame = night_free()
    late = frame["ds"] >= "2024-01-22"
    stray = pd.DataFrame({"unique_id": ["s0"], "ds": [pd.Timestamp("2024-01-25 02:00")], "y": [9]})
    cut = pd.concat([frame.assign(period=np.where(late, "b", "a")), stray.assign(period="b")])
    first, second = FrameStream(cut, period="period")

    assert (first.calendar.steps_per_day, second.calendar.steps_per_day) == (18, 18)
    assert second.notes == ("1 readings outside the hours 05:00 to 23:00 are left out",)


def test_closed_days_are_no_steps():
    frame = night_free()
    weekdays = frame[frame["ds"].dt.day_of_week < 5]
    calendar = FrameStream(weekdays)[0].calendar

    assert (calendar.steps_per_day, calendar.days_per_week) == (18, 5)
    assert calendar.time_of(5 * 18) == pd.Timestamp("2024-01-08 05:00")
    assert calendar.position_of(pd.Timestamp("2024-01-08 05:00")) == 5 * 18
    assert calendar.position_of(pd.Timestamp("2024-01-07 05:00")) is None


def test_sparse_readings_are_no_hours():
    frame = readings(DAYS, 1).sample(frac=0.05, random_state=0)

    assert FrameStream(frame, form=Form(frequency="1h", max_empty=1.0))[0].calendar.hours is None


@pytest.fixture(scope="module")
def zoned(tmp_path_factory):
    """A run on readings of Oslo, one sensor of which never reads."""
    folder = tmp_path_factory.mktemp("zoned")
    frame = readings(DAYS.tz_localize("Europe/Oslo"), 3).astype({"y": float})
    frame.loc[frame["unique_id"] == "s1", "y"] = np.nan
    run(FrameStream(frame), folder)
    return load_run(folder), frame


def test_another_zone_is_converted_and_none_is_refused(zoned):
    predictor, frame = zoned
    utc = frame.assign(ds=frame["ds"].dt.tz_convert("UTC"))
    local, converted = predictor.predict(frame), predictor.predict(utc)

    pd.testing.assert_frame_equal(local, converted)
    assert str(local["ds"].min()) == "2024-01-31 00:00:00+01:00"
    naive = frame.assign(ds=frame["ds"].dt.tz_localize(None))
    with pytest.raises(StreamError, match="--time-zone Europe/Oslo"):
        predictor.predict(naive)
    said = predictor.predict(naive, form=Form(time_zone="Europe/Oslo"))
    pd.testing.assert_frame_equal(local, said)


def test_a_sensor_that_was_never_read_gets_no_forecast_but_a_reason(zoned):
    forecasts = zoned[0].predict(zoned[1])

    assert sorted(forecasts["unique_id"].unique()) == ["s0", "s2"]
    assert forecasts.attrs["skipped"]["s1"].startswith("never read")


def test_a_forecast_long_after_the_run_says_so(zoned):
    predictor, frame = zoned
    later = frame.assign(ds=frame["ds"] + pd.Timedelta(days=240))

    assert set(predictor.predict(later)["note"]) == {"the run ended 240 days before"}
    assert set(predictor.predict(frame)["note"]) == {""}


def by_day(stamps):
    weekend = stamps.day_of_week >= 5
    return np.where(weekend, (stamps.hour >= 9) & (stamps.hour < 18), stamps.hour >= 5)


NEVER_READ = {
    "across midnight": (lambda s: (s.hour >= 5) | (s.hour < 1), "outside 05:00 to 01:00:"),
    "closed at weekends": (lambda s: s.day_of_week < 5, "on Saturday and Sunday:"),
    "shorter at weekends": (
        by_day,
        "outside 05:00 to 24:00, and in fewer slots on Saturday and Sunday:",
    ),
    "closed on Mondays": (lambda s: s.day_of_week > 0, "on Monday:"),
    "nights at weekends": (
        lambda s: (s.hour >= 5) | ((s.hour < 4) & (s.day_of_week >= 5)),
        "outside 05:00 to 04:00, and in fewer slots on Monday to Friday:",
    ),
}


@pytest.mark.parametrize("kind", NEVER_READ)
def test_nothing_is_forecast_at_any_time_that_is_never_read(tmp_path, check, kind):
    rule, said = NEVER_READ[kind]
    stamps = DAYS[: 26 * 24]
    frame = readings(stamps[rule(stamps)])
    (tmp_path / "x.csv").write_text(frame.to_csv(index=False))
    status, text = check(tmp_path / "x.csv", "--window", "2", "--horizon", "2")
    clock = FrameStream(frame)[0].calendar
    times = pd.DatetimeIndex(clock.wall_times(range(2000)))
    forecast = times[[not clock.never_read(step) for step in range(2000)]]

    assert (status, f"nothing is ever read {said}" in text) == (0, True)
    assert rule(forecast).all()


def test_days_without_readings_are_no_steps_of_daily_readings(tmp_path, check):
    frame = readings(pd.bdate_range("2022-01-03", periods=120))
    (tmp_path / "x.csv").write_text(frame.to_csv(index=False))
    _, text = check(tmp_path / "x.csv", "--window", "2", "--horizon", "2")
    clock = FrameStream(frame)[0].calendar

    assert "nothing is ever read on Saturday and Sunday" in text
    assert (clock.steps_per_day, clock.days_per_week, clock.cycles) == (1, 5, ("day", "week"))
    assert clock.time_of(120) == pd.Timestamp("2022-06-20")


def test_a_stray_reading_at_night_opens_no_hour(tmp_path, check):
    frame = night_free()
    stray = frame.iloc[:1].assign(ds=pd.Timestamp("2024-01-10 02:00"))
    pd.concat([frame, stray]).to_csv(tmp_path / "x.csv", index=False)
    _, text = check(tmp_path / "x.csv")

    assert "nothing is ever read outside 05:00 to 23:00: only" in text
    assert "1 readings outside the hours 05:00 to 23:00 are left out" in text


def test_one_weekend_without_readings_is_a_gap(tmp_path, check):
    frame = readings(DAYS[: 24 * 9])
    weekdays = frame[frame["ds"].dt.day_of_week < 5]

    assert FrameStream(weekdays)[0].calendar.hours is None


def test_nights_that_are_too_few_to_be_sure_of_are_said(tmp_path, check):
    night_free()[lambda f: f["ds"] < "2024-01-06"].to_csv(tmp_path / "x.csv", index=False)
    _, text = check(tmp_path / "x.csv", "--window", "2", "--horizon", "2")

    assert "6 of the 24 slots of a day never hold a reading" in text


def test_sensors_that_read_more_rarely_than_steps_come_are_named(tmp_path, check):
    frame = readings(DAYS)
    offset = frame["unique_id"].map({"s0": 0, "s1": 20, "s2": 40}).astype("timedelta64[m]")
    frame.assign(ds=frame["ds"] + offset).to_csv(tmp_path / "x.csv", index=False)
    _, text = check(tmp_path / "x.csv")

    assert "3 nodes whose readings never follow each other by one step of 20 min" in text


def test_a_mapped_series_is_read_as_it_is_and_hours_that_are_said_are_refused():
    clock = Calendar.from_timestamps(datetime(2024, 1, 1), timedelta(hours=1))
    made = SyntheticStream(num_nodes=2, num_periods=1, steps_per_period=300)[0]
    period = replace(made, calendar=clock, mapped=True)
    assert hours_of(period, Form()) is None
    with pytest.raises(StreamError, match=r"is mapped from a file.*Leave hours out"):
        hours_of(period, Form(hours="05:00-22:00"))
