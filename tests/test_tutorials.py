"""Pages on what is done with a run: their commands, as they stand there, and their Python."""

import gc
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from eac.artifacts.saved_data import done_periods
from eac.cli.main import main
from eac.records.record import read_run
from tests.backtest.test_walk import winkler
from tests.export.test_export import outside
from tests.test_docs import REPOSITORY, blocks, copy, one_epoch  # noqa: F401
from tests.training.test_predictor import build, long, trained

DOCS = REPOSITORY / "docs"


def run_page(name: str, **given: object) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "page", **given}
    for code in blocks(DOCS / name, "python"):
        exec(compile(code, name, "exec"), names)
    return names


def run_commands(name: str, *beginnings: str, **words: Path) -> int:
    """Runs the commands of a page that begin so, with paths in place of RUN, OTHER; counts them."""
    lines = "".join(blocks(DOCS / name, "")).splitlines()
    wanted = [line for line in lines if line.startswith(beginnings)]
    for line in wanted:
        assert main([str(words.get(word, word)) for word in shlex.split(line)[1:]]) == 0, line
    return len(wanted)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    run_dir = tmp_path_factory.mktemp("run")
    trained(run_dir, *build())
    return run_dir


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_page_on_serving_runs(run, tmp_path, monkeypatch, capsys):
    for needed in ("fastapi", "httpx2", "prometheus_client"):
        pytest.importorskip(needed, reason="needs eac[serve]")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, "runs/counts")
    long(build()[1], 2, 160).to_csv("counts.csv", index=False)
    run_page("serving.md")
    assert capsys.readouterr().out == "1 4\n"


@pytest.mark.slow
def test_the_page_on_intervals_runs(copy, capsys):  # noqa: F811
    run_page("intervals.md")
    assert "y_hat-lo-80" in capsys.readouterr().out
    assert run_commands("intervals.md", "eac predict") == 1
    assert "y_hat-hi-95" in pd.read_parquet("forecasts.parquet").columns


def test_the_page_on_artifacts_runs(run, tmp_path, monkeypatch):
    base, mine = tmp_path / "base", tmp_path / "mine"
    shutil.copytree(run, base)
    shutil.copytree(run, mine)
    for folder in done_periods(base)[1:]:
        shutil.rmtree(folder)
    monkeypatch.chdir(tmp_path)
    assert run_commands("artifacts.md", "eac artifacts", RUN=mine, OTHER=base) == 6


@pytest.mark.slow
def test_the_page_on_programs_runs(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = "".join(blocks(DOCS / "artifacts.md", "")).splitlines()
    (line,) = [line for line in lines if line.startswith("eac export")]
    found = outside(*(str(run) if word == "RUN" else word for word in shlex.split(line)[1:]))
    assert found.returncode == 0, found.stderr
    run_page("artifacts.md")
    assert capsys.readouterr().out.endswith("(4, 12)\n")


@pytest.fixture
def counts(tmp_path, monkeypatch) -> pd.DataFrame:
    """Six weeks of readings in counts.csv, where the test runs; sensor x gets stuck."""
    hours, generator = np.arange(6 * 168), np.random.default_rng(1)
    wave = 100 + 40 * np.sin(2 * np.pi * hours / 24)
    values = wave[:, None] + generator.normal(0, 5, (len(hours), 4))
    values[900:930, 2] = 77.0
    stamps = pd.date_range("2024-01-21", periods=len(hours), freq="h", name="ds")
    wide = pd.DataFrame(values, stamps, pd.Index(list("ecxa"), name="unique_id"))
    frame = wide.unstack().rename("y").reset_index()
    frame.to_csv(tmp_path / "counts.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return frame


def test_the_page_on_monitoring_runs(run, counts, capsys):
    shutil.copytree(run, "runs/counts")
    assert run_commands("monitoring.md", "eac monitor") == 2
    assert "0 new requests for the next period of runs/counts" in capsys.readouterr().out
    events = pd.read_csv("events.csv")
    assert events[events["unique_id"] == "x"]["kind"].tolist() == ["stuck"]
    capsys.readouterr()
    run_page("monitoring.md")
    assert "unit change 3 ask" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_commands_of_the_page_on_serving_run(run, counts, monkeypatch):
    for needed in ("fastapi", "httpx2", "prometheus_client", "uvicorn"):
        pytest.importorskip(needed, reason="needs eac[serve]")
    from fastapi.testclient import TestClient

    answers = []

    def answer(server, sockets) -> None:
        with TestClient(server.config.app) as client:
            status = client.get("/forecast?sensors=e&level=80,95").status_code
        answers.append((status, *sockets[0].getsockname()))

    monkeypatch.setattr("uvicorn.Server.run", answer)
    shutil.copytree(run, "runs/counts")
    assert run_commands("serving.md", "eac serve") == 1
    gc.unfreeze()
    assert answers == [(200, "127.0.0.1", 8000)]


@pytest.mark.slow
def test_the_page_on_backtests_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    stream, run_dir = str(REPOSITORY / "datasets" / "sample"), Path("runs/counts")
    quick = ["--trainer.max_epochs", "1", "--run.dir", str(run_dir)]
    assert main(["run", "-c", "eac", "--stream", stream, *quick]) == 0
    assert run_commands("backtest.md", "eac backtest runs/counts") == 2
    capsys.readouterr()
    run_page("backtest.md")
    share, error = map(float, capsys.readouterr().out.split())
    assert 8 / 12 <= share < 1  # as many steps as the delay has lie before the issue
    assert error > 0
    table = pd.read_parquet("backtest.parquet")
    assert ((table["issued"] - table["cutoff"]) == pd.Timedelta("2h")).all()
    for period in read_run(run_dir).periods:
        mine = table[(table["period"] == period.name) & table["y"].notna()]
        by_step = (mine["y"] - mine["y_hat"]).abs().groupby(mine["step"]).mean()
        assert by_step.mean() == pytest.approx(period.errors.point["MAE"]["mean"], rel=1e-4)
        inside = (mine["y"] >= mine["y_hat-lo-95"]) & (mine["y"] <= mine["y_hat-hi-95"])
        assert period.intervals is not None
        assert 100 * inside.mean() == pytest.approx(period.intervals.coverage["95"], abs=1e-3)
        assert winkler(mine, 95) == pytest.approx(period.intervals.winkler["95"], rel=1e-4)
    assert set(pd.read_parquet("asked.parquet")["model"]) <= set(table["period"])
