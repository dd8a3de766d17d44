"""A short second training, on the training and the validation part together."""

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from eac.data.batches.datamodule import PeriodData
from eac.training.callbacks import CountEpochs, PeriodCheckpoint, SeedEveryEpoch
from eac.training.forecaster import Forecaster
from eac.training.trainers import TrainerFactory

RATE = 1 / 3
"""Share of the learning rate, since little is left to learn."""


class _Again(Callback):
    """Sets epochs and rate after every callback of the configuration has."""

    def __init__(self, epochs: int):
        self._epochs = epochs

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        del stage
        trainer.fit_loop.max_epochs = self._epochs
        if isinstance(pl_module, Forecaster):
            pl_module.rate = RATE

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        del trainer, stage
        if isinstance(pl_module, Forecaster):
            pl_module.rate = 1.0


def refit(
    model: Forecaster, data: PeriodData, directory: Path, make_trainer: TrainerFactory, seed: int
) -> float:
    """Goes on from the model as it is, from an interruption on if there was one.

    Nothing is chosen by the validation part any more: the last weights stay. What trained before
    must be repeatable, since after an interruption the first training ends where it had ended.

    Args:
        model: After its training, with what is frozen still frozen.
        data: The period; its ``refit_epochs`` say how long.
        directory: Receives ``last.ckpt``.
        make_trainer: Makes the Trainer.
        seed: Of the period.

    Returns:
        Seconds of training.
    """
    clock, last = CountEpochs(), directory / "last.ckpt"
    again = _Again(data.refit_epochs)
    callbacks = (SeedEveryEpoch(seed + 1), clock, again, PeriodCheckpoint(str(directory)))
    resume = str(last) if last.is_file() else None
    trainer = make_trainer(directory, callbacks)
    trainer.fit(model, datamodule=data.for_refit(), ckpt_path=resume)
    return clock.seconds
