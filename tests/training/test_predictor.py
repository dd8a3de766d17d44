"""Forecasts from recent readings: those of the run's own test, of strangers and of the silent."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import seed_everything

from eac.backbones.base import Backbone
from eac.backbones.seasonal import SeasonalMLP
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.stream import GraphStream, MemoryStream
from eac.errors import CheckpointError, RunError, StreamError
from eac.serving.intake import is_forecast
from eac.serving.predictor import load_run
from eac.strategies.eac import EAC
from eac.strategies.retrain import Retrain
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_stream

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1)
STEPS = 160


def dated_stream(*, missing: bool = False) -> GraphStream:
    """The tiny stream with time stamps: nodes abcd, then cabde, ecxa (b, d leave), hourly."""
    stream = tiny_stream(["abcd", "cabde", "ecxa"], missing=missing)
    return MemoryStream(
        [
            replace(p, calendar=Calendar.from_timestamps(START + i * STEPS * HOUR, HOUR))
            for i, p in enumerate(stream)
        ],
        name="dated",
    )


def build(backbone: Backbone | None = None, **settings) -> tuple[Forecaster, PeriodData]:
    seed_everything(7, verbose=False)
    forecaster = Forecaster(backbone or STGNN(hidden=8), EAC(rank=2))
    return forecaster, PeriodData(dated_stream(missing=True), seed=7, batch_size=32, **settings)


def trained(run_dir: Path, forecaster: Forecaster, data: PeriodData) -> StreamRunner:
    trainer = DefaultTrainer(max_epochs=1)
    runner = StreamRunner(forecaster, data, run_dir=run_dir, make_trainer=trainer)
    runner.run()
    return runner


def long(data: PeriodData, period: int, stop: int) -> pd.DataFrame:
    """The readings of a period before step ``stop``, one row per sensor and hour."""
    held = data.stream.load(period)
    stamps = pd.date_range(held.calendar.start, periods=stop, freq="h", name="ds")
    wide = pd.DataFrame(held.series[:stop].numpy(), stamps, pd.Index(held.node_ids))
    return wide.rename_axis(columns="unique_id").unstack().rename("y").reset_index()


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of EAC over the dated stream, and what to load it with."""
    torch.manual_seed(0)
    run_dir = tmp_path_factory.mktemp("run")
    trained(run_dir, *build())
    return run_dir


@pytest.fixture
def predictor(run):
    return load_run(run, build()[0])


@pytest.fixture
def recent() -> pd.DataFrame:
    """The last period up to its step 150."""
    return long(build()[1], 2, 150)


def test_the_hour_that_a_clock_change_leaves_out_has_no_forecast():
    evening = pd.Timestamp("2024-03-30 23:00", tz="Europe/Oslo")  # as tables give it
    clock = Calendar.from_timestamps(evening, HOUR)
    assert [is_forecast(clock, step) for step in range(5)] == [True, True, True, False, True]
    autumn = Calendar.from_timestamps(pd.Timestamp("2024-10-27", tz="Europe/Oslo"), HOUR)
    assert all(is_forecast(autumn, step) for step in range(5))


def test_a_model_that_was_just_trained_can_forecast(tmp_path, recent):
    model, data = build()
    trained(tmp_path, model, data)
    y_hat = load_run(tmp_path, model).predict(recent)["y_hat"]
    assert y_hat.equals(load_run(tmp_path, build()[0]).predict(recent)["y_hat"])


def of(forecasts: pd.DataFrame, node: str) -> pd.DataFrame:
    return forecasts[forecasts["unique_id"] == node].set_index("ds")


@pytest.mark.parametrize(
    ("backbone", "settings"),
    [
        (lambda: STGNN(hidden=8), {}),
        (lambda: STGNN(hidden=8), {"protocol": "published"}),
        (lambda: SeasonalMLP(hidden=8, lags=["1d"], network=True), {"carry": 0.5}),
    ],
    ids=["strict", "published", "seasonal"],
)
def test_known_sensors_get_the_forecast_of_the_runs_own_test(tmp_path, backbone, settings):
    runner = trained(tmp_path, *build(backbone(), **settings))
    data, stop = runner.data.for_period(2), 145
    data = data.prepared(runner.forecaster.backbone.needs)
    batch = data.full.batch(torch.tensor([stop - data.window]))
    expected = runner.forecaster.eval().predict_step(batch, 0)[0].detach().numpy()
    predictor = load_run(tmp_path, build(backbone(), **settings)[0])
    forecasts = predictor.predict(frame := long(data, 2, stop))
    assert list(forecasts["unique_id"].unique()) == ["e", "c", "x", "a"]
    assert forecasts["ds"].iloc[0] == pd.Timestamp(data.period.calendar.time_of(stop))
    np.testing.assert_allclose(forecasts["y_hat"], expected.flatten(), rtol=1e-5, atol=1e-4)
    assert set(forecasts["note"]) == {""}
    one = frame[frame["unique_id"] == "a"]
    others = [one.assign(unique_id=node, y=one["y"] * 3) for node in ("b", "new")]
    beside = predictor.predict(pd.concat([frame, *others]))
    known = beside[~beside["unique_id"].isin(["b", "new"])]["y_hat"]
    np.testing.assert_allclose(known, forecasts["y_hat"], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("value", [9.96921e36, 1e30])
def test_a_reading_that_is_far_too_large_costs_its_own_sensor_the_forecast(
    predictor, recent, value
):
    broken = recent.copy()
    last = broken.index[broken["unique_id"] == "c"][-1]
    broken.loc[last, "y"] = value
    forecasts = predictor.predict(broken, levels=(80,))
    assert list(forecasts["unique_id"].unique()) == ["e", "x", "a"]
    assert np.isfinite(forecasts[["y_hat", "y_hat-lo-80", "y_hat-hi-80"]].to_numpy()).all()
    reason = forecasts.attrs["skipped"]["c"]
    assert reason.startswith(f"its reading {value:.7g} of {recent['ds'].max()} is too large")
    broken.loc[last, "y"] = np.nan  # what the others get is what they get where it is missing
    expected = predictor.predict(broken).set_index(["unique_id", "ds"])["y_hat"]
    found = forecasts.set_index(["unique_id", "ds"])["y_hat"]
    pd.testing.assert_series_equal(found, expected.loc[found.index])


def test_a_forecast_that_is_no_number_is_not_written(predictor, recent, monkeypatch):
    forecast = predictor.forecast
    nan = torch.tensor([[0.0], [torch.nan], [0.0], [0.0]])
    monkeypatch.setattr(predictor, "forecast", lambda *given: forecast(*given) + nan)
    forecasts = predictor.predict(recent)
    assert forecasts["y_hat"].notna().all()
    assert forecasts["unique_id"].nunique() == 3
    assert "is not a number" in "".join(forecasts.attrs["skipped"].values())


def test_the_order_of_rows_and_of_sensors_changes_no_forecast(predictor, recent):
    shuffled = recent.sample(frac=1, random_state=0)
    first, second = (
        predictor.predict(frame).set_index(["unique_id", "ds"])["y_hat"].sort_index()
        for frame in (recent, shuffled)
    )
    pd.testing.assert_series_equal(first, second, rtol=1e-5)


def test_one_column_for_each_sensor_gets_the_same_forecasts(predictor, recent):
    stranger = of(recent, "a").reset_index().assign(unique_id="new")
    given = pd.concat([recent, stranger])
    wide = given.pivot_table(index="ds", columns="unique_id", values="y", dropna=False)
    first, second = (
        predictor.predict(frame).sort_values(["unique_id", "ds"]).reset_index(drop=True)
        for frame in (given, wide[["x", "new", "a", "c", "e"]])
    )
    pd.testing.assert_frame_equal(first, second, rtol=1e-6, check_dtype=False)


def test_a_wide_frame_of_another_step_is_refused(predictor, recent):
    wide = recent.pivot_table(index="ds", columns="unique_id", values="y", dropna=False)
    with pytest.raises(StreamError, match="step"):
        predictor.predict(wide.iloc[::2])


def test_a_sensor_never_seen_starts_cold_on_its_own_scale(predictor, recent):
    stranger = of(recent, "a").reset_index().assign(unique_id="new")
    stranger["y"] = stranger["y"] * 100
    forecasts = predictor.predict(pd.concat([recent, stranger]))
    assert set(of(forecasts, "new")["note"]) == {"cold start"}
    assert of(forecasts, "new")["y_hat"].mean() > 20 * of(forecasts, "a")["y_hat"].mean()
    assert of(forecasts, "a")["note"].eq("").all()


def test_a_sensor_never_seen_changes_no_other_forecast_without_edges(predictor, recent):
    stranger = of(recent, "a").reset_index().assign(unique_id="new")
    alone = of(predictor.predict(recent), "a")["y_hat"]
    beside = of(predictor.predict(pd.concat([recent, stranger])), "a")["y_hat"]
    pd.testing.assert_series_equal(alone, beside, rtol=1e-6)


def test_edges_given_are_used_instead_of_those_of_the_run(predictor, recent):
    stranger = of(recent, "a").reset_index().assign(unique_id="new")
    frame = pd.concat([recent, stranger])
    edges = pd.DataFrame({"source": ["c"], "target": ["new"], "weight": [1.0]})
    with_edges, without = predictor.predict(frame, edges), predictor.predict(frame)
    assert not np.allclose(of(with_edges, "new")["y_hat"], of(without, "new")["y_hat"])
    with pytest.raises(StreamError, match="'nowhere', which is neither in the input"):
        predictor.predict(frame, edges.assign(source="nowhere"))


def test_a_returning_sensor_is_forecast_on_the_scale_it_had(predictor, recent):
    back = of(recent, "a").reset_index().assign(unique_id="b")
    forecasts = predictor.predict(pd.concat([recent, back]))
    assert set(of(forecasts, "b")["note"]) == {"returned"}


def test_a_silent_sensor_is_forecast_and_flagged(predictor, recent):
    last = recent["ds"].max()
    silent = recent["y"].where((recent["unique_id"] != "x") | (recent["ds"] < last - 29 * HOUR))
    note = of(predictor.predict(recent.assign(y=silent)), "x")["note"].iloc[0]
    assert note == f"silent since {last - 30 * HOUR}"
    never = recent["y"].where(recent["unique_id"] != "x")
    note = of(predictor.predict(recent.assign(y=never)), "x")["note"].iloc[0]
    assert note == "silent: no reading in the input"


def test_a_sensor_without_enough_history_is_listed_with_the_reason(predictor, recent):
    stranger = of(recent, "c").reset_index().tail(5).assign(unique_id="new")
    frame = pd.concat([recent[recent["unique_id"] != "e"], stranger])
    forecasts = predictor.predict(frame.dropna())
    skipped = forecasts.attrs["skipped"]
    assert set(forecasts["unique_id"]) == {"c", "x", "a"}
    assert skipped["e"] == "not in the input"
    assert skipped["new"].endswith("readings; a sensor the run has never seen needs 12")


def test_an_input_shorter_than_a_window_forecasts_nothing_and_says_why(predictor, recent):
    short = recent[recent["ds"] > recent["ds"].max() - 5 * HOUR]
    forecasts = predictor.predict(short)
    assert len(forecasts) == 0
    reason = "the input covers 5 steps; one window needs 12"
    assert forecasts.attrs["skipped"] == dict.fromkeys("ecxa", reason)


def test_readings_that_come_more_rarely_than_the_runs_are_refused(predictor, recent):
    daily = recent[recent["ds"].dt.hour == 0]
    with pytest.raises(StreamError, match=r"come every 1 d, .* one every 1 h"):
        predictor.predict(daily)


def test_a_run_started_from_python_says_how_its_model_was_built(run, predictor, recent):
    pd.testing.assert_frame_equal(load_run(run).predict(recent), predictor.predict(recent))


def test_a_model_that_no_configuration_can_name_is_asked_for(tmp_path):
    class Own(STGNN):
        """A backbone that no other program can import."""

    forecaster, data = build(Own(hidden=8))
    trained(tmp_path, forecaster, data)
    with pytest.raises(RunError, match=r"class .*Own is not in a module.*eac\.load_run\('"):
        load_run(tmp_path)
    assert load_run(tmp_path, build(Own(hidden=8))[0]).forecaster is not None


def test_another_model_is_refused(run):
    with pytest.raises(CheckpointError, match="does not fit this model"):
        load_run(run, Forecaster(STGNN(hidden=16), Retrain()))


def test_a_directory_without_a_finished_period_is_refused(tmp_path):
    with pytest.raises(RunError, match="holds no finished period"):
        load_run(tmp_path)
