"""Intervals of a run: the calibrator that goes through its test parts, one after the other."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from eac.calibration.base import Calibrator
from eac.calibration.choice import JUDGED, best, candidates, enough, judges
from eac.calibration.clock import clock_step
from eac.calibration.network import Network
from eac.calibration.scores import IntervalScores
from eac.calibration.store import CALIBRATION_FILE, START_FILE, learned_by, save_calibrator
from eac.data.batches.batch import Batch
from eac.data.batches.datamodule import PeriodData
from eac.data.core.period import NodeChange, Period
from eac.records.intervals import Fan, Intervals
from eac.training.forecaster import Forecaster
from eac.training.results.again import forecasting_batches, undisturbed

VALIDATION = "validation residuals, before the refit"
NODE_WINDOWS = 2_000_000
"""Windows x nodes of validation that a first calibration looks at, the last ones."""
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

    Which calibrator that is, is chosen on those validation residuals too: each candidate goes
    through them in order of time, and the Winkler score of its intervals over the second half
    decides.

    Args:
        calibrator: Made already; None chooses one.
        every: Makes of targets and forecasts of a batch those of all sensors, where processes
            divide them; the first candidate is then taken without a choice.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> network = Network.of(data.period.node_ids, data.period.series)
        >>> isinstance(IntervalRun().begin(data, network), Callback)
        True
    """

    def __init__(self, calibrator: Calibrator | None = None, every: Every | None = None):
        self._given, self._every = calibrator, every
        self._known: tuple[PeriodData, Network] | None = None
        self.calibrator: Calibrator | None = None
        self._source = ""
        self._scores: dict[str, float | None] = {}
        self._start: Calibrator | None = None
        self._roll: _Roll | None = None

    def begin(self, data: PeriodData, network: Network) -> Callback:
        """Points at the sensors of a period; the callback rolls through its test.

        Args:
            data: The period, with all its sensors.
            network: Its sensors, as far as this process calibrates them.
        """
        slots, calibrator = data.period.calendar.steps_per_day, self.calibrator
        if calibrator is None or calibrator.steps_per_day != slots:
            calibrator = self._given or next(iter(candidates(data.horizon, slots).values()))
            self._source = ""
        self.calibrator, self._scores = calibrator, {}
        calibrator.begin(network)
        self._known = data, network
        self._roll = _Roll(calibrator, data)
        self._roll.every = self._every
        return self._roll

    def learn_from_validation(self, model: Forecaster, data: PeriodData) -> None:
        """Rolls through the validation part, where nothing was learned before."""
        if self._source or self.calibrator is None or self._roll is None or self._known is None:
            return
        (every, network), starts = self._known, data.starts("val")
        starts = starts[-max(1, NODE_WINDOWS // every.period.num_nodes) :]
        trials = self._trials(every, network, starts)
        self._roll.begin(self.calibrator, score_from=None)
        _go_through(model, data, starts, (self._roll, *trials.values()))
        found = {name: trial.scores.by_level("winkler") for name, trial in trials.items()}
        self._scores = {name: levels[str(JUDGED)] for name, levels in found.items()}
        if trials and best(self._scores) != type(self.calibrator).__name__:
            slots = data.period.calendar.steps_per_day
            self.calibrator = candidates(data.horizon, slots)[best(self._scores)]
            self.calibrator.begin(network)
            self._roll.begin(self.calibrator, score_from=None)
            _go_through(model, data, starts, (self._roll,))
        self._source = VALIDATION
        self._start = self.calibrator.copy()
        self._roll.begin(self.calibrator)

    def _trials(
        self, data: PeriodData, network: Network, starts: Int[Tensor, " window"]
    ) -> "dict[str, _Roll]":
        """Each candidate with some sensors; none where windows are too few to choose by."""
        slots = data.period.calendar.steps_per_day
        given = self._given is not None or self._every is not None
        if given or not enough(len(starts), slots):
            return {}
        rows, middle = judges(data.period.num_nodes), int(starts[len(starts) // 2])
        trials = candidates(data.horizon, slots)
        for one in trials.values():
            one.begin(network.subset(rows))
        return {name: _Roll(one, data, rows, middle) for name, one in trials.items()}

    def summary(self, change: NodeChange, period: Period) -> Intervals | None:
        """How intervals did in the test; None where it was shared among processes.

        Args:
            change: Sensors of the period, by how they relate to those before.
            period: With its readings.
        """
        roll, calibrator = self._roll, self.calibrator
        if roll is None or calibrator is None or not roll.complete:
            return None
        source = self._source or "nothing: no validation came first"
        found = roll.summary(type(calibrator).__name__, source, set(change.new), period)
        return replace(found, candidates=self._scores)

    def end(self, data: PeriodData, directory: Path | None) -> None:
        """Keeps what was learned beside the state of the period; None writes nothing."""
        if self.calibrator is not None and self._roll is not None and self._roll.complete:
            if directory is not None:
                save_calibrator(directory, self.calibrator)
            if directory is not None and self._start is not None:
                save_calibrator(directory, self._start, START_FILE)
            self._start = None
            self._source = f"matured residuals up to the test of period {data.period.name}"
        self._roll = self._known = None

    def restore(self, data: PeriodData, directories: Sequence[Path], *, read: bool = True) -> None:
        """Takes up what the done periods up to this one kept, if anything.

        Args:
            data: The last of them.
            directories: Of all of them.
            read: False only notes that there is something, which another process takes up.
        """
        self.calibrator = learned_by(directories) if read else None
        if self.calibrator is not None or (directories[-1] / CALIBRATION_FILE).is_file():
            self._source = f"matured residuals up to the test of period {data.period.name}"


def _go_through(
    model: Forecaster, data: PeriodData, starts: Int[Tensor, " window"], rolls: "Sequence[_Roll]"
) -> None:
    """Forecasts windows in order of time, each for all of these."""
    with undisturbed(model):
        for batch in forecasting_batches(model, data, starts):
            y_hat = model.strategy.adapt_forecast(model(batch), batch)
            for roll in rolls:
                roll.add(batch, y_hat)


class _Roll(Callback):
    """Goes through forecasts in order of time: learn from what is known, bound, remember.

    Args:
        calibrator: Learns; points at the sensors.
        data: The period.
        rows: Of the sensors that are looked at; None: all.
        score_from: First step of the windows whose intervals are scored; None: none are.
    """

    def __init__(
        self,
        calibrator: Calibrator,
        data: PeriodData,
        rows: Int[Tensor, " chosen"] | None = None,
        score_from: int | None = 0,
    ):
        self._data, self._rows = data, slice(None) if rows is None else rows
        self._shift = clock_step(data.period.calendar, 0)
        self.every: Every | None = None
        self.begin(calibrator, score_from=score_from)

    def begin(self, calibrator: Calibrator, *, score_from: int | None = 0) -> None:
        """Begins anew with a calibrator."""
        self._calibrator, self._score_from = calibrator, score_from
        sizes = len(calibrator.node_ids), self._data.horizon
        self.scores = IntervalScores(*sizes, calibrator.levels, calibrator.steps_per_day)
        self.complete = False
        self._next: tuple[int, Float[Tensor, " node"]] | None = None
        self._last: dict[str, Any] = {}

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
            self.add(batch, outputs["y_hat"])

    @torch.no_grad()
    def add(self, batch: Batch, y_hat: Float[Tensor, "batch node horizon"]) -> None:
        """Rolls through the windows of a batch."""
        whole = ((batch, y_hat),) if self.every is None else self.every(batch, y_hat)
        for one, found in whole:
            self._add(one, found)

    def _add(self, batch: Batch, y_hat: Float[Tensor, "batch node horizon"]) -> None:
        null, first = self._data.null_value, self._score_from
        y, mask, y_hat = (part[:, self._rows] for part in (batch.y, batch.mask, y_hat))
        y = torch.where(mask if null is None else mask & (y != null), y, torch.nan).cpu()
        for start, truth, forecast in zip(batch.starts.tolist(), y, y_hat.cpu(), strict=True):
            issued = self._shift + start + self._data.window - 1
            if self._next is not None and self._next[0] == issued:
                self._calibrator.observe(*self._next)
            if first is not None and start >= first:
                low, high = self._calibrator.bounds(issued, forecast)
                self.scores.add(truth, forecast, low, high)
                self._last = {"start": start, "y_hat": forecast, "low": low, "high": high}
            self._calibrator.issue(issued, forecast)
            self._next = (issued + 1, truth[:, 0])

    def summary(self, name: str, source: str, new: set[str], period: Period) -> Intervals:
        """Scores and some fans as a record."""
        ids = period.node_ids
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


def _plain(values: Float[Tensor, " any"]) -> tuple[float | None, ...]:
    return tuple(float(f"{v:.5g}") if math.isfinite(v) else None for v in values.tolist())
