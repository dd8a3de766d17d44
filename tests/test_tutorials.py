"""Pages on what is done with a run: their commands, as they stand there, and their Python."""

import shlex
import shutil
from pathlib import Path

import pytest
import torch

from eac.artifacts.saved_data import done_periods
from eac.cli.main import main
from tests.test_docs import REPOSITORY, blocks, copy, one_epoch  # noqa: F401
from tests.training.test_predictor import build, long, trained

DOCS = REPOSITORY / "docs"


def run_page(name: str, **given: object) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "page", **given}
    for code in blocks(DOCS / name, "python"):
        exec(compile(code, name, "exec"), names)
    return names


def run_commands(name: str, *beginnings: str, **words: Path) -> int:
    """Runs the commands of a page that begin so, with words in place of names; counts them."""
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


def test_the_page_on_backtests_runs(run, capsys):
    model, data = build()
    run_page("backtest.md", RUN=run, MODEL=model, DATA=data)
    assert 0.8 < float(capsys.readouterr().out) < 0.9  # 10 of 12 steps lie after the issue


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_page_on_serving_runs(run, tmp_path, capsys):
    for needed in ("fastapi", "httpx2", "prometheus_client"):
        pytest.importorskip(needed, reason="needs eac[serve]")
    readings = tmp_path / "readings.csv"
    long(build()[1], 2, 160).to_csv(readings, index=False)
    run_page("serving.md", RUN=run, READINGS=readings)
    assert capsys.readouterr().out == "1 4\n"


@pytest.mark.slow
def test_the_page_on_intervals_runs(copy, capsys):  # noqa: F811
    names = run_page("intervals.md")
    assert "y_hat-lo-80" in capsys.readouterr().out
    assert len(names["forecasts"]) > 0


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
    assert run_commands("artifacts.md", "eac export", RUN=run) == 1
    run_page("artifacts.md")
    assert capsys.readouterr().out.endswith("(4, 12)\n")
