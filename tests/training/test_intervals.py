"""Intervals of a run: in its records, beside its states, and around forecasts made from it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from eac.calibration.clock import clock_step
from eac.calibration.network import Network
from eac.calibration.store import CALIBRATION_FILE, load_calibrator
from eac.cpu import Behind
from eac.data.batches.datamodule import PeriodData
from eac.data.core.period import NodeChange
from eac.errors import CheckpointError, ConfigError, RunError
from eac.records.record import PeriodRecord, read_period, read_run
from eac.report.common.summary import report_json
from eac.serving.predictor import load_run
from eac.training.results import roll
from eac.training.results.intervals import IntervalRun
from tests.streams import tiny_stream
from tests.training.test_predictor import build, long, trained

FIRST = "period-00-p0"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    run_dir = tmp_path_factory.mktemp("run")
    trained(run_dir, *build())
    return run_dir


@pytest.fixture
def predictor(run):
    return load_run(run, build()[0])


def test_each_period_says_how_its_intervals_did(run):
    first, second, _ = read_run(run).periods
    assert first.intervals is not None
    assert second.intervals is not None
    assert set(first.intervals.coverage) == {"50", "80", "90", "95"}
    assert all(0 < value <= 100 for value in first.intervals.coverage.values())
    assert first.intervals.source == "validation residuals, before the refit"
    assert second.intervals.source == "matured residuals up to the test of period p0"
    assert [group.age for group in second.intervals.ages] == [1, 2]
    assert [group.num_nodes for group in second.intervals.ages] == [1, 4]
    assert len(first.intervals.steps["coverage"]["90"]) == 12
    assert PeriodRecord.from_json(first.to_json()) == first


def test_an_interval_that_is_handed_out_holds_its_forecast(predictor, monkeypatch):
    shape = torch.Size([4, 12, 2])
    none = torch.zeros(shape), torch.zeros(shape)
    monkeypatch.setattr(type(predictor.calibrator), "bounds", lambda *_: none)
    forecasts = predictor.predict(long(build()[1], 2, 150), levels=(80, 95))
    for level in (80, 95):
        low, high = forecasts[f"y_hat-lo-{level}"], forecasts[f"y_hat-hi-{level}"]
        np.testing.assert_array_equal(low, forecasts["y_hat"].clip(upper=0))
        np.testing.assert_array_equal(high, forecasts["y_hat"].clip(lower=0))


def test_without_a_test_in_order_of_time_there_is_nothing_to_say():
    data = PeriodData(tiny_stream(), window=6, horizon=3)
    run = IntervalRun()
    run.begin(data, Network.of(data.period.node_ids, data.period.series))
    assert run.summary(NodeChange((), data.period.node_ids, (), ()), data.period) is None


def test_the_report_has_means_by_level(run):
    report = report_json(read_run(run))
    periods = [period["intervals"] for period in report["periods"]]
    for what in ("coverage", "winkler"):
        assert report["mean"][what]["90"] == pytest.approx(
            np.mean([p[what]["90"] for p in periods])
        )


def test_records_of_before_have_no_intervals(run):
    content = read_period(run / FIRST).to_json()
    del content["intervals"]
    assert PeriodRecord.from_json(content).intervals is None


def test_scores_are_those_of_a_plain_walk_through_the_test(run):
    """The second period again, from the calibrator of the first: a twin without batches."""
    forecaster, data = build()
    predictor = load_run(run, forecaster)
    calibrator = load_calibrator(run / "period-01-p1")
    assert calibrator is not None
    record = read_period(run / "period-02-p2").intervals
    assert record is not None
    data = data.for_period(2)
    period, split = data.period, data.split
    calibrator.begin(Network.of(period.node_ids, period.series[: split.train.stop]))
    hits = count = 0
    predictor.forecaster.select_nodes(period.node_ids)
    data = data.prepared(forecaster.backbone.needs)
    for start in data.starts("test").tolist():
        issue = start + data.window - 1
        if start > int(data.starts("test")[0]):
            calibrator.observe(clock_step(period.calendar, issue), period.series[issue])
        with torch.no_grad():
            y_hat = forecaster(data.full.batch(torch.tensor([start])))[0]
        low, high = calibrator.bounds(clock_step(period.calendar, issue), y_hat)
        calibrator.issue(clock_step(period.calendar, issue), y_hat)
        y = period.series[issue + 1 : issue + 13].T
        inside = (low[..., 2] <= y) & (y <= high[..., 2])
        hits, count = hits + int(inside.sum()), count + int(y.isfinite().sum())
    assert record.coverage["90"] == pytest.approx(100 * hits / count, abs=0.2)


def test_an_interrupted_run_learns_the_same_intervals(run, tmp_path):
    forecaster, data = build()
    trained(tmp_path, forecaster, data)
    third = tmp_path / "period-02-p2"
    (third / "metrics.json").unlink()
    trained(tmp_path, *build())
    whole, again = (read_period(d / third.name).intervals for d in (run, tmp_path))
    assert whole == again


def test_intervals_learned_behind_the_forecasts_are_the_same(run, tmp_path, monkeypatch):
    monkeypatch.setattr(roll, "BEHIND", 0)
    threads, begun = torch.get_num_threads(), []
    begin = Behind.begin
    monkeypatch.setattr(Behind, "begin", lambda *given: (begun.append(1), begin(*given)))
    torch.set_num_threads(2)
    try:
        trained(tmp_path / "behind", *build())
    finally:
        torch.set_num_threads(threads)
    assert len(begun) > 2
    for one, other in zip(
        read_run(run).periods, read_run(tmp_path / "behind").periods, strict=True
    ):
        assert one.intervals.winkler == pytest.approx(other.intervals.winkler)
        assert one.intervals.steps["coverage"] == other.intervals.steps["coverage"]


def test_forecasts_have_columns_by_level(predictor):
    frame = long(build()[1], 2, 160)
    forecasts = predictor.predict(frame, levels=(80, 95))
    assert list(forecasts.columns) == [
        "unique_id", "ds", "y_hat", "y_hat-lo-80", "y_hat-hi-80", "y_hat-lo-95", "y_hat-hi-95",
        "note",
    ]  # fmt: skip
    plain = predictor.predict(frame)
    pd.testing.assert_frame_equal(forecasts[plain.columns], plain)
    assert (forecasts["y_hat-lo-95"] <= forecasts["y_hat-lo-80"]).all()
    assert (forecasts["y_hat-hi-80"] <= forecasts["y_hat-hi-95"]).all()
    assert (forecasts["y_hat-lo-95"] >= 0).all()


def test_a_sensor_never_seen_has_intervals_too(predictor):
    frame = long(build()[1], 2, 160)
    stranger = frame[frame["unique_id"] == "e"].assign(unique_id="new")
    both = pd.concat([frame, stranger])
    forecasts = predictor.predict(both, levels=(90,))
    width = forecasts["y_hat-hi-90"] - forecasts["y_hat-lo-90"]
    assert (width[forecasts["unique_id"] == "new"] > 0).all()
    known = forecasts["unique_id"] != "new"
    before = predictor.predict(frame, levels=(90,))
    np.testing.assert_allclose(
        width[known], before["y_hat-hi-90"] - before["y_hat-lo-90"], rtol=1e-2
    )


def test_levels_that_are_not_followed_are_refused(predictor):
    with pytest.raises(ConfigError, match="level 99"):
        predictor.predict(long(build()[1], 2, 160), levels=(99,))


def test_a_run_without_intervals_forecasts_without_them(tmp_path):
    forecaster, data = build()
    trained(tmp_path, forecaster, data)
    for name in (CALIBRATION_FILE, "manifest.json"):  # as runs of before
        (tmp_path / "period-02-p2" / name).unlink()
    predictor = load_run(tmp_path, build()[0])
    frame = long(data, 2, 160)
    assert len(predictor.predict(frame)) == 48
    with pytest.raises(RunError, match="made no intervals"):
        predictor.predict(frame, levels=(90,))


def test_a_damaged_calibration_is_named(run, tmp_path):
    (tmp_path / CALIBRATION_FILE).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"calibration\.safetensors is damaged"):
        load_calibrator(tmp_path)
    assert load_calibrator(run) is None
