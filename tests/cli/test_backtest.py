"""``eac backtest`` treats the directory of a run as data."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from eac.cli.commands.backtest import mean_mae
from eac.cli.main import main
from tests.training.test_predictor import build, trained


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    run_dir = tmp_path_factory.mktemp("run")
    trained(run_dir, *build())
    return run_dir


def test_a_class_of_an_unknown_module_is_not_loaded(done, tmp_path, monkeypatch, capsys):
    run_dir, loaded = shutil.copytree(done, tmp_path / "run"), tmp_path / "loaded"
    (tmp_path / "evil_module.py").write_text(f"open({str(loaded)!r}, 'w').close()")
    (run_dir / "manifest.json").unlink(missing_ok=True)
    (run_dir / "config.yaml").write_text("model:\n  strategy:\n    class_path: evil_module.Evil\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["backtest", str(run_dir), "--output", str(tmp_path / "o.csv")]) != 0
    assert "--trust evil_module" in capsys.readouterr().err
    assert not loaded.exists()


def test_a_policy_without_a_monitor_is_refused(done, capsys):
    assert main(["backtest", str(done), "--output", "o.csv", "--policy", "stuck=ask"]) != 0
    assert "Add --refit monitor" in capsys.readouterr().err


def test_the_error_that_is_printed_is_that_of_the_report_where_targets_are_missing():
    # period 0: 2 at step 1 (1 and 3), 6 at step 2 (one target); period 1: 10 at both
    table = pd.DataFrame(
        {
            "period": ["0"] * 4 + ["1"] * 2,
            "step": [1, 1, 2, 2, 1, 2],
            "y": [0.0, 0.0, 0.0, float("nan"), 0.0, 0.0],
            "y_hat": [1.0, 3.0, 6.0, 9.0, 10.0, 10.0],
        }
    )
    assert mean_mae(table) == ((2 + 6) / 2 + 10) / 2
