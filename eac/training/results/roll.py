"""A calibrator that goes through forecasts in order of time, as they are made."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from eac.calibration.base import Calibrator
from eac.calibration.clock import clock_step
from eac.calibration.levels import holding
from eac.calibration.scores import IntervalScores
from eac.cpu import Behind
from eac.data.batches.batch import Batch
from eac.data.batches.datamodule import PeriodData
from eac.data.core.period import Period
from eac.records.intervals import Fan, Intervals

BEHIND = 2048
"""Sensors from which on a batch is gone through while the next one is forecast."""
FANS = 4
DAYS_BEFORE = 2
"""Of readings before a forecast that is drawn."""

Every: TypeAlias = Callable[[Batch, Tensor], Iterable[tuple[Batch, Tensor]]]


class Roll(Callback):
    """Goes through forecasts in order of time: learn from what is known, bound, remember.

    Args:
        calibrator: Learns; points at the sensors.
        data: The period.
        rows: Of the sensors that are looked at; None: all.
        score_from: First step of the windows whose intervals are scored; None: none are.

    Attributes:
        calibrator: That learns.
        scores: Of the intervals.
        complete: True where all forecasts came in order of time.

    Example:
        >>> from eac.calibration.network import Network
        >>> from eac.calibration.rolling import RollingQuantiles
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> calibrator = RollingQuantiles(data.horizon, steps_per_day=24)
        >>> calibrator.begin(Network.of(data.period.node_ids, data.period.series))
        >>> Roll(calibrator, data).scores.levels
        (50, 80, 90, 95)
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
        self._behind = Behind()
        self.every: Every | None = None
        self.begin(calibrator, score_from=score_from)

    def begin(self, calibrator: Calibrator, *, score_from: int | None = 0) -> None:
        """Begins anew with a calibrator."""
        self.calibrator, self._score_from = calibrator, score_from
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
            if len(self.calibrator.node_ids) > BEHIND and torch.get_num_threads() > 1:
                self._behind.begin(partial(self._add, one, found))
            else:
                self._add(one, found)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Waits for the last batch."""
        del trainer, pl_module
        self.wait()

    def wait(self) -> None:
        """Returns when all that was added has been gone through."""
        self._behind.end()

    def _add(self, batch: Batch, y_hat: Float[Tensor, "batch node horizon"]) -> None:
        null, first = self._data.null_value, self._score_from
        y, mask, y_hat = (part[:, self._rows] for part in (batch.y, batch.mask, y_hat))
        y = torch.where(mask if null is None else mask & (y != null), y, torch.nan).cpu()
        for start, truth, forecast in zip(batch.starts.tolist(), y, y_hat.cpu(), strict=True):
            issued = self._shift + start + self._data.window - 1
            if self._next is not None and self._next[0] == issued:
                self.calibrator.observe(*self._next)
            if first is not None and start >= first:
                low, high = holding(self.calibrator.bounds(issued, forecast), forecast)
                self.scores.add(truth, forecast, low, high)
                self._last = {"start": start, "y_hat": forecast, "low": low, "high": high}
            self.calibrator.issue(issued, forecast)
            self._next = (issued + 1, truth[:, 0])

    def summary(self, name: str, source: str, new: set[str], period: Period) -> Intervals:
        """Scores and some fans as a record."""
        ids = period.node_ids
        found = self.scores.summary(
            calibrator=name,
            source=source,
            new=torch.tensor([node in new for node in ids]),
            age=self.calibrator.age,
        )
        return Intervals(**{**vars(found), "fans": tuple(self._fans(period))})

    def _fans(self, period: Period) -> Iterable[Fan]:
        """The last forecast of sensors from the narrowest to the widest interval."""
        if not self._last:
            return
        first = (
            self._last["start"] + self._data.window - DAYS_BEFORE * self.calibrator.steps_per_day
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
                    for i, level in enumerate(self.calibrator.levels)
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
