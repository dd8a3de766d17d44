"""How long a fit takes and at which share of the learning rate; how schedules are stepped."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim.lr_scheduler import LRScheduler

from eac.data.batches.datamodule import PeriodData
from eac.errors import ConfigError


class Pace(Callback, ABC):
    """Says how many epochs a fit takes, and at which share of the optimizer's learning rate.

    Of several callbacks the last one that says something counts.

    Example:
        >>> from eac.training.callbacks import Shorter
        >>> isinstance(Shorter(epochs=5), Pace)
        True
    """

    @abstractmethod
    def epochs_of(self, period: int, most: int | None) -> int | None:
        """Epochs of the fit of a period, counted from 0; None leaves ``most``, the Trainer's."""

    @abstractmethod
    def rate_of(self, period: int) -> float | None:
        """Share of the learning rate; None leaves what others say."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Sets the number of epochs before anything is counted by it."""
        del pl_module
        data = getattr(trainer, "datamodule", None)
        if stage != "fit" or not isinstance(data, PeriodData):
            return
        epochs = self.epochs_of(data.index, trainer.max_epochs)
        if epochs is not None:
            trainer.fit_loop.max_epochs = epochs


def share_of_rate(callbacks: Iterable[Callback], period: int) -> float:
    """The share of the learning rate that these callbacks ask for; 1 where none does.

    Example:
        >>> from eac.training.callbacks import Shorter
        >>> share_of_rate([Shorter(rate=0.5), Shorter(rate=0.1, from_period=3)], period=1)
        0.5
    """
    asked = [c.rate_of(period) for c in callbacks if isinstance(c, Pace)]
    return next((rate for rate in reversed(asked) if rate is not None), 1.0)


@runtime_checkable
class _PerBatch(Protocol):
    """A schedule that is stepped after each batch, and told how many there will be."""

    def end_at(self, total_steps: int) -> object:
        """Takes the number of batches of the whole fit."""
        ...


def stepping(scheduler: LRScheduler, total_steps: float) -> dict[str, Any]:
    """What Lightning is told of a schedule: stepped after each batch if it declares so.

    Example:
        >>> from torch import zeros
        >>> from torch.optim import SGD
        >>> from torch.optim.lr_scheduler import StepLR
        >>> from eac.training.schedules import WarmupCosine
        >>> optimizer = SGD([zeros(1, requires_grad=True)], lr=1.0)
        >>> stepping(StepLR(optimizer, 5), 100)["interval"]
        'epoch'
        >>> stepping(WarmupCosine(optimizer), 100)["interval"]
        'step'

    Raises:
        ConfigError: If such a schedule is to last for ever.
    """
    if not isinstance(scheduler, _PerBatch):
        return {"scheduler": scheduler, "interval": "epoch"}
    if math.isinf(total_steps):
        raise ConfigError(
            f"{type(scheduler).__name__} lowers the learning rate until training ends, but nothing "
            "says when that is. Give trainer.max_epochs (or trainer.max_steps) as a positive "
            "number, or model.lr_scheduler: null."
        )
    scheduler.end_at(int(total_steps))
    return {"scheduler": scheduler, "interval": "step"}
