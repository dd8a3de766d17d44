"""Operating hours: the same run, and the same errors, as on a clock that has only those slots."""

from dataclasses import replace

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
from eac.data.readers.frame import FrameStream
from eac.errors import StreamError
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.first_contact.conftest import readings

DAYS = pd.date_range("2024-01-01", periods=30 * 24, freq="h")


def night_free(sensors=4):
    frame = readings(DAYS, sensors)
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
    opened = FrameStream(night_free())
    slots = replace(opened[0], calendar=Calendar(18, 7, 0), notes=())
    plain = MemoryStream([slots], name="slots")
    return folder, run(opened, folder / "hours"), run(plain, folder / "slots")


def test_errors_are_those_of_the_same_readings_on_a_clock_of_18_slots(both):
    _, hours, slots = both

    assert hours.periods[0].groups == slots.periods[0].groups
    assert hours.periods[0].baselines == slots.periods[0].baselines


def test_nothing_is_forecast_while_nothing_is_ever_read(both):
    forecasts = load_run(both[0] / "hours").predict(night_free())

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
