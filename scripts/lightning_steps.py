"""The same steps, taken by Lightning as in a run: what its loop and the callbacks add."""

import tempfile
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.strategies.eac import EAC
from eac.training.callbacks import SeedEveryEpoch
from eac.training.forecaster import Forecaster
from eac.training.trainers import quiet_lightning


class Stopwatch(Callback):
    """Notes the time at the end of each training batch."""

    def __init__(self, tick: Callable[[], float]):
        self._tick = tick
        self.times: list[float] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes the time."""
        del trainer, pl_module, outputs, batch, batch_idx
        self.times.append(self._tick())


def step_seconds(path: Any, num_steps: int, tick: Callable[[], float]) -> list[float]:
    """Seconds from one batch to the next, all parameters trained, warm-up left out."""
    quiet_lightning()
    data = PeriodData(path.stream, batch_size=path.batch_size, protocol="published")
    watch = Stopwatch(tick)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=1,
            limit_train_batches=num_steps + 3,
            limit_val_batches=0,
            callbacks=[SeedEveryEpoch(0), watch],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        torch.manual_seed(0)
        trainer.fit(Forecaster(STGNN(), EAC()), datamodule=data)
    times = watch.times[2:]
    return [after - before for before, after in pairwise(times)]
