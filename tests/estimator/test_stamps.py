"""Time stamps with zones and day-first dates are read in one way by all calls."""

import logging
from datetime import timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pytest

from eac.errors import ConfigError, StreamError
from eac.estimator.stream_forecaster import StreamForecaster

SMALL = {"trainer__max_epochs": 1, "data__steps_per_epoch": 2, "data__batch_size": 32}
DAYS = 12


def readings(start: str, zone: str | None = None, ids: str = "ab", days: int = DAYS):
    """Hourly readings of some sensors from a moment in UTC on."""
    moments = pd.date_range(start, periods=24 * days, freq="h")
    wave = 50 + 30 * np.sin(2 * np.pi * moments.hour.to_numpy() / 24)
    stamps = moments if zone is None else moments.tz_localize("UTC").tz_convert(zone)
    parts = [
        pd.DataFrame({"unique_id": n, "ds": stamps, "y": wave + 0.1 * np.arange(len(wave)) + i})
        for i, n in enumerate(ids)
    ]
    return pd.concat(parts, ignore_index=True)


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(ds=[stamp.isoformat(sep=" ") for stamp in frame["ds"]])


def day_first(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(ds=frame["ds"].dt.strftime("%d.%m.%Y %H:%M"))


def forecaster(**given) -> StreamForecaster:
    return StreamForecaster(horizon=6, freq="h", **SMALL, **given)


def followed_by(frame: pd.DataFrame) -> pd.DatetimeIndex:
    """The six hours after the last time stamp."""
    return pd.date_range(frame["ds"].max(), periods=7, freq="h")[1:]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "+01:00"])
def test_all_calls_work_on_stamps_with_a_zone_across_a_clock_change(zone):
    first, second = readings("2024-10-10", zone), readings("2024-10-22", zone)
    whole = pd.concat([first, second], ignore_index=True)
    made = forecaster().fit(first)
    after = made.predict()
    assert after["ds"].iloc[:6].tolist() == followed_by(first).tolist()
    made.update(whole)
    assert len(made.evaluate()["period"].unique()) == 2
    for answer in (made.predict(), made.predict(second)):
        assert answer["ds"].iloc[:6].tolist() == followed_by(second).tolist()
        assert answer["ds"].iloc[0].utcoffset() == second["ds"].iloc[-1].utcoffset()
    assert len(made.plot(second, made.predict()).axes) == 2
    before = made.record()
    assert made.update(whole).record() == before
    folds = made.cross_validation(whole, n_windows=2)
    assert folds["ds"].dtype == whole["ds"].dtype
    assert folds["cutoff"].unique().tolist() == [
        whole["ds"].max() - timedelta(hours=hours) for hours in (12, 6)
    ]
    read = whole.set_index(["unique_id", "ds"])["y"]
    assert folds["y"].tolist() == [
        read[pair] for pair in zip(folds["unique_id"], folds["ds"], strict=True)
    ]


def test_texts_with_offsets_are_read_across_a_clock_change():
    zoned = readings("2024-10-22", "Europe/Berlin"), readings("2024-11-03", "Europe/Berlin")
    first, second = map(as_text, zoned)
    made = forecaster().fit(first)
    assert str(made.predict()["ds"].dt.tz) == "Europe/Berlin"
    made.update(second)
    assert made.predict(second)["ds"].iloc[:6].tolist() == followed_by(zoned[1]).tolist()
    assert len(made.plot(second, made.predict()).axes) == 2
    folds = made.cross_validation(pd.concat([first, second]), n_windows=2)
    assert folds["y"].notna().all()


@pytest.mark.parametrize("hour", [-2, -1, 0, 1, 2])
def test_a_cutoff_may_lie_anywhere_around_a_clock_change(hour):
    change = pd.Timestamp("2024-10-27 01:00") + pd.Timedelta(hours=hour)
    frame = readings("2024-10-17", "Europe/Berlin", days=11)
    frame = frame[frame["ds"] <= (change + pd.Timedelta(hours=6)).tz_localize("UTC")]
    folds = forecaster().cross_validation(frame)
    assert (folds["ds"] > folds["cutoff"]).all()
    assert folds["y"].notna().all()


@pytest.mark.parametrize("hour", [-1, 0, 2])  # at 1 the hour that is repeated is cut in two
def test_a_period_may_begin_anywhere_around_a_clock_change(hour):
    change = pd.Timestamp("2024-10-27 00:00", tz="UTC") + pd.Timedelta(hours=hour)
    frame = readings("2024-10-17", "Europe/Berlin", days=20)
    made = forecaster().fit(frame[frame["ds"] < change]).update(frame)
    assert len(made.record().periods) == 2
    before = made.record()
    assert made.update(frame).record() == before


def test_polars_frames_keep_their_zone():
    made = forecaster().fit(pl.from_pandas(readings("2024-10-10", "Europe/Berlin")))
    second = pl.from_pandas(readings("2024-10-22", "Europe/Berlin"))
    answer = made.update(second).predict(second)
    assert answer["ds"].dtype.time_zone == "Europe/Berlin"


def test_stamps_of_another_kind_of_clock_are_refused_with_what_to_do():
    plain, zoned = readings("2024-01-01"), readings("2024-01-01", "Europe/Oslo")
    made = forecaster().fit(zoned)
    for call in (made.update, made.predict):
        with pytest.raises(StreamError, match="are in Europe/Oslo") as said:
            call(readings("2024-01-13 01:00"))
        assert "--" not in str(said.value)
    later = readings("2024-01-13 01:00")
    followed = later.assign(ds=pd.to_datetime(later["ds"]).dt.tz_localize("Europe/Oslo"))
    assert made.predict(followed)["y_hat"].notna().all()
    with pytest.raises(StreamError, match="earlier ones name none"):
        forecaster().fit(plain).update(zoned)


def test_a_frame_that_names_its_zone_settles_the_clock_of_a_run_of_one_offset():
    made = forecaster().fit(as_text(readings("2024-10-10", "Europe/Oslo")))
    zoned = readings("2024-10-22", "Europe/Oslo")
    texts = as_text(zoned)
    for call in (made.update, made.predict):
        with pytest.raises(StreamError, match=r"tz_convert\('Europe/Oslo'\)") as said:
            call(texts)
        assert "--" not in str(said.value)
    with pytest.raises(StreamError, match="the only one that the run was trained on"):
        made.predict(readings("2024-10-22", "America/New_York"))
    followed = texts.assign(ds=pd.to_datetime(texts["ds"], utc=True).dt.tz_convert("Europe/Oslo"))
    steady = texts.assign(ds=pd.to_datetime(texts["ds"], utc=True).dt.tz_convert("+02:00"))
    for frame in (steady, followed):
        assert made.predict(frame)["ds"].iloc[:6].tolist() == followed_by(zoned).tolist()
    made.update(followed)
    assert len(made.record().periods) == 2
    assert str(made.predict()["ds"].dt.tz) == "Europe/Oslo"
    assert made.predict(texts)["ds"].iloc[:6].tolist() == followed_by(zoned).tolist()


def test_day_first_dates_are_read_in_the_order_that_fit_proved():
    january, february = readings("2024-01-01", days=31), readings("2024-02-01")
    made = forecaster().fit(day_first(january)).update(day_first(february))
    assert made.predict()["ds"].iloc[:6].tolist() == followed_by(february).tolist()
    assert made.predict(day_first(february))["ds"].tolist() == made.predict()["ds"].tolist()
    folds = made.cross_validation(day_first(january), n_windows=2)
    assert folds["y"].notna().all()
    assert len(made.plot(day_first(february), made.predict()).axes) == 2


def test_dates_of_either_order_are_refused_where_nothing_proved_one():
    made = forecaster().fit(readings("2024-01-01", days=31))
    february = day_first(readings("2024-02-01"))
    for call in (made.update, made.predict, made.fit):
        with pytest.raises(StreamError, match="day first or month first") as said:
            call(february)
        assert "--" not in str(said.value)
    followed = february.assign(ds=pd.to_datetime(february["ds"], dayfirst=True))
    assert len(made.update(followed).record().periods) == 2


def test_older_readings_of_a_new_sensor_are_left_out_and_said(caplog):
    first = readings("2024-01-01")
    made = forecaster().fit(first)
    whole = readings("2024-01-01", ids="abw", days=2 * DAYS)
    with caplog.at_level(logging.WARNING, logger="eac"):
        made.update(whole)
    assert (
        f"{24 * DAYS} readings up to 2024-01-12 23:00:00, of the sensors w, are left" in caplog.text
    )
    assert made.record().periods[1].num_nodes == 3
    changed = whole.assign(y=whole["y"].where(whole["unique_id"] != "a", 1.0))
    with pytest.raises(StreamError, match=f"{24 * 2 * DAYS} earlier readings differ .* sensors a"):
        made.update(changed)


def test_counts_of_windows_are_whole_numbers_of_any_kind():
    frame = readings("2024-01-01")
    made = forecaster()
    assert made.cross_validation(frame, n_windows=np.int64(2))["cutoff"].nunique() == 2
    for wrong in ({"n_windows": True}, {"step_size": False}, {"step_size": 0}):
        with pytest.raises(ConfigError, match="give a whole number"):
            made.cross_validation(frame, **wrong)


def test_offsets_of_any_library_are_alike():
    fixed = timezone(timedelta(hours=1))
    made = forecaster().fit(readings("2024-01-01", "+01:00"))
    frame = readings("2024-01-13")
    frame = frame.assign(ds=frame["ds"].dt.tz_localize("UTC").dt.tz_convert(fixed))
    assert len(made.update(as_text(frame)).record().periods) == 2
