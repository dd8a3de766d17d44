"""The pages on intervals, serving and backtests: their Python runs, on a small run."""

from pathlib import Path

import pytest
import torch

from tests.test_docs import REPOSITORY, blocks, copy, one_epoch  # noqa: F401
from tests.training.test_predictor import build, long, trained

DOCS = REPOSITORY / "docs"


def run_page(name: str, **given: object) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "page", **given}
    for code in blocks(DOCS / name, "python"):
        exec(compile(code, name, "exec"), names)
    return names


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
