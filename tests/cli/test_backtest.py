"""``eac backtest`` treats the directory of a run as data."""

import shutil
from pathlib import Path

import pytest
import torch

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
