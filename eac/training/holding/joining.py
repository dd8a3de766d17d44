"""Callbacks of a training whose processes divide the sensors."""

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint
from torch import Tensor, nn

from eac.artifacts.checkpoint import SavedState
from eac.data.batches.batch import Batch
from eac.data.batches.datamodule import PeriodData
from eac.training.holding.division import Division


class JoinGradients(Callback):
    """Joins the gradients of all processes before each step, and clips them as one.

    Lightning then clips them once more by what this process sees of them, which is never longer.

    Args:
        division: The processes.
    """

    def __init__(self, division: Division):
        self._division = division
        self._weight: Tensor = torch.zeros(())

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lets each process draw sensors, disguises and dropout of its own."""
        del trainer, pl_module
        torch.manual_seed(torch.initial_seed() + self._division.rank)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Counts the targets of the batch that the loss counts."""
        del pl_module, batch_idx
        data = getattr(trainer, "datamodule", None)
        if isinstance(batch, Batch) and isinstance(data, PeriodData):
            self._weight = self._weight + batch.counted(data.null_value).sum()

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: object
    ) -> None:
        """Joins and clips."""
        del optimizer
        self._division.join_gradients(pl_module, self._weight)
        self._weight = torch.zeros(())
        if trainer.gradient_clip_val and trainer.gradient_clip_algorithm in (None, "norm"):
            self._division.clip(pl_module, float(trainer.gradient_clip_val))


class KeepBest(Checkpoint):
    """Keeps the state of the epoch with the lowest validation MAE in memory.

    A process holds rows of its own, which no file of the first process has.
    """

    def __init__(self):
        self._best: SavedState | None = None
        self._value = torch.inf

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keeps the state where it is better than all before."""
        value = float(trainer.callback_metrics["val/MAE"])
        value = torch.inf if math.isnan(value) else value
        if self._best is None or value < self._value:
            self._best, self._value = SavedState.of(pl_module), value

    def restore(self, model: nn.Module) -> None:
        """Puts the state kept back."""
        if self._best is not None:
            self._best.restore(model)
