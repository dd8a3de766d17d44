"""A backtest on one clock; without delay it is the test of the run."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from eac.backtest.walk import Walk
from eac.errors import ConfigError, RunError
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


def test_three_times_are_told_apart(run):
    table = walked(run, delay=2 * HOUR)
    assert ((table["issued"] - table["cutoff"]) == 2 * HOUR).all()
    assert ((table["known"] - table["ds"]) == 2 * HOUR).all()
    assert ((table["ds"] - table["cutoff"]) == table["step"] * pd.Timedelta(HOUR)).all()
    np.testing.assert_array_equal(table["y_hat"], walked(run)["y_hat"])


def test_a_delay_that_is_no_step_is_refused(run):
    with pytest.raises(ConfigError, match="a whole number of steps of 1:00:00, such as 2:00:00"):
        walked(run, delay=timedelta(minutes=20))


def test_without_what_intervals_began_with_errors_can_still_be_had(run, monkeypatch):
    monkeypatch.setattr("eac.backtest.walk.load_calibrator", lambda *_: None)
    with pytest.raises(RunError, match="Leave --level out"):
        walked(run, levels=(80,))
    assert len(walked(run))
