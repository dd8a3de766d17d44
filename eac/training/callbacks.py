"""Callbacks that make a period repeatable and resumable."""

import math
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from eac.artifacts.resume_points import DATA_KEY
from eac.checks import check_least
from eac.data.batches.datamodule import PeriodData
from eac.protocols.draws import epoch_seed
from eac.training.pace import Pace


class SeedEveryEpoch(Callback):
    """Seeds torch at the start of each epoch, so that a repeated epoch is the same epoch.

    Args:
        seed: Of the period.

    Example:
        >>> seed, drawn = SeedEveryEpoch(42), []
        >>> for _ in range(2):
        ...     seed.on_train_epoch_start(Trainer(logger=False), LightningModule())
        ...     drawn.append(torch.rand(1).item())
        >>> drawn[0] == drawn[1]  # the same epoch begins twice
        True
    """

    def __init__(self, seed: int):
        self._seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seeds from the period's seed and the epoch."""
        del pl_module
        torch.manual_seed(epoch_seed(self._seed, trainer.current_epoch))


class StopWhereStopped(Callback):
    """Ends a resumed fit at once when early stopping had ended it before the interruption."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at the restored patience of every early stopping."""
        del pl_module
        for callback in trainer.early_stopping_callbacks:
            if isinstance(callback, EarlyStopping) and callback.wait_count >= callback.patience:
                trainer.should_stop = True


class Shorter(Pace):
    """Fewer epochs at a lower rate, where much is learned already.

    A recipe's number is a default: a lower number of the trainer's holds as it is, and
    ``--trainer.max_epochs`` on the command line holds in every period.

    Args:
        epochs: At most; null: as many as the trainer's.
        rate: Share of the optimizer's learning rate.
        from_period: First period, counted from 0, in which this holds.

    Example:
        >>> pace = Shorter(epochs=10, rate=0.5, from_period=2)
        >>> [pace.epochs_of(period, most=100) for period in (0, 1, 2)], pace.rate_of(2)
        ([None, None, 10], 0.5)
    """

    def __init__(self, epochs: int | None = None, rate: float = 1.0, *, from_period: int = 1):
        check_least(1, epochs=epochs)
        check_least(0, rate=rate, from_period=from_period)
        self._epochs = epochs
        self._rate = rate
        self._from = from_period

    def epochs_of(self, period: int, most: int | None) -> int | None:
        """The smaller number, from the first period on in which this holds."""
        if period < self._from or self._epochs is None:
            return None
        return _fewer(self._epochs, most)

    def rate_of(self, period: int) -> float | None:
        """The share, from the same period on."""
        return None if period < self._from else self._rate


def _fewer(epochs: int, of_trainer: int | None) -> int:
    """The smaller number, where the trainer's may be none or, as -1, no limit."""
    return epochs if of_trainer is None or of_trainer < 0 else min(epochs, of_trainer)


class PeriodCheckpoint(ModelCheckpoint):
    """Keeps ``best.ckpt`` (lowest validation MAE) and ``last.ckpt`` of one period.

    Args:
        dirpath: Directory of the period.

    Example:
        >>> PeriodCheckpoint("runs/x/period-00-0").monitor
        'val/MAE'
    """

    def __init__(self, dirpath: str):
        super().__init__(
            dirpath=dirpath,
            filename="best",
            monitor="val/MAE",
            mode="min",
            save_last=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        self._data = ""

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Notes what is trained on, so that a training of other data is not gone on with."""
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        data = getattr(trainer, "datamodule", None)
        if isinstance(data, PeriodData):
            self._data = self._data or data.period.fingerprint()
            checkpoint[DATA_KEY] = self._data

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up the best score also where the run directory was moved in between."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath), Path(path).name)) if path else path

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        moved = {name: here(state_dict[name]) for name in paths if name in state_dict}
        best = {here(path): score for path, score in state_dict.get("best_k_models", {}).items()}
        state = {**state_dict, **moved, "dirpath": self.dirpath, "best_k_models": best}
        super().load_state_dict(state)


class CountEpochs(Callback):
    """Notes epochs, seconds and the best validation, also across an interruption.

    Example:
        >>> CountEpochs().epochs
        0
    """

    def __init__(self):
        self.epochs = 0
        self.seconds = 0.0
        self._begin = time.perf_counter()
        self.best_epoch: int | None = None
        self.best_value: float | None = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compares this epoch's validation with the best so far."""
        del pl_module
        now = time.perf_counter()
        self.seconds, self._begin = self.seconds + now - self._begin, now
        value = float(trainer.callback_metrics["val/MAE"])
        value = math.inf if math.isnan(value) else value  # no number is no good forecast
        if self.best_value is None or value < self.best_value:
            self.best_epoch, self.best_value = trainer.current_epoch, value
        self.epochs = trainer.current_epoch + 1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock."""
        del trainer, pl_module
        self._begin = time.perf_counter()

    def state_dict(self) -> dict[str, float | int | None]:
        """What was noted."""
        noted = ("epochs", "seconds", "best_epoch", "best_value")
        return {name: getattr(self, name) for name in noted}

    def load_state_dict(self, state_dict: dict[str, float | int | None]) -> None:
        """Takes up what was noted before the interruption."""
        vars(self).update(state_dict)
