"""Sensors that join in a period, and errors of their forecasts by how long ago they joined."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eac.data.batches.datamodule import PeriodData
from eac.data.core.period import NodeChange
from eac.data.core.windows import gather
from eac.metrics.horizon import HorizonErrors
from eac.records.newcomers import SPANS, BySpan
from eac.typing import NodeIndex

NODE_WINDOWS = 1 << 19
"""Windows x sensors that are forecast at most, and at most for first days; of more, every n-th."""
READINGS = 1 << 25
"""Readings of a first month that are made ready at once, as of 40,000 sensors by the hour."""


@dataclass(frozen=True, eq=False)
class Arrival:
    """Sensors that join in a period, and the windows that are forecast for them.

    Attributes:
        data: The period.
        rows: Positions of the new sensors.
        first: Step of the first reading of each.
        starts: First steps of the windows.
        alone: New sensors may be forecast without the others.
        every: Of windows in first days, and of all, each such one is forecast.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> change = NodeChange.between(data.period.node_ids, data.period.node_ids[:2], set())
        >>> Arrival.of(data, change).rows
        tensor([2])
    """

    data: PeriodData
    rows: NodeIndex
    first: Int[Tensor, " new"]
    starts: Int[Tensor, " window"]
    alone: bool = False
    every: tuple[int, int] = (1, 1)

    @staticmethod
    def of(data: PeriodData, change: NodeChange, *, alone: bool = False) -> "Arrival | None":
        """None where no new sensor is read before the test part, or days have no name.

        Also None in a network whose first month would hold more than ``READINGS``.
        """
        new = set(change.new)
        rows = [i for i, node in enumerate(data.period.node_ids) if node in new]
        if not rows or data.period.calendar.cycles[0] != "day" or data.period.mapped:
            return None
        read = ~data.period.series[: data.split.test.start, rows].isnan()
        kept = torch.tensor(rows)[read.any(0)]
        if not len(kept):
            return None
        first = read[:, read.any(0)].int().argmax(0)
        day = data.period.calendar.steps_per_day
        last = min(int(first.max()) + max(SPANS.values()) * day, data.split.test.start)
        begin, end = int(first.min()), last - data.window - data.horizon + 1
        if end <= begin or last * data.period.num_nodes > READINGS:
            return None
        starts = torch.arange(begin, end)
        held = len(kept) if alone else data.period.num_nodes
        in_first_days = torch.zeros(len(starts), dtype=torch.bool)
        for step in first.unique().tolist():
            in_first_days[step - begin : step - begin + day] = True
        every = _thinned(int(in_first_days.sum()) * held), _thinned(len(starts) * held)
        chosen = (in_first_days & (starts % every[0] == 0)) | (starts % every[1] == 0)
        return Arrival(data, kept, first, starts[chosen], alone, every)

    @property
    def some(self) -> NodeIndex | None:
        """What a batch gathers: the new sensors, where they may be forecast without the others."""
        return self.rows if self.alone else None

    def errors(self) -> "SpanErrors":
        """An empty count."""
        return SpanErrors(self)


def _thinned(node_windows: int) -> int:
    """Of so many, each such one is forecast."""
    return max(1, -(-node_windows // NODE_WINDOWS))


class SpanErrors:
    """Counts errors of new sensors by how long after their first reading a forecast is made.

    Where windows are thinned out, longer spans count each as often as the others.

    Args:
        arrival: The sensors.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> change = NodeChange.between(data.period.node_ids, data.period.node_ids[:2], set())
        >>> list(Arrival.of(data, change).errors().by_span())
        ['day', 'week', 'month']
    """

    def __init__(self, arrival: Arrival):
        data, self._arrival = arrival.data, arrival
        day = data.period.calendar.steps_per_day
        self._ends = [days * day for days in SPANS.values()]
        nodes = len(arrival.rows)
        self._day, *self._sums = [
            HorizonErrors(nodes, data.horizon, data.null_value) for _ in ("day", *SPANS)
        ]

    def update(
        self, starts: Int[Tensor, " batch"], y_hat: Float[Tensor, "batch new horizon"]
    ) -> None:
        """Adds forecasts of the new sensors; one that is NaN is not counted."""
        arrival, data = self._arrival, self._arrival.data
        first_target = starts + data.window
        y = gather(data.period.series, first_target, data.horizon, arrival.rows)
        whole = starts[:, None] >= arrival.first
        age = first_target[:, None] - arrival.first
        known = ~y.isnan() & ~y_hat.isnan() & whole[..., None]
        y_hat, y = y_hat.nan_to_num(0.0), y.nan_to_num(0.0)
        daily, evenly = (starts[:, None, None] % every == 0 for every in arrival.every)
        self._day.update(y_hat, y, known & daily & (age <= self._ends[0])[..., None])
        begin = 0
        for end, sums in zip(self._ends, self._sums, strict=True):
            inside = (begin < age) & (age <= end) if begin else age <= end
            begin = end
            sums.update(y_hat, y, known & evenly & inside[..., None])

    def by_span(self) -> BySpan:
        """MAE of the first day, the first week with it, and the first month with both."""
        total = HorizonErrors(len(self._arrival.rows), self._arrival.data.horizon)
        found: BySpan = {}
        for name, sums in zip(SPANS, self._sums, strict=True):
            total.merge(sums)
            found[name] = total.summary().point["MAE"]["mean"]
        return found | {"day": self._day.summary().point["MAE"]["mean"]}
