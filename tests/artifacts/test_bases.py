"""Which period a state is completed from: the latest one in which most of it changed."""

import pytest
import torch

from eac.artifacts.artifact import read_artifact
from eac.artifacts.checkpoint import SavedState, base_of, load_state
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.errors import CheckpointError
from eac.strategies.base import PeriodPlan, Strategy
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_stream


class AllThenReadout(Strategy):
    """Trains everything in the first two periods, and later the readout alone."""

    def plan(self, context, backbone):
        late = context.index > 1
        return PeriodPlan(freeze_backbone=late, train_head=late)


def test_a_period_in_which_everything_changed_is_the_base_of_those_after_it(tmp_path):
    data = PeriodData(tiny_stream(("abc", "abcd", "bcd", "bcde")), window=6, horizon=3)
    model = Forecaster(STGNN(6, 3, hidden=16), AllThenReadout())
    StreamRunner(model, data, run_dir=tmp_path, make_trainer=DefaultTrainer(max_epochs=1)).run()
    folders = sorted(tmp_path.glob("period-*"))
    assert [read_artifact(folder).base for folder in folders] == [None, None, *["period-01-p1"] * 2]
    assert [base_of(folder).name for folder in folders][1:] == ["period-01-p1"] * 3
    saved, left = load_state(folders[-1]).tensors, SavedState.of(model).tensors
    assert all(torch.equal(saved[name], value) for name, value in left.items())
    (folders[1] / "state.safetensors").unlink()
    with pytest.raises(CheckpointError, match="not the file that period-03-p3 was trained on"):
        load_state(folders[-1])
