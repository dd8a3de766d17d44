"""Intervals of a run: the calibrator that goes through its test parts, one after the other."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from eac.calibration.base import Calibrator, Network
from eac.calibration.clock import clock_step
from eac.calibration.rolling import RollingQuantiles
from eac.calibration.scores import IntervalScores
from eac.calibration.store import CALIBRATION_FILE, START_FILE, learned_by, save_calibrator
from eac.data.batches.batch import Batch
from eac.data.batches.datamodule import PeriodData
from eac.data.core.period import NodeChange, Period
from eac.records.intervals import Fan, Intervals
from eac.training.forecaster import Forecaster
from eac.training.results.again import forecasting_batches, undisturbed

VALIDATION = "validation residuals, before the refit"
NODE_WINDOWS = 1 << 21
"""Windows x nodes of validation that a first calibration looks at, the last ones."""
LEAST_WINDOWS = 48
"""Of them, in any network."""
FANS = 4
DAYS_BEFORE = 2
"""Of readings before a forecast that is drawn."""

Every: TypeAlias = Callable[[Batch, Tensor], Iterable[tuple[Batch, Tensor]]]
Row = tuple[Float[Tensor, "node horizon"], Float[Tensor, "node horizon"]]


class IntervalRun:
    """Carries the calibrator from period to period, by node id.

    In the first period it learns from validation residuals of the weights that were chosen, before
    any refit. From then on it learns only from residuals of test parts, each once its reading is
    known, and a period goes on from where the period before it ended.

    Args:
        calibrator: Made already; None makes a ``RollingQuantiles``.
        every: Makes of targets and forecasts of a batch those of all sensors, where processes
            divide them.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> network = Network.of(data.period.node_ids, data.period.series)
        >>> isinstance(IntervalRun().begin(data, network), Callback)
        True
    """

    def __init__(self, calibrator: Calibrator | None = None, every: Every | None = None):
        self._given, self._every = calibrator, every or _as_it_is
        self.calibrator: Calibrator | None = None
        self._source = ""
        self._start: Calibrator | None = None
        self._roll: _Roll | None = None

    def begin(self, data: PeriodData, network: Network) -> Callback:
        """Points at the sensors of a period; the callback rolls through its test.

        Args:
            data: The period, with all its sensors.
            network: Its sensors, as far as this process calibrates them.
        """
        calendar = data.period.calendar
        calibrator = self.calibrator
        if calibrator is None or calibrator.steps_per_day != calendar.steps_per_day:
            calibrator = self._given or RollingQuantiles(data.horizon, calendar.steps_per_day)
            self._source = ""
        self.calibrator = calibrator
        calibrator.begin(network)
        self._roll = _Roll(calibrator, data, self._every)
        return self._roll

    def learn_from_validation(self, model: Forecaster, data: PeriodData) -> None:
        """Rolls through the validation part, where nothing was learned before."""
        if self._source or self.calibrator is None or self._roll is None:
            return
        starts = data.starts("val")
        count = model.together.total(data.period.num_nodes)
        starts = starts[-max(LEAST_WINDOWS, NODE_WINDOWS // count) :]
        with undisturbed(model):
            for batch in forecasting_batches(model, data, starts):
                y_hat = model.strategy.adapt_forecast(model(batch), batch)
                self._roll.add(batch, y_hat, score=False)
        self._source = VALIDATION
        self._start = self.calibrator.copy()
        self._roll = self._roll.afresh()

    def summary(self, change: NodeChange, data: PeriodData) -> Intervals | None:
        """How intervals did in the test; None where it was shared among processes.

        Args:
            change: Sensors of the period, by how they relate to those before.
            data: The period, with its readings.
        """
        roll, calibrator = self._roll, self.calibrator
        if roll is None or calibrator is None or not roll.complete:
            return None
        source = self._source or "nothing: no validation came first"
        return roll.summary(type(calibrator).__name__, source, set(change.new), data.period)

    def end(self, data: PeriodData, directory: Path | None) -> None:
        """Keeps what was learned beside the state of the period; None writes nothing."""
        if self.calibrator is not None and self._roll is not None and self._roll.complete:
            self._write(directory)
            self._source = f"matured residuals up to the test of period {data.period.name}"
        self._roll = None

    def _write(self, directory: Path | None) -> None:
        if directory is not None and self.calibrator is not None:
            save_calibrator(directory, self.calibrator)
            if self._start is not None:
                save_calibrator(directory, self._start, START_FILE)
        self._start = None

    def restore(self, data: PeriodData, directories: Sequence[Path], *, read: bool = True) -> None:
        """Takes up what the done periods up to this one kept, if anything.

        Args:
            data: The last of them.
            directories: Of all of them.
            read: False only notes that there is something, which another process takes up.
        """
        kept = (directories[-1] / CALIBRATION_FILE).is_file()
        self.calibrator = learned_by(directories) if read else None
        if self.calibrator is not None or (kept and not read):
            self._source = f"matured residuals up to the test of period {data.period.name}"


class _Roll(Callback):
    """Goes through forecasts in order of time: learn from what is known, bound, remember."""

    def __init__(self, calibrator: Calibrator, data: PeriodData, every: Every):
        self._calibrator = calibrator
        self._data = data
        self._every = every
        calendar = data.period.calendar
        self._shift = clock_step(calendar, 0)
        sizes = data.period.num_nodes, data.horizon
        self.scores = IntervalScores(*sizes, calibrator.levels, calendar.steps_per_day)
        self.complete = False
        self._next: tuple[int, Float[Tensor, " node"]] | None = None
        self._last: dict[str, Any] = {}

    def afresh(self) -> "_Roll":
        """A new roll of the same calibrator; this one goes on as the new one."""
        self.__init__(self._calibrator, self._data, self._every)
        return self

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins anew; a test that several processes share is not in order of time."""
        del pl_module
        self.complete = trainer.world_size == 1

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Rolls through one batch of the test."""
        del trainer, pl_module, batch_idx, dataloader_idx
        if self.complete and isinstance(outputs, dict):
            self.add(batch, outputs["y_hat"], score=True)

    @torch.no_grad()
    def add(self, batch: Batch, y_hat: Float[Tensor, "batch node horizon"], *, score: bool) -> None:
        """Rolls through the windows of a batch."""
        for whole, found in self._every(batch, y_hat):
            self._add(whole, found, score=score)

    def _add(
        self, batch: Batch, y_hat: Float[Tensor, "batch node horizon"], *, score: bool
    ) -> None:
        null = self._data.null_value
        known = batch.mask if null is None else batch.mask & (batch.y != null)
        y = torch.where(known, batch.y, torch.nan).cpu()
        for start, truth, forecast in zip(batch.starts.tolist(), y, y_hat.cpu(), strict=True):
            issued = self._shift + start + self._data.window - 1
            if self._next is not None and self._next[0] == issued:
                self._calibrator.observe(*self._next)
            if score:
                low, high = self._calibrator.bounds(issued, forecast)
                self.scores.add(truth, forecast, low, high)
                self._last = {"start": start, "y_hat": forecast, "low": low, "high": high}
            self._calibrator.issue(issued, forecast)
            self._next = (issued + 1, truth[:, 0])

    def summary(self, name: str, source: str, new: set[str], period: Period) -> Intervals:
        """Scores and some fans as a record."""
        ids = self._data.period.node_ids
        found = self.scores.summary(
            calibrator=name,
            source=source,
            new=torch.tensor([node in new for node in ids]),
            age=self._calibrator.age,
        )
        return Intervals(**{**vars(found), "fans": tuple(self._fans(period))})

    def _fans(self, period: Period) -> Iterable[Fan]:
        """The last forecast of sensors from the narrowest to the widest interval."""
        if not self._last:
            return
        first = (
            self._last["start"] + self._data.window - DAYS_BEFORE * self._calibrator.steps_per_day
        )
        last = self._last["start"] + self._data.window + self._data.horizon
        first = max(first, 0)
        low, high = self._last["low"], self._last["high"]
        order = (high - low)[..., -1].mean(1).argsort()
        count = min(FANS, len(order))
        chosen: Int[Tensor, " chosen"] = order[
            torch.linspace(0, len(order) - 1, count).round().long()
        ]
        for row in chosen.tolist():
            bounds = [
                {
                    str(level): _plain(values[row, :, i])
                    for i, level in enumerate(self._calibrator.levels)
                }
                for values in (low, high)
            ]
            yield Fan(
                node_id=period.node_ids[row],
                first=first,
                truth=_plain(period.series[first:last, row]),
                y_hat=_plain(self._last["y_hat"][row]),
                low=bounds[0],
                high=bounds[1],
            )


def _as_it_is(batch: Batch, y_hat: Tensor) -> Iterable[tuple[Batch, Tensor]]:
    yield batch, y_hat


def _plain(values: Float[Tensor, " any"]) -> tuple[float | None, ...]:
    return tuple(float(f"{v:.5g}") if math.isfinite(v) else None for v in values.tolist())
