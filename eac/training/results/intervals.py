"""Intervals of a run: the calibrator that goes through its test parts, one after the other."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jaxtyping import Int
from lightning.pytorch import Callback
from torch import Tensor

from eac.calibration.base import Calibrator
from eac.calibration.choice import JUDGED, best, candidates, enough, judges
from eac.calibration.network import Network
from eac.calibration.store import CALIBRATION_FILE, START_FILE, learned_by, save_calibrator
from eac.data.batches.datamodule import PeriodData
from eac.data.core.period import NodeChange, Period
from eac.records.intervals import Intervals
from eac.training.forecaster import Forecaster
from eac.training.results.again import forecasting_batches, undisturbed
from eac.training.results.roll import Every, Roll

VALIDATION = "validation residuals, before the refit"
NODE_WINDOWS = 2_000_000
"""Windows x nodes of validation that a first calibration looks at, the last ones."""


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
        self._roll: Roll | None = None

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
        self._roll = Roll(calibrator, data)
        self._roll.every = self._every
        return self._roll

    def learn_from_validation(self, model: Forecaster, data: PeriodData) -> None:
        """Rolls through the validation part, where nothing was learned before."""
        if self._source or self.calibrator is None or self._roll is None or self._known is None:
            return
        (every, network), starts = self._known, data.starts("val")
        starts = starts[-max(1, NODE_WINDOWS // every.period.num_nodes) :]
        trials = self._trials(every, network, starts)
        rolls, nodes = [*trials.values()], every.period.num_nodes
        everyone = trials and len(judges(nodes)) == nodes
        self._roll.begin(self.calibrator, score_from=None)
        _go_through(model, data, starts, rolls if everyone else [self._roll, *rolls])
        found = {name: trial.scores.by_level("winkler") for name, trial in trials.items()}
        self._scores = {name: levels[str(JUDGED)] for name, levels in found.items()}
        chosen = best(self._scores) if trials else type(self.calibrator).__name__
        if everyone:  # the trial has learned from all there is
            self.calibrator = trials[chosen].calibrator
        elif chosen != type(self.calibrator).__name__:
            self.calibrator = candidates(data.horizon, data.period.calendar.steps_per_day)[chosen]
            self.calibrator.begin(network)
            self._roll.begin(self.calibrator, score_from=None)
            _go_through(model, data, starts, (self._roll,))
        self._source = VALIDATION
        self._start = self.calibrator.copy()
        self._roll.begin(self.calibrator)

    def _trials(
        self, data: PeriodData, network: Network, starts: Int[Tensor, " window"]
    ) -> "dict[str, Roll]":
        """Each candidate with some sensors; none where windows are too few to choose by."""
        slots = data.period.calendar.steps_per_day
        given = self._given is not None or self._every is not None
        if given or not enough(len(starts), slots):
            return {}
        rows, middle = judges(data.period.num_nodes), int(starts[len(starts) // 2])
        trials = candidates(data.horizon, slots)
        for one in trials.values():
            one.begin(network.subset(rows))
        return {name: Roll(one, data, rows, middle) for name, one in trials.items()}

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
    model: Forecaster, data: PeriodData, starts: Int[Tensor, " window"], rolls: "Sequence[Roll]"
) -> None:
    """Forecasts windows in order of time, each for all of these."""
    with undisturbed(model):
        for batch in forecasting_batches(model, data, starts):
            y_hat = model.strategy.adapt_forecast(model(batch), batch)
            for roll in rolls:
                roll.add(batch, y_hat)
        for roll in rolls:
            roll.wait()
