"""The training of a period, and a short second one on its training and validation part together."""

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import Callback, Trainer

from eac.artifacts.resume_points import load_checkpoint, resume_point
from eac.data.batches.datamodule import PeriodData
from eac.data.core.blocks import hand_back
from eac.training.callbacks import CountEpochs, PeriodCheckpoint, SeedEveryEpoch
from eac.training.divergence import StopWhereDiverged
from eac.training.forecaster import Forecaster
from eac.training.pace import Pace
from eac.training.trainers import TrainerFactory

RATE = 1 / 3
"""Share of the learning rate, since little is left to learn."""


class _Again(Pace):
    """Sets epochs and rate after every callback of the configuration has."""

    def __init__(self, epochs: int):
        self._epochs = epochs

    def epochs_of(self, period: int, most: int | None) -> int:
        del period, most
        return self._epochs

    def rate_of(self, period: int) -> float:
        del period
        return RATE


def fit(model: Forecaster, trainer: Trainer, data: PeriodData, directory: Path) -> None:
    """Trains, from an interruption on if there was one, and keeps the best weights.

    Args:
        model: Readied for the period.
        trainer: Made for the period.
        data: The period.
        directory: Holds ``last.ckpt`` of a training that was interrupted, and ``best.ckpt``.
    """
    trainer.fit(model, datamodule=data, ckpt_path=resume_point(directory, data.period))
    best = load_checkpoint(directory / "best.ckpt")
    model.load_state_dict(best["state_dict"])


def refit(
    model: Forecaster,
    data: PeriodData,
    directory: Path,
    make_trainer: TrainerFactory,
    seed: int,
    keeping: Sequence[Callback] | None = None,
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
        keeping: What keeps its weights; None: a checkpoint in the directory.

    Returns:
        Seconds of training.
    """
    clock, resume = CountEpochs(), resume_point(directory, data.period)
    again = _Again(data.refit_epochs)
    own = (SeedEveryEpoch(seed + 1), StopWhereDiverged(), clock, again)
    keeping = (PeriodCheckpoint(str(directory)),) if keeping is None else keeping
    trainer = make_trainer(directory, (*own, *keeping))
    trainer.fit(model, datamodule=data.for_refit(), ckpt_path=resume)
    hand_back()
    return clock.seconds
