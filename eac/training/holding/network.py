"""What a process of a run holds of the network; one that holds all of it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import Callback, Trainer

from eac.calibration.network import Network
from eac.continual.together import ALONE, Together
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.reservoir import Reservoir
from eac.data.core.among import EVERY, Among
from eac.data.core.period import NodeChange
from eac.files import make_folder
from eac.metrics.horizon import HorizonErrors
from eac.training.callbacks import PeriodCheckpoint
from eac.training.forecaster import Forecaster
from eac.training.peers import Boosters, baseline_errors
from eac.training.refit import fit
from eac.training.results.intervals import Every


class Holding(ABC):
    """What a process of a run holds of the network, and what it does with what it does not hold.

    Attributes:
        together: What processes that divide the sensors tell each other.
        records: Whether this process says what a period came to.
    """

    together: Together = ALONE
    records: bool = True

    def begin_run(self, model: Forecaster, data: PeriodData) -> None:
        """Refuses what cannot be held like this, and tells the model whom it learns with."""
        self.check(model, data)
        model.together = self.together

    @property
    def among(self) -> Among:
        """The sensors that what is said of the whole network is taken over."""
        return Among(summed=self.together.summed)

    @abstractmethod
    def check(self, model: Forecaster, data: PeriodData) -> None:
        """Refuses what cannot be held like this."""

    @abstractmethod
    def held(self, data: PeriodData) -> PeriodData:
        """What this process holds of a period."""

    @abstractmethod
    def begin(self, directory: Path) -> None:
        """Readies the folder of a period that was perhaps begun."""

    @abstractmethod
    def change(self, data: PeriodData, change: NodeChange) -> NodeChange:
        """The part of a change that is about the sensors held."""

    @abstractmethod
    def same(self, model: Forecaster) -> None:
        """Gives every process the same weights where a training begins."""

    @abstractmethod
    def outline(self, data: PeriodData) -> PeriodData:
        """The whole period, perhaps without its readings."""

    @abstractmethod
    def network(self, data: PeriodData) -> Network:
        """The sensors that this process calibrates, as the training part describes them."""

    @property
    @abstractmethod
    def every(self) -> Every | None:
        """Makes of targets and forecasts of a batch those of the sensors that it calibrates."""

    @abstractmethod
    def keeping(self, directory: Path) -> Sequence[Callback]:
        """What keeps the weights of a training."""

    @abstractmethod
    def fit(self, model: Forecaster, trainer: Trainer, data: PeriodData, directory: Path) -> None:
        """Trains, and leaves the best weights in the model."""

    @abstractmethod
    def counts(self, model: Forecaster, *, train: bool) -> tuple[int, int]:
        """Parameters that train, and all."""

    @abstractmethod
    def errors(self, errors: dict[str, HorizonErrors]) -> dict[str, HorizonErrors]:
        """Errors of all sensors, in a process that records."""

    def naive(
        self, data: PeriodData, null_value: float | None, boosters: Boosters | None
    ) -> dict[str, HorizonErrors]:
        """Errors of naive forecasts and peers over all sensors, in a process that records."""
        return self.errors(baseline_errors(data, null_value, boosters, self.among))

    @abstractmethod
    def past_after(self, data: PeriodData) -> Reservoir | None:
        """What is kept to rehearse the period and those before it, in a process that records."""

    @abstractmethod
    def whole(self, model: Forecaster, data: PeriodData) -> PeriodData:
        """The period with all its sensors, in a process that records; prompts in the model too."""

    @abstractmethod
    def end(
        self, model: Forecaster, past: Reservoir | None, done: Sequence[Path]
    ) -> Reservoir | None:
        """Once a period is written: readies the model for the next, and gives what is kept."""


def described(data: PeriodData, among: Among = EVERY) -> Network:
    """The sensors held, as the readings of the training part describe them.

    Args:
        data: With these sensors.
        among: Sensors that those with few readings take after.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> described(data).level.shape
        torch.Size([3])
    """
    readings = data.period.series[data.split.train.start : data.split.train.stop]
    return Network.of(data.period.node_ids, readings, data.null_value, among)


class WholeNetwork(Holding):
    """A process that holds every sensor, as the only one or beside others that do too.

    Example:
        >>> WholeNetwork().together.processes, WholeNetwork().records
        (1, True)
    """

    def check(self, model: Forecaster, data: PeriodData) -> None:
        """Refuses nothing."""

    def held(self, data: PeriodData) -> PeriodData:
        """The whole period."""
        return data

    def begin(self, directory: Path) -> None:
        """Makes the folder."""
        make_folder(directory)

    def change(self, data: PeriodData, change: NodeChange) -> NodeChange:
        """The whole change."""
        del data
        return change

    def same(self, model: Forecaster) -> None:
        """Leaves the weights as they are."""

    def outline(self, data: PeriodData) -> PeriodData:
        """The period itself."""
        return data

    def network(self, data: PeriodData) -> Network:
        """All sensors."""
        return described(data)

    @property
    def every(self) -> None:
        """Nothing: a batch holds all sensors."""
        return None

    def keeping(self, directory: Path) -> Sequence[Callback]:
        """Checkpoints in the folder."""
        return (PeriodCheckpoint(str(directory)),)

    def fit(self, model: Forecaster, trainer: Trainer, data: PeriodData, directory: Path) -> None:
        """Trains, from an interruption on if there was one."""
        fit(model, trainer, data, directory)

    def counts(self, model: Forecaster, *, train: bool) -> tuple[int, int]:
        """Those of the model."""
        some, count = model.parameter_counts()
        return (some if train else 0), count

    def errors(self, errors: dict[str, HorizonErrors]) -> dict[str, HorizonErrors]:
        """The errors themselves."""
        return errors

    def past_after(self, data: PeriodData) -> Reservoir | None:
        """A sample of all its windows and those before."""
        return data.past_after()

    def whole(self, model: Forecaster, data: PeriodData) -> PeriodData:
        """The period itself."""
        del model
        return data

    def end(
        self, model: Forecaster, past: Reservoir | None, done: Sequence[Path]
    ) -> Reservoir | None:
        """Nothing changes."""
        del model, done
        return past
