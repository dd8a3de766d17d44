"""A period costs the same however long the stream is: what it reads, writes and holds."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from lightning.pytorch import seed_everything

from eac.artifacts.checkpoint import load_state
from eac.artifacts.past import PAST_FILE
from eac.backbones.seasonal import SeasonalMLP
from eac.data.batches import reservoir
from eac.data.batches.datamodule import PeriodData
from eac.data.core.stream import MemoryStream
from eac.disk import watched
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_period

LENGTH = 9
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def nodes_of(index: int) -> str:
    """Four nodes that move on by one letter each period, and one of three that comes and goes."""
    return LETTERS[3 + index : 7 + index] + LETTERS[index % 3]


class Counted(MemoryStream):
    """Counts how often a period is read."""

    loads = 0

    def load(self, index):
        self.loads += 1
        return super().load(index)


@dataclass
class Seen:
    """What one period did and left."""

    loads: int
    operations: int
    bytes: int
    prompts: int
    sensors: int
    rehearsed: int


def runner_of(run_dir: Path, length: int = LENGTH, after=None) -> StreamRunner:
    periods = [tiny_period(f"p{i}", nodes_of(i), index=i, num_steps=120) for i in range(length)]
    seed_everything(3, verbose=False)
    model = Forecaster(
        SeasonalMLP(6, 6, hidden=8, num_blocks=1, slot_rank=2, lags=("1d",)), EAC(rank=2)
    )
    data = PeriodData(
        Counted(periods, name="long"),
        window=6,
        horizon=6,
        batch_size=16,
        nodes_per_window=1,
        steps_per_epoch=1,
        rehearsal=0.5,
        seed=3,
    )
    trainer = DefaultTrainer(max_epochs=1)
    return StreamRunner(model, data, run_dir=run_dir, make_trainer=trainer, after_period=after)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run, and what each of its periods did; a small reservoir is full after one period."""
    run_dir, seen, operations = tmp_path_factory.mktemp("long"), [], []

    def note(_):
        folder = sorted(run_dir.glob("period-*"))[-1]
        past = torch.load(folder / PAST_FILE)
        state = load_state(folder)
        ids = state.extra["strategy.pool._extra_state"]["node_ids"]
        sensors = runner._intervals.calibrator.node_ids
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        counted = runner.data.stream.loads, len(operations)
        seen.append(Seen(*counted, size, len(ids), len(sensors), len(past["nodes"])))
        runner.data.stream.loads = 0
        operations.clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reservoir, "SIZE", 100)
        runner = runner_of(run_dir, after=note)
        with watched(lambda *_: operations.append(1)):
            runner.run()
    return run_dir, runner, seen


def test_a_late_period_reads_writes_and_holds_what_an_early_one_does(run):
    *_, seen = run
    early, late = seen[3], seen[-1]

    assert late.loads == early.loads
    assert late.operations == early.operations
    assert late.bytes == pytest.approx(early.bytes, rel=0.02)
    assert [late.prompts, late.sensors, late.rehearsed] == [5, 5, 100]


def test_what_is_rehearsed_is_kept_beside_the_last_period_alone(run):
    run_dir, *_ = run

    assert [path.parent.name for path in run_dir.glob(f"*/{PAST_FILE}")] == ["period-08-p8"]


def test_a_prompt_returns_bit_for_bit_as_its_node_left_it(run):
    run_dir, runner, _ = run
    # "a" is there in every third period: it was last there in period 6
    before = load_state(run_dir / "period-06-p6")
    row = before.extra["strategy.pool._extra_state"]["node_ids"].index("a")
    pool = runner.forecaster.strategy.pool

    assert "a" in pool.archived
    pool.recall("a")
    assert torch.equal(pool.factors("a")[0], before.tensors["strategy.pool.node_factor"][row])


@pytest.mark.parametrize("lost", [False, True])
def test_resumed_in_the_middle_it_ends_in_the_same_bits(run, tmp_path, monkeypatch, lost):
    monkeypatch.setattr(reservoir, "SIZE", 100)
    whole, runner, _ = run
    runner_of(tmp_path, length=5).run()
    shutil.copy(tmp_path / "period-04-p4" / PAST_FILE, tmp_path / "period-03-p3")  # as by a kill
    if lost:  # then the earlier periods are read once more
        (tmp_path / "period-04-p4" / PAST_FILE).unlink()
    resumed = runner_of(tmp_path)
    resumed.run()

    last = "period-08-p8"
    assert [path.parent.name for path in tmp_path.glob(f"*/{PAST_FILE}")] == [last]
    for name, value in load_state(whole / last).tensors.items():
        assert torch.equal(value, load_state(tmp_path / last).tensors[name]), name
    kept, here = (torch.load(folder / last / PAST_FILE) for folder in (whole, tmp_path))
    assert kept["node_ids"] == here["node_ids"]
    assert all(torch.equal(kept["rows"][name], here["rows"][name]) for name in kept["rows"])
    pools = [one.forecaster.strategy.pool for one in (runner, resumed)]
    for pool in pools:
        pool.recall(LETTERS)
    assert torch.equal(*(pool.factors(sorted(pool.node_ids)) for pool in pools))
    memories = [one._intervals.calibrator.known for one in (runner, resumed)]
    assert {*memories[0].node_ids} == {*memories[1].node_ids}
