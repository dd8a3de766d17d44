"""A training whose loss is no longer a number ends with a sentence instead of going on."""

import math
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from eac.data.batches.batch import Batch
from eac.data.batches.datamodule import PeriodData
from eac.errors import DivergedError
from eac.training.callbacks import StopWhereStopped
from eac.training.forecaster import Forecaster

EVERY = 50
"""Batches between two looks on a device where each look has to wait for it."""
FAR = 1e4
"""A validation error of so many deviations of the targets is no forecast any more."""


def stops() -> tuple[Callback, ...]:
    """What may end the training of a period before its last epoch, besides early stopping."""
    return StopWhereStopped(), StopWhereDiverged()


class StopWhereDiverged(Callback):
    """Ends a training at the first loss that is infinite or no number.

    Raises:
        DivergedError: Names period, batch, node and learning rate.
    """

    def __init__(self):
        self._batch: Batch | None = None
        self._place = 0
        self._loss: Tensor | None = None

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Notes where the training is."""
        del trainer, pl_module
        self._batch, self._place = batch, batch_idx

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Looks at the loss before it can change the weights; rarely where that takes waiting."""
        self._loss = loss.detach()
        if loss.device.type == "cpu" or (self._place + 1) % EVERY == 0:
            self._look(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at the last loss, before the weights of the epoch are kept; lets the batch go."""
        self._look(trainer, pl_module)
        self._batch = None

    def _look(self, trainer: Trainer, model: LightningModule) -> None:
        if self._loss is None or bool(self._loss.isfinite()):
            return
        where = f"batch {self._place} of epoch {trainer.current_epoch}"
        said = f"the loss is {float(self._loss)} in {where}"
        raise DivergedError(_sentence(trainer, said, self._worst(model)))

    @torch.no_grad()
    def _worst(self, model: LightningModule) -> int | None:
        """Row of the node whose forecast is furthest from what it should be."""
        batch = self._batch
        if batch is None or not isinstance(model, Forecaster):
            return None
        gap = (model(batch) - batch.y).abs().nan_to_num(torch.inf, torch.inf)
        gap = torch.where(batch.mask, gap, 0.0).amax(2)
        if batch.loss_nodes is not None:
            counted = torch.zeros(gap.shape[1], dtype=torch.bool, device=gap.device)
            gap = torch.where(counted.index_fill(0, batch.loss_nodes, True), gap, 0.0)
        window, column = divmod(int(gap.argmax()), gap.shape[1])
        nodes = batch.nodes
        if nodes is None:
            return column
        return int(nodes[column] if nodes.ndim == 1 else nodes[window, column])


def check_trained(trainer: Trainer, data: PeriodData, error: float | None) -> None:
    """Refuses a training whose best validation is no forecast.

    Raises:
        DivergedError: If the weights are no numbers, or the error is far beyond the spread of the
            readings.
    """
    if error is None:
        return
    scaler, model = data.full.scaler, trainer.lightning_module
    spread = math.inf if scaler.trivial else float(scaler.scale.mean())
    lost = not all(bool(parameter.isfinite().all()) for parameter in model.parameters())
    if lost or error > FAR * spread or error == math.inf:
        raise DivergedError(_sentence(trainer, f"its best validation error is {error:.3g}", None))


def _sentence(trainer: Trainer, what: str, row: int | None) -> str:
    period = getattr(trainer, "datamodule").period  # noqa: B009 - set by Trainer.fit
    rates = sorted({f"{g['lr']:.3g}" for one in trainer.optimizers for g in one.param_groups})
    node = "" if row is None else f", furthest off at node {period.node_ids[row]!r}"
    whole = (Path(trainer.default_root_dir) / "last.ckpt").is_file()
    kept = "the last whole epoch, and all periods before" if whole else "all periods before"
    return (
        f"training diverged in period {period.name!r}: {what}{node}, at a learning rate of "
        f"{', '.join(rates)}. Kept: {kept}. Give a smaller learning rate, and look for readings "
        "far from all others with: eac data check"
    )
