"""Whole runs under the published protocol, beside a plain twin of the published training loop.

Both start from one seed, so that they begin with the same weights, see the same batches and stop
after the same epochs; what is left between them is rounding.
"""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.readers.npz import NpzStream
from eac.errors import CheckpointError
from eac.files import write_json
from eac.protocols.published_draws import PublishedDraws
from eac.records.jsonfile import read_json
from eac.records.record import RunRecord
from eac.strategies.eac import EAC
from eac.strategies.online_all import OnlineAll
from eac.strategies.retrain import Retrain
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer

ROOT = Path(__file__).resolve().parents[2]
STRATEGIES = {"eac": EAC, "online-all": OnlineAll, "retrain": Retrain}
EPOCHS, BATCH = 6, 16


@pytest.fixture(scope="module")
def layout(tmp_path_factory) -> Path:
    """Three periods of 5, 7 and 8 nodes, some of whose readings are 0."""
    folder = tmp_path_factory.mktemp("layout")
    (folder / "RawData").mkdir()
    (folder / "graph").mkdir()
    draw = np.random.default_rng(5)
    for number, size in enumerate((5, 7, 8)):
        hour = np.arange(260)[:, None] + 40 * number
        level = 30 + 5 * np.arange(size)
        series = level * (1 + 0.6 * np.sin(hour / 24 * 2 * np.pi + np.arange(size)))
        series = np.maximum(series + draw.normal(0, 4, series.shape), 0).round()
        adjacency = draw.uniform(0, 1, (size, size)) * (draw.uniform(size=(size, size)) < 0.5)
        np.savez(folder / "RawData" / f"{number}.npz", x=series)
        np.savez(folder / "graph" / f"{number}_adj.npz", x=adjacency)
    (folder / "stream.yaml").write_text("name: waves\nsteps_per_day: 24\ndays_per_week: 7\n")
    return folder


def twins(folder: Path, method: str, *seeds: int) -> list[dict[str, Any]]:
    """Epochs and MAE of each period, for each seed, as the twin finds them."""
    script = str(ROOT / "scripts" / "published_twin.py")
    settings = ["--epochs", str(EPOCHS), "--batch-size", str(BATCH), "--json"]
    command = [sys.executable, script, str(folder), "--method", method, *settings]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command += ["--seeds", *map(str, seeds)]
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(
    folder: Path,
    run_dir: Path,
    method: str,
    seed: int = 42,
    *extra: Callback,
    epochs: int = EPOCHS,
    batch_size: int = BATCH,
) -> RunRecord:
    """The same with the package."""
    model = Forecaster(
        STGNN(), STRATEGIES[method](), optimizer=lambda p: torch.optim.AdamW(p, lr=0.03)
    )
    data = PeriodData(NpzStream(folder), protocol="published", seed=seed, batch_size=batch_size)
    base = DefaultTrainer(max_epochs=epochs)
    runner = StreamRunner(
        model,
        data,
        run_dir=run_dir,
        make_trainer=lambda directory, callbacks: base(directory, (*callbacks, *extra)),
    )
    return runner.run()


def found(record: RunRecord) -> tuple[list[int], list[float]]:
    """Epochs and cumulative MAE, averaged over the horizons, of each period."""
    errors = [period.errors.cumulative["MAE"]["avg"] or 0.0 for period in record.periods]
    return [period.epochs for period in record.periods], errors


@pytest.fixture(scope="module")
def whole(layout, tmp_path_factory) -> Callable[[str, int], tuple[list[int], list[float]]]:
    """Gives what the uninterrupted run of a method and seed found, run once."""

    @cache
    def of(method: str, seed: int) -> tuple[list[int], list[float]]:
        return found(run(layout, tmp_path_factory.mktemp(method), method, seed))

    return of


@pytest.mark.parametrize("method", list(STRATEGIES))
def test_a_run_is_the_published_run_of_that_seed(layout, whole, method):
    theirs = twins(layout, method, 42, 43)
    for expected in theirs:
        epochs, errors = whole(method, expected["seed"])
        assert epochs == expected["epochs"]
        assert errors == pytest.approx(expected["MAE"], rel=5e-4)
    assert theirs[0]["MAE"] != pytest.approx(theirs[1]["MAE"], rel=0.01)


class KillError(Exception):
    """Stands for a kill."""


class KillIn(Callback):
    """Raises when the third epoch of a period of so many nodes starts."""

    def __init__(self, num_nodes: int):
        self._num_nodes = num_nodes

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 2 and pl_module.period_data.period.num_nodes == self._num_nodes:
            raise KillError


@pytest.mark.parametrize("method", list(STRATEGIES))
def test_a_run_that_was_killed_draws_on_where_it_was(layout, whole, tmp_path, method):
    with pytest.raises(KillError):
        run(layout, tmp_path / "cut", method, 42, KillIn(num_nodes=7))
    with pytest.raises(KillError):
        run(layout, tmp_path / "cut", method, 42, KillIn(num_nodes=8))
    assert found(run(layout, tmp_path / "cut", method)) == whole(method, 42)


def test_a_run_that_drew_in_another_order_is_not_continued(layout, tmp_path):
    with pytest.raises(KillError):
        run(layout, tmp_path, "eac", 42, KillIn(num_nodes=7))
    card = tmp_path / "period-00-0" / "card.json"
    write_json(card, read_json(card) | {"draws": None})
    (card.parent / "manifest.json").unlink()  # as runs of before
    with pytest.raises(CheckpointError, match="period-00-0 was trained by an eac that drew"):
        run(layout, tmp_path, "eac")


def test_numbers_are_those_of_torch_seeded_once():
    draws, backbone = PublishedDraws(3), STGNN()
    layers = backbone.published_layers()
    draws.first_weights(backbone, keep=True)
    shift = draws.uniform((4, 2), 0.1)
    seeds = [draws.order_seeds(0)(epoch) for epoch in (0, 1)]
    draws.end_period(epochs=2)
    torch.manual_seed(3)
    for layer in layers:
        layer.reset_parameters()
    assert torch.equal(shift, torch.empty(4, 2).uniform_(-0.1, 0.1))
    numbers = [int(torch.empty((), dtype=torch.int64).random_()) for _ in range(7)]
    assert seeds == [numbers[1], numbers[4]]
    assert torch.equal(draws.uniform((5,), 1.0), torch.empty(5).uniform_(-1, 1))


@pytest.mark.slow
@pytest.mark.parametrize("method", list(STRATEGIES))
def test_seed_42_gives_the_figures_of_the_research_code(shared_path, tmp_path, method):
    reference = shared_path("reference/research_code_on_layout_streams.csv")
    named = {"online-all": "an"}.get(method, method)
    with reference.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["stream"] == "bergen"]
    theirs = {
        row["period"]: float(row["value"])
        for row in rows
        if (row["method"], row["horizon"], row["metric"]) == (named, "Avg", "MAE")
    }
    folder = shared_path("layout/bergen")
    _, errors = found(run(folder, tmp_path, method, epochs=100, batch_size=64))
    # rounding may end a long training some epochs apart, and what is drawn later with it: the twin
    # itself comes to 114.90 in period 1 of EAC with one thread and to 117.45 with two
    expected = [theirs["0"], theirs["1"], theirs["mean"]]
    assert [*errors[:2], np.mean(errors)] == pytest.approx(expected, rel=0.03)
