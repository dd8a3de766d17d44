"""A validation as published may look at several batches in one go: the same figures, every bit."""

import pytest
from lightning.pytorch import seed_everything

from eac.backbones.stgnn import STGNN
from eac.data.batches import sampler
from eac.data.batches.datamodule import PeriodData
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_stream


def validated(tmp_path, *, missing):
    seed_everything(3, verbose=False)
    data = PeriodData(tiny_stream(missing=missing), batch_size=3, protocol="published", seed=3)
    model, trainer = Forecaster(STGNN(hidden=8), EAC(rank=2)), DefaultTrainer(max_epochs=2)
    fitted = trainer(tmp_path, ())
    fitted.fit(model, datamodule=data)
    return fitted.callback_metrics["val/MAE"].item(), model.errors.state(), fitted.num_val_batches


@pytest.mark.parametrize("missing", [False, True])
def test_batches_that_are_joined_count_each_for_itself(tmp_path, monkeypatch, missing):
    joined = validated(tmp_path / "joined", missing=missing)
    monkeypatch.setattr(sampler, "JOINED_NODE_WINDOWS", 1)
    apart = validated(tmp_path / "apart", missing=missing)

    assert joined[0] == apart[0]
    assert joined[1].equal(apart[1])
    assert (joined[2], apart[2]) == ([1], [3])
