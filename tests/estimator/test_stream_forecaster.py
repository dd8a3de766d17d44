"""The estimator gives what the command line gives, and keeps what it was given."""

import copy
import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from eac.cli.main import main
from eac.errors import ConfigError, RunError, StreamError, WriteError
from eac.estimator.stream_forecaster import StreamForecaster
from eac.records.record import read_run

SMALL = {"trainer__max_epochs": 1, "data__steps_per_epoch": 3, "data__batch_size": 32}
FLAGS = ["--trainer.max_epochs=1", "--data.steps_per_epoch=3", "--data.batch_size=32"]
STEPS = 24 * 10


def period(number: int, ids: str) -> pd.DataFrame:
    """Ten days of hourly readings of some sensors."""
    rng = np.random.default_rng(number)
    start = pd.Timestamp("2024-01-01") + number * pd.Timedelta(hours=STEPS)
    stamps = pd.date_range(start, periods=STEPS, freq="h")
    wave = 50 + 30 * np.sin(2 * np.pi * stamps.hour.to_numpy() / 24)
    parts = [
        pd.DataFrame({"unique_id": n, "ds": stamps, "y": wave + rng.normal(0, 3, STEPS).round(2)})
        for n in ids
    ]
    return pd.concat(parts, ignore_index=True)


PERIODS = [period(0, "abcd"), period(1, "abcde"), period(2, "bcde"), period(3, "abce")]


@pytest.fixture(scope="module")
def walked(tmp_path_factory) -> StreamForecaster:
    path = tmp_path_factory.mktemp("walk") / "kept"
    made = StreamForecaster(horizon=6, freq="h", path=path, **SMALL).fit(PERIODS[0])
    for frame in PERIODS[1:]:
        made.update(frame)
    return made


def test_the_walk_gives_the_numbers_of_the_command_line(walked, tmp_path, monkeypatch):
    frame = pd.concat([f.assign(period=i) for i, f in enumerate(PERIODS)])
    (tmp_path / "counts").mkdir()
    frame.to_parquet(tmp_path / "counts" / "series.parquet")
    (tmp_path / "counts" / "stream.yaml").write_text("period: period\nfrequency: h\n")
    monkeypatch.chdir(tmp_path)
    run = ["run", "-c", "practical", "--stream", "counts", "--run.dir", "run", "--data.horizon=6"]
    assert main([*run, *FLAGS]) == 0
    ours, theirs = walked.record().periods, read_run("run").periods
    assert len(ours) == len(theirs) == 4
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.groups == other.groups
        assert mine.sensors.mae == other.sensors.mae
    given = PERIODS[-1]
    given.to_csv("recent.csv", index=False)
    assert (
        main(["predict", "--run", "run", "--input", "recent.csv", "--output", "out.parquet"]) == 0
    )
    pd.testing.assert_frame_equal(
        walked.predict(given)[["unique_id", "ds", "y_hat"]],
        pd.read_parquet("out.parquet")[["unique_id", "ds", "y_hat"]],
        check_dtype=False,
    )


def test_a_saved_forecaster_forecasts_the_same(walked, tmp_path):
    walked.save(tmp_path / "saved")
    again = StreamForecaster.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(again.predict(), walked.predict())
    assert repr(again) == repr(walked)
    with pytest.raises(WriteError, match="exists"):
        walked.save(tmp_path / "saved")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_goes_on_alone(copied):
    first = StreamForecaster(horizon=6, freq="h", **SMALL).fit(PERIODS[0])
    before = first.predict()
    second = copied(first).update(PERIODS[1])
    assert len(second.record().periods) == 2
    assert len(first.record().periods) == 1
    pd.testing.assert_frame_equal(first.predict(), before)
    first.update(PERIODS[1])
    pd.testing.assert_frame_equal(first.predict(), second.predict())
    path = first.path
    del first
    assert not path.exists()
    assert second.path.exists()


def test_updating_with_the_same_readings_again_changes_nothing(walked):
    before = walked.record()
    walked.update(PERIODS[-1])
    assert walked.record() == before


def test_earlier_readings_that_changed_are_named(walked):
    changed = PERIODS[0].assign(y=lambda f: f["y"].where(f["unique_id"] != "c", 1.0))
    with pytest.raises(StreamError, match=r"240 earlier readings differ .* of the sensors c"):
        walked.update(changed)


def test_polars_and_own_names_are_answered_in_kind(walked):
    names = {"unique_id": "sensor", "ds": "time", "y": "value"}
    own = StreamForecaster(path=walked.path, id_col="sensor", time_col="time", target_col="value")
    answer = own.predict(pl.from_pandas(PERIODS[-1].rename(columns=names)))
    assert isinstance(answer, pl.DataFrame)
    assert answer.columns[:3] == ["sensor", "time", "y_hat"]


def test_cross_validation_forecasts_what_comes_after_each_cutoff():
    made = StreamForecaster(horizon=6, freq="h", **SMALL)
    frame = made.cross_validation(PERIODS[0], n_windows=2)
    assert frame.columns.tolist() == ["unique_id", "ds", "cutoff", "y", "y_hat"]
    assert len(frame) == 2 * 4 * 6
    assert (frame["ds"] > frame["cutoff"]).all()
    assert frame["cutoff"].nunique() == 2
    read = PERIODS[0].set_index(["unique_id", "ds"])["y"]
    assert (
        frame.set_index(["unique_id", "ds"])["y"]
        == read.reindex(pd.MultiIndex.from_frame(frame[["unique_id", "ds"]]))
    ).all()
    assert not made.is_fitted


def test_evaluate_compares_with_naive_forecasts(walked):
    table = walked.evaluate()
    assert set(table["forecast"]) >= {"model", "last", "day"}
    assert table.loc[table["forecast"] == "model", "MAE"].tolist() == [
        p.errors.point["MAE"]["mean"] for p in walked.record().periods
    ]


def test_the_repr_fits_a_screen_and_escapes(walked):
    assert len(repr(walked)) < 160
    assert "<table>" in walked._repr_html_()


def test_nothing_fitted_is_said():
    made = StreamForecaster()
    with pytest.raises(RunError, match=r"Call fit\(df\)"):
        made.predict()
    with pytest.raises(RunError, match=r"Call fit\(df\)"):
        made.update(PERIODS[1])
    with pytest.raises(StreamError, match="'y'"):
        made.fit(PERIODS[0].drop(columns="y"))
    with pytest.raises(StreamError, match="a list was given"):
        made.fit([1, 2])


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"trainer__max_epochs": "x"}, "trainer.max_epochs: 'x' is not a whole number"),
        ({"nope__x": 1}, "nope.x"),
    ],
)
def test_a_wrong_setting_is_an_error_that_can_be_caught(made, said):
    with pytest.raises(ConfigError, match=said):
        StreamForecaster(freq="h", **made).fit(PERIODS[0])


def test_wrong_use_is_said_in_a_sentence(walked):
    with pytest.raises(ConfigError, match="n_windows=0: give a whole number"):
        walked.cross_validation(PERIODS[0], n_windows=0)
    with pytest.raises(ConfigError, match="step_size=-3: give a whole number"):
        walked.cross_validation(PERIODS[0], step_size=-3)
    with pytest.raises(StreamError, match="no column y_hat"):
        walked.plot(PERIODS[0], PERIODS[0])
    with pytest.raises(RunError, match=r"Call fit\(df\)"):
        StreamForecaster().evaluate()


def test_a_plot_shows_readings_and_forecasts(walked):
    figure = walked.plot(PERIODS[-1], walked.predict(PERIODS[-1]))
    assert len(figure.axes) == 4


def test_settings_are_kept_with_the_run(walked):
    said = json.loads((Path(walked.path) / "forecaster.json").read_text())
    assert said["horizon"] == 6
    assert said["settings"]["trainer.max_epochs"] == 1
