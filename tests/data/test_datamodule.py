"""One period as a Lightning data module: what its loaders yield."""

import torch

from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_stream


def test_lightning_predicts_the_windows_of_the_test(tmp_path):
    data = PeriodData(tiny_stream(), window=6, horizon=3, eval_batch_size=16)
    model = Forecaster(STGNN(6, 3), EAC())
    trainer = DefaultTrainer(max_epochs=1)(tmp_path, [])
    forecasts = trainer.predict(model, datamodule=data)
    starts = torch.cat(list(data.test_dataloader()))

    assert forecasts is not None
    assert sum(len(some) for some in forecasts) == len(starts) == len(data.starts("test"))
    assert torch.equal(torch.cat(list(data.predict_dataloader())), starts)
