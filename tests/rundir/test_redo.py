"""``--redo``: killed at any place and resumed, it ends as one that nothing stopped."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from eac.artifacts.checkpoint import load_state
from eac.artifacts.saved_data import done_periods
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core.stream import MemoryStream
from eac.disk import watched
from eac.errors import RunError
from eac.records.record import read_period
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_stream

STREAM = tiny_stream(["ab", "abc", "bcd"])


class Killed(BaseException):
    """The end of a process, at once."""


def train(run_dir, redo=None, stream=STREAM):
    torch.manual_seed(0)
    model = Forecaster(STGNN(6, 3, hidden=4), EAC(rank=2))
    data = PeriodData(stream, window=6, horizon=3, batch_size=32, seed=1)
    trainer = DefaultTrainer(max_epochs=1)
    StreamRunner(model, data, run_dir=run_dir, make_trainer=trainer, redo=redo).run()


def left(run_dir):
    """The state and the errors of every period."""
    folders = done_periods(run_dir)
    return [(load_state(folder).tensors, read_period(folder).groups) for folder in folders]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(folder)
    operations = []
    again = Path(shutil.copytree(folder, folder.with_name("again")))
    with watched(lambda *operation: operations.append(operation)):
        train(again, redo="p1")
    return folder, left(again), len(operations)


def test_a_redo_after_a_period_that_changed_is_refused_before_anything_is_lost(whole, tmp_path):
    run = Path(shutil.copytree(whole[0], tmp_path / "run"))
    changed = MemoryStream([replace(STREAM[0], series=STREAM[0].series + 1), STREAM[1], STREAM[2]])
    with pytest.raises(RunError, match="period 'p0' changed"):
        train(run, redo="p1", stream=changed)

    assert [errors for _, errors in left(run)] == [errors for _, errors in left(whole[0])]


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6, 0.95])
def test_a_redo_that_is_killed_and_resumed_ends_as_one_that_is_not(whole, tmp_path, share):
    original, expected, operations = whole
    run = Path(shutil.copytree(original, tmp_path / "run"))
    count = 0

    def kill(operation, path):
        nonlocal count
        count += 1
        if count == int(share * operations):
            raise Killed

    with watched(kill), pytest.raises(Killed):
        train(run, redo="p1")
    train(run)

    found = left(run)
    assert len(found) == len(expected) == 3
    for (state, errors), (wanted, wanted_errors) in zip(found, expected, strict=True):
        assert errors == wanted_errors
        assert all(torch.equal(state[name], wanted[name]) for name in wanted)
