"""A process that holds every sensor of a network."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from jaxtyping import Float
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from eac.calibration.base import Network
from eac.continual.together import ALONE, Together
from eac.data.batches.batch import Batch
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.reservoir import Reservoir
from eac.data.core.period import NodeChange
from eac.files import make_folder
from eac.metrics.horizon import HorizonErrors
from eac.training.callbacks import PeriodCheckpoint
from eac.training.forecaster import Forecaster
from eac.training.refit import fit

Forecasts: TypeAlias = tuple[Batch, Float[Tensor, "batch node horizon"]]


class WholeNetwork:
    """A process that holds every sensor, as the only one or beside others that do too.

    Example:
        >>> WholeNetwork().together.processes, WholeNetwork().records
        (1, True)
    """

    together: Together = ALONE
    records: bool = True
    """Whether this process says what a period came to."""

    def begin_run(self, model: Forecaster, data: PeriodData) -> None:
        """Tells the model which processes it learns with."""
        del data
        model.together = self.together

    def held(self, data: PeriodData) -> PeriodData:
        """What this process holds of a period."""
        return data

    def begin(self, directory: Path) -> None:
        """Readies the folder of a period that was perhaps begun."""
        make_folder(directory)

    def change(self, data: PeriodData, change: NodeChange) -> NodeChange:
        """The part of a change that is about the sensors held."""
        del data
        return change

    def same(self, model: Forecaster) -> None:
        """Gives every process the same weights where a training begins."""

    def outline(self, data: PeriodData) -> PeriodData:
        """The whole period, perhaps without its readings."""
        return data

    def network(self, data: PeriodData) -> Network:
        """All sensors as the readings of the training part describe them."""
        readings = data.period.series[data.split.train.start : data.split.train.stop]
        return Network.of(data.period.node_ids, readings, data.null_value)

    def forecasts(
        self, batch: Batch, y_hat: Float[Tensor, "batch node horizon"]
    ) -> Iterable[Forecasts]:
        """Targets and forecasts of all sensors, in order of time."""
        yield batch, y_hat

    def keeping(self, directory: Path) -> Sequence[Callback]:
        """What keeps the weights of a training."""
        return (PeriodCheckpoint(str(directory)),)

    def fit(self, model: Forecaster, trainer: Trainer, data: PeriodData, directory: Path) -> None:
        """Trains, and leaves the best weights in the model."""
        fit(model, trainer, data, directory)

    def counts(self, model: Forecaster, *, train: bool) -> tuple[int, int]:
        """Parameters that train, and all."""
        some, count = model.parameter_counts()
        return (some if train else 0), count

    def errors(self, errors: dict[str, HorizonErrors]) -> dict[str, HorizonErrors]:
        """Errors of all sensors."""
        return errors

    def past_after(self, data: PeriodData) -> Reservoir | None:
        """What is kept to rehearse the period and those before it."""
        return data.past_after()

    def whole(self, model: Forecaster, data: PeriodData) -> PeriodData:
        """The period with all its sensors, in a model that has the prompts of all."""
        del model
        return data

    def end(
        self, model: Forecaster, past: Reservoir | None, done: Sequence[Path]
    ) -> Reservoir | None:
        """Once a period is written: what is kept to rehearse it."""
        del model, done
        return past
