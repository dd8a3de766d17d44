"""A backtest on one clock; without delay it is the test of the run."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from eac.backtest.refits import asked_for
from eac.backtest.walk import Walk
from eac.cli.commands.backtest import _delay
from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream
from eac.errors import ConfigError, RunError
from eac.monitoring.policy import Policy
from eac.records.record import read_run
from tests.training.test_predictor import build, trained

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    run_dir = tmp_path_factory.mktemp("run")
    trained(run_dir, *build())
    return run_dir


def walked(run: Path, **settings) -> pd.DataFrame:
    return pd.concat(Walk(run, *build(), **settings).frames(), ignore_index=True)


def winkler(table: pd.DataFrame, level: int) -> float:
    """Mean width, and 2 / (1 - level) times the distance of readings outside."""
    y, low, high = table["y"], table[f"y_hat-lo-{level}"], table[f"y_hat-hi-{level}"]
    missed = (low - y).clip(lower=0) + (y - high).clip(lower=0)
    return float((high - low + 2 / (1 - level / 100) * missed).mean())


def test_data_that_changed_since_are_no_backtest_of_the_run(run):
    model, data = build()
    periods = [data.stream.load(index) for index in range(len(data.stream))]
    other = replace(periods[1], series=2 * periods[1].series)
    changed = MemoryStream([periods[0], other, *periods[2:]])
    walk = Walk(run, model, PeriodData(changed, seed=7, batch_size=32))
    with pytest.raises(RunError, match=f"period {other.name!r} changed since the run was trained"):
        next(walk.frames())


def test_errors_and_intervals_are_those_of_the_report(run):
    table = walked(run, levels=(80, 90))
    for period in read_run(run).periods:
        mine = table[(table["period"] == period.name) & table["y"].notna()]
        by_step = (mine["y"] - mine["y_hat"]).abs().groupby(mine["step"]).mean()
        assert by_step.mean() == pytest.approx(period.errors.point["MAE"]["mean"], rel=1e-4)
        inside = (mine["y"] >= mine["y_hat-lo-80"]) & (mine["y"] <= mine["y_hat-hi-80"])
        assert period.intervals is not None
        assert 100 * inside.mean() == pytest.approx(period.intervals.coverage["80"], abs=1e-3)
        width = (mine["y_hat-hi-90"] - mine["y_hat-lo-90"]).mean()
        assert width == pytest.approx(period.intervals.width["90"], rel=1e-4)
        for level in (80, 90):
            expected = period.intervals.winkler[str(level)]
            assert winkler(mine, level) == pytest.approx(expected, rel=1e-4)


def test_three_times_are_told_apart(run):
    table = walked(run, delay=2 * HOUR)
    assert ((table["issued"] - table["cutoff"]) == 2 * HOUR).all()
    assert ((table["known"] - table["ds"]) == 2 * HOUR).all()
    assert ((table["ds"] - table["cutoff"]) == table["step"] * pd.Timedelta(HOUR)).all()
    np.testing.assert_array_equal(table["y_hat"], walked(run)["y_hat"])


def test_a_delay_that_is_no_step_is_refused(run):
    with pytest.raises(ConfigError, match="a whole number of steps of 1:00:00, such as 2:00:00"):
        walked(run, delay=timedelta(minutes=20))
    with pytest.raises(ConfigError, match=r"160 steps of 1:00:00\. Give a shorter delay"):
        walked(run, delay=timedelta(days=99999))


@pytest.mark.parametrize("text", ["nan", "NaT", "", "two hours"])
def test_a_delay_that_is_no_time_is_refused(text):
    with pytest.raises(ConfigError, match="give a time, such as 2h"):
        _delay(text)


def test_without_what_intervals_began_with_errors_can_still_be_had(run, monkeypatch):
    monkeypatch.setattr("eac.backtest.walk.load_calibrator", lambda *_: None)
    with pytest.raises(RunError, match="Leave --level out"):
        walked(run, levels=(80,))
    assert len(walked(run))


def test_a_monitor_says_when_a_model_is_refitted(run):
    quiet = Policy.of({"new id": "mark", "network drift": "mark", "level shift": "mark"})
    kept = walked(run, levels=(80,), policy=quiet)
    assert set(kept["model"]) == {read_run(run).periods[0].name}
    assert kept["y_hat"].notna().all()  # new sensors too
    asked = walked(run, levels=(80,), policy=Policy())  # sensors join in every period
    assert asked["model"].equals(asked["period"])
    np.testing.assert_array_equal(asked["y_hat"], walked(run, levels=(80,))["y_hat"])


def test_events_of_readings_ask_for_a_refit():
    generator = np.random.default_rng(0)
    hours = np.arange(4 * 168)[:, None]
    values = 100 + 40 * np.sin(2 * np.pi * hours / 24) + generator.normal(0, 5, (len(hours), 12))
    values[500:, 3] += 60
    start, graph = datetime(2024, 1, 1), Graph.empty(12)
    calendar = Calendar.from_timestamps(start, HOUR)
    series = torch.from_numpy(values).float()
    period = Period("a", series, tuple("abcdefghijkl"), graph, calendar)
    data = PeriodData(MemoryStream([period], name="one"))
    assert asked_for(data, 0, 0, Policy()).kind == "level shift"
    assert asked_for(data, 0, 0, Policy.of({"level shift": "mark"})).events == 0
