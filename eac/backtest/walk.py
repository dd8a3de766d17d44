"""Walks through the test parts of a run, with readings that come late."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from eac.artifacts.gone import restore
from eac.artifacts.saved_data import done_periods
from eac.backtest.refits import asked_for
from eac.calibration.base import Calibrator
from eac.calibration.clock import clock_step
from eac.calibration.levels import holding
from eac.calibration.network import Network
from eac.calibration.store import START_FILE, learned_by, load_calibrator
from eac.continual.strangers import welcome
from eac.data.batches.datamodule import PeriodData
from eac.errors import ConfigError, RunError
from eac.monitoring.policy import Policy
from eac.rundir.changes import check_unchanged
from eac.training.forecaster import Forecaster
from eac.training.results.again import forecasting_batches, undisturbed


@dataclass(frozen=True)
class Walk:
    """A run and how late its readings come.

    One clock: a forecast whose last reading is of step ``cutoff`` is issued when that reading has
    come, ``delay`` later; its targets follow the cutoff; the reading of a target is known ``delay``
    after it. Intervals learn from what is known when a forecast is issued.

    Attributes:
        run_dir: The run.
        model: A model built as that of the run.
        data: Settings of the data, on the stream of the run.
        delay: Time from a reading to its arrival; whole steps.
        levels: Percents of intervals; none leaves them out.
        policy: Refit only when a monitor with this policy asks for it; None: in every period. A
            model that is kept meets new sensors as ``eac predict`` does.
    """

    run_dir: Path
    model: Forecaster
    data: PeriodData
    delay: timedelta = timedelta(0)
    levels: Sequence[int] = ()
    policy: Policy | None = None

    def frames(self) -> Iterator[pd.DataFrame]:
        """One tidy table for each finished period, by the model that this period left.

        Raises:
            RunError: If the run has no intervals and levels are asked for, or the data of a
                period are no longer those it was trained on.
            ConfigError: If the delay is no whole number of steps, or longer than a period.
        """
        directories, used = done_periods(self.run_dir), 0
        periods = (self.data.for_period(index).period for index in range(len(directories)))
        pairs = zip(directories, periods, strict=True)
        check_unchanged(pairs, self.run_dir, accept=False, write=False)
        for index in range(len(directories)):
            data = self.data.for_period(index).prepared(self.model.backbone.needs)
            if self.policy is None or asked_for(self.data, used, index, self.policy).events:
                used = index
            restore(self.model, directories[: used + 1])
            seen = self._seen(used)
            unseen = [node for node in data.period.node_ids if node not in seen]
            welcome(self.model, self.data.for_period(used).period.node_ids, unseen)
            self.model.select_nodes(data.period.node_ids)
            before = None
            if self.levels:
                before = self._calibrator(directories, index)
                train = data.period.series[data.split.train.start : data.split.train.stop]
                before.begin(Network.of(data.period.node_ids, train, data.null_value))
            yield self._period(data, before).assign(model=self.data.for_period(used).period.name)

    def _seen(self, used: int) -> set[str]:
        """Every sensor of the periods up to one."""
        return {n for i in range(used + 1) for n in self.data.for_period(i).period.node_ids}

    def _calibrator(self, directories: Sequence[Path], index: int) -> Calibrator:
        """What was learned before the test part of a period."""
        found = (
            learned_by(directories[:index])
            if index
            else load_calibrator(directories[0], START_FILE)
        )
        if found is None:
            raise RunError(
                f"{self.run_dir} does not hold what its intervals began with: it was trained by an "
                "older eac or by several processes. Leave --level out, or run it again."
            )
        return found

    def _period(self, data: PeriodData, calibrator: Calibrator | None) -> pd.DataFrame:
        parts, last = [], None
        shift = clock_step(data.period.calendar, 0)
        null = data.null_value
        with undisturbed(self.model):
            for batch in forecasting_batches(self.model, data, data.starts("test")):
                y_hat = self.model.strategy.adapt_forecast(self.model(batch), batch).cpu()
                known = batch.mask if null is None else batch.mask & (batch.y != null)
                y = torch.where(known, batch.y, torch.nan).cpu()
                for start, truth, forecast in zip(batch.starts.tolist(), y, y_hat, strict=True):
                    cutoff = start + data.window - 1
                    bounds = None
                    if calibrator is not None:
                        if last is not None:
                            calibrator.observe(shift + cutoff, last)
                        bounds = calibrator.bounds(shift + cutoff, forecast, tuple(self.levels))
                        bounds = holding(bounds, forecast)
                        calibrator.issue(shift + cutoff, forecast)
                        last = truth[:, 0]
                    parts.append((cutoff, truth, forecast, bounds))
        return self._tidy(data, parts)

    def _tidy(self, data: PeriodData, parts: list) -> pd.DataFrame:
        """One row for each sensor, cutoff and step."""
        nodes, horizon = data.period.num_nodes, data.horizon
        cutoffs = np.repeat([part[0] for part in parts], nodes * horizon)
        ahead = np.tile(np.arange(1, horizon + 1), nodes * len(parts))
        steps = self._delay_steps(data)
        moments = _moments(data, int(cutoffs.max()) + horizon + steps + 1)
        columns = {
            "unique_id": np.tile(np.repeat(data.period.node_ids, horizon), len(parts)),
            "period": data.period.name,
            "cutoff": moments[cutoffs],
            "issued": moments[cutoffs + steps],
            "ds": moments[cutoffs + ahead],
            "known": moments[cutoffs + ahead + steps],
            "step": ahead,
            "y": torch.stack([part[1] for part in parts]).flatten().numpy(),
            "y_hat": torch.stack([part[2] for part in parts]).flatten().numpy(),
        }
        for i, level in enumerate(self.levels):
            for side, name in enumerate(("lo", "hi")):
                bound = torch.stack([part[3][side][..., i] for part in parts])
                columns[f"y_hat-{name}-{level}"] = bound.flatten().numpy()
        return pd.DataFrame(columns)

    def _delay_steps(self, data: PeriodData) -> int:
        step = data.period.calendar.step or timedelta(days=1) / data.period.calendar.steps_per_day
        if self.delay < timedelta(0) or self.delay % step:
            raise ConfigError(
                f"--delay {self.delay}: give a whole number of steps of {step}, such as {2 * step}."
            )
        if self.delay // step > data.period.num_steps:
            raise ConfigError(
                f"--delay {self.delay}: readings would come after period {data.period.name!r} has "
                f"ended, which has {data.period.num_steps} steps of {step}. Give a shorter delay."
            )
        return self.delay // step


def _moments(data: PeriodData, count: int) -> np.ndarray:
    """Time stamps of the steps of a period; their numbers where there are none."""
    calendar = data.period.calendar
    if calendar.start is None or calendar.step is None:
        return np.arange(count)
    return calendar.wall_times(range(count))
