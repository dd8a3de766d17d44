"""Stops a training that leads to no numbers, before what it leads to is kept."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from eac.errors import RunError
from eac.training.callbacks import StopWhereStopped
from eac.training.forecaster import Forecaster


def stops() -> tuple[Callback, ...]:
    """What may end the training of a period before its last epoch, besides early stopping."""
    return StopWhereStopped(), StopWhereDiverged()


class StopWhereDiverged(Callback):
    """Looks at losses and weights at the end of each epoch, and ends the run where one is NaN.

    The state of the last good epoch, and every finished period, stay as they are.
    """

    def __init__(self):
        self._losses: list[Tensor] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keeps the loss where it is, so that no step waits for it."""
        del trainer, pl_module, batch, batch_idx
        self._losses.append(outputs["loss"].detach())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuses an epoch after which the model forecasts no numbers.

        Raises:
            RunError: Names period, epoch, batch and learning rate.
        """
        losses, self._losses = self._losses, []
        whole = [bool(loss.isfinite()) for loss in losses]
        if all(whole) and all(bool(p.isfinite().all()) for p in pl_module.parameters()):
            return
        batch = whole.index(False) if False in whole else len(whole) - 1
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        name = pl_module.period_data.period.name if isinstance(pl_module, Forecaster) else ""
        raise RunError(
            f"training diverged in period {name!r}: after batch {batch} of epoch "
            f"{trainer.current_epoch}, at a learning rate of {rate:g}, the loss or the weights are "
            "no numbers. Give a lower --model.optimizer.lr, or --trainer.gradient_clip_val 1, and "
            "another --run.dir. Finished periods are kept."
        )
