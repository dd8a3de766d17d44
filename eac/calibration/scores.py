"""How well intervals hold their level: sums over forecasts, divided once."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eac.records.intervals import AgeGroup, ByLevel, Course, Intervals

MONTH_DAYS = 30
NEAR_POINTS = 5.0
NODES_AT_ONCE = 2048


class IntervalScores:
    """Counts readings inside intervals by node, step, day and level, and how wide these are.

    Args:
        num_nodes: Sensors.
        horizon: Steps of a forecast.
        levels: Percents.
        steps_per_day: Forecasts of a day.

    Example:
        >>> scores = IntervalScores(1, 1, (80,), steps_per_day=24)
        >>> y, low = torch.tensor([[1.0]]), torch.tensor([[[2.0]]])
        >>> scores.add(y, y + 3, low, low + 4)
        >>> scores.by_level("coverage"), scores.by_level("winkler")
        ({'80': 0.0}, {'80': 14.0})
    """

    def __init__(self, num_nodes: int, horizon: int, levels: Sequence[int], steps_per_day: int):
        self.levels = tuple(levels)
        self._steps_per_day = steps_per_day
        count = len(self.levels)
        self._alpha = torch.tensor([1 - level / 100 for level in self.levels])
        self._node = torch.zeros(3, count, num_nodes, dtype=torch.float64)
        self._node_count = torch.zeros(num_nodes, dtype=torch.float64)
        self._step = torch.zeros(2, count, horizon, dtype=torch.float64)
        self._step_count = torch.zeros(horizon, dtype=torch.float64)
        self._month = torch.zeros(count, num_nodes, dtype=torch.float64)
        self._month_count = torch.zeros(num_nodes, dtype=torch.float64)
        self._days: list[tuple[Tensor, Tensor]] = []
        self._crps = torch.zeros((), dtype=torch.float64)
        self._forecasts = 0
        self._waiting: list[tuple[Tensor, ...]] = []

    def add(
        self,
        y: Float[Tensor, "node horizon"],
        y_hat: Float[Tensor, "node horizon"],
        low: Float[Tensor, "node horizon level"],
        high: Float[Tensor, "node horizon level"],
    ) -> None:
        """Adds the forecast of one step; ``y`` is NaN where there is no reading."""
        self._waiting.append((y.T, y_hat.T, low.permute(2, 1, 0), high.permute(2, 1, 0)))
        day_ends = (self._forecasts + len(self._waiting)) % self._steps_per_day == 0
        if day_ends or len(self._waiting) * len(y) >= NODES_AT_ONCE:
            self._count()

    @torch.inference_mode()  # as most forecasts are made: sums begun in it may not grow outside
    def _count(self) -> None:
        """Counts the forecasts that wait, all of one day: those of few sensors at once."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        if self._forecasts % self._steps_per_day == 0:
            self._days.append((torch.zeros_like(self._step[..., 0]), torch.zeros_like(self._crps)))
        for first in range(0, len(self._node_count), NODES_AT_ONCE):
            some = slice(first, first + NODES_AT_ONCE)
            self._add(
                some,
                *(_beside([p[..., some] for p in parts]) for parts in zip(*waiting, strict=True)),
            )
        self._forecasts += len(waiting)

    def _add(
        self,
        nodes: slice,
        y: Float[Tensor, "horizon some"],
        y_hat: Float[Tensor, "horizon some"],
        low: Float[Tensor, "level horizon some"],
        high: Float[Tensor, "level horizon some"],
    ) -> None:
        """Adds forecasts of some nodes, one beside the other, few enough to stay in the cache."""
        known = y.isfinite() & y_hat.isfinite()
        count = known.double()
        missed = (low - y).clamp_min_(0).add_((y - high).clamp_min_(0))
        sums = low.new_empty(3, *low.shape)
        hits, width, winkler = sums
        hits.copy_(missed == 0)
        torch.sub(high, low, out=width)
        torch.addcmul(width, missed, 2 / self._alpha[:, None, None], out=winkler)
        if not known.all():
            sums = torch.where(known, sums, 0.0)
        by_step = sums.sum(3, dtype=torch.float64)
        across = len(self._node_count[nodes])
        by_node = sums.sum(2).unflatten(-1, (-1, across)).sum(-2, dtype=torch.float64)
        counts = count.sum(0).view(-1, across).sum(0)
        self._node[..., nodes] += by_node
        self._node_count[nodes] += counts
        self._step += by_step[:2]
        self._step_count += count.sum(1)
        if self._forecasts < MONTH_DAYS * self._steps_per_day:
            self._month[:, nodes] += by_node[0]
            self._month_count[nodes] += counts
        by_level = by_step.sum(2)
        day, counted = self._days[-1]
        day += by_level[:2]
        counted += count.sum()
        error = torch.where(known, (y - y_hat).abs_(), 0.0).sum(dtype=torch.float64)
        self._crps += self._crps_of(by_level[2], error)

    def by_level(self, what: str, nodes: Bool[Tensor, " node"] | None = None) -> ByLevel:
        """Percent of ``coverage``, ``width`` or ``winkler`` score of some of the nodes."""
        self._count()
        row = {"coverage": 0, "width": 1, "winkler": 2}[what]
        unit = 100.0 if what == "coverage" else 1.0
        sums, count = self._node[row], self._node_count
        if nodes is not None:
            sums, count = sums[:, nodes], count[nodes]
        return self._labelled(unit * sums.sum(1) / count.sum())

    def summary(
        self,
        *,
        calibrator: str,
        source: str,
        new: Bool[Tensor, " node"],
        age: Float[Tensor, " node"],
    ) -> Intervals:
        """Everything as a record.

        Args:
            calibrator: Class that made the intervals.
            source: What it had learned from before.
            new: Sensors that no period before had.
            age: Periods that each sensor was part of.
        """
        self._count()
        own = 100 * self._node[0] / self._node_count
        levels = torch.tensor(self.levels, dtype=torch.float64)[:, None]
        close = ((own - levels).abs() <= NEAR_POINTS).double()[:, self._node_count > 0]
        month = 100 * self._month[:, new].sum(1) / self._month_count[new].sum()
        ages = [int(value) for value in age.unique().tolist()]
        return Intervals(
            calibrator=calibrator,
            source=source,
            coverage=self.by_level("coverage"),
            winkler=self.by_level("winkler"),
            width=self.by_level("width"),
            within_five=self._labelled(100 * close.mean(1)),
            first_month=self._labelled(month),
            crps=_finite(float(self._crps / self._node_count.sum())),
            steps=self._course(self._step, self._step_count),
            days=self._course(
                torch.stack([sums for sums, _ in self._days], 2),
                torch.stack([counted for _, counted in self._days]),
            )
            if self._days
            else {},
            ages=tuple(
                AgeGroup(a, int((age == a).sum()), self.by_level("coverage", age == a))
                for a in ages
            ),
        )

    def _course(
        self, sums: Float[Tensor, "2 level row"], count: Float[Tensor, " row"]
    ) -> dict[str, Course]:
        unit = {"coverage": 100.0, "width": 1.0}
        found = {}
        for name, values in zip(unit, sums / count, strict=True):
            rows = (unit[name] * values).tolist()
            found[name] = {
                str(level): tuple(_finite(v) for v in row)
                for level, row in zip(self.levels, rows, strict=True)
            }
        return found

    def _labelled(self, values: Float[Tensor, " level"]) -> ByLevel:
        return {
            str(level): _finite(value)
            for level, value in zip(self.levels, values.tolist(), strict=True)
        }

    def _crps_of(
        self, winkler: Float[Tensor, " level"], error: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """Twice the pinball loss, integrated over the quantiles followed and the forecast.

        The pinball losses of both bounds of a level add up to half its share outside times its
        Winkler score; that of the forecast is half its absolute error.
        """
        tails = self._alpha.double() / 2
        shares = torch.cat([tails.flip(0), torch.tensor([0.5]), 1 - tails])
        edges = torch.cat([torch.zeros(1), (shares[1:] + shares[:-1]) / 2, torch.ones(1)])
        width, middle = edges.diff(), len(tails)
        return 2 * (width[middle + 1 :] * tails * winkler).sum() + width[middle] * error


def _beside(parts: Sequence[Tensor]) -> Tensor:
    """Along the last axis; one alone as it is."""
    return torch.cat([*parts], -1) if len(parts) > 1 else parts[0]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
