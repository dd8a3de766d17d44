"""Naive forecasts, which any model worth its training must beat."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eac.data.core.among import EVERY, Among
from eac.data.core.calendar import Calendar
from eac.data.core.pieces import column_pieces, count_readings, pieces
from eac.data.core.windows import gather
from eac.metrics.horizon import HorizonErrors
from eac.typing import NodeSeries

NAIVE = ("last", "day", "week", "average")
"""All names that ``naive_errors`` may give, but for "year" in place of "week"."""
CHUNK_ELEMENTS = 1 << 22


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows that a model is tested on, and how naive forecasts are measured there.

    Attributes:
        starts: First step of each window.
        window: Past steps in.
        horizon: Future steps out.
        calendar: Clock of the period.
        null_value: Targets equal to this are left out, as for the model.
        among: Nodes that means and choices are over, where processes divide them.

    Example:
        >>> windows = Windows(torch.tensor([40, 41]), 4, 2, Calendar(24))
        >>> windows.before
        40
    """

    starts: Int[Tensor, " batch"]
    window: int
    horizon: int
    calendar: Calendar
    null_value: float | None = None
    among: Among = EVERY

    @property
    def before(self) -> int:
        """Steps before the first window, which a forecast may be chosen on."""
        return int(self.starts.min())

    def naive(self, series: NodeSeries) -> dict[str, HorizonErrors]:
        """What ``naive_errors`` gives, for nodes of this process.

        Args:
            series: Raw readings of the whole period, NaN where missing.
        """
        num_nodes, names = series.shape[1], naive_names(self.calendar)
        errors = {n: HorizonErrors(num_nodes, self.horizon, self.null_value) for n in names if n}
        overall = _overall_mean(series[: self.before], self.among)
        for columns, part in column_pieces(series, CHUNK_ELEMENTS):
            nodes = torch.arange(num_nodes)[columns]
            own = part.contiguous() if part.numel() <= CHUNK_ELEMENTS else part
            for forecasts, y in _naive_forecasts(own, self, overall):
                for name, y_hat in zip(names, forecasts, strict=True):
                    if name:
                        errors[name].update(y_hat, y, ~y.isnan(), nodes)
        return errors


def naive_errors(
    series: NodeSeries,
    starts: Int[Tensor, " batch"],
    window: int,
    horizon: int,
    calendar: Calendar,
    null_value: float | None = None,
) -> dict[str, HorizonErrors]:
    """Errors of the naive forecasts on the windows a model is tested on.

    Args:
        series: Raw readings of the whole period, NaN where missing.
        starts: First step of each window.
        window: Past steps in.
        horizon: Future steps out.
        calendar: Clock of the period.
        null_value: Targets equal to this are left out, as for the model.

    Returns:
        One accumulator for each of "last", "day", "week" and "average". Where a day is not a whole
        number of steps there is no "day"; where readings repeat with the year, "year" stands in
        place of "week"; where they repeat with neither, there is none of both.

    Example:
        >>> series = torch.arange(60.0)[:, None] % 24
        >>> errors = naive_errors(series, torch.tensor([40]), 4, 2, Calendar(24))
        >>> sorted(errors), errors["day"].summary().point["MAE"]["mean"]
        (['average', 'day', 'last', 'week'], 0.0)
    """
    return Windows(starts, window, horizon, calendar, null_value).naive(series)


def naive_names(calendar: Calendar) -> tuple[str, str, str, str]:
    """What the naive forecasts are called, in the order of ``NAIVE``; '' for one that has no name.

    Example:
        >>> naive_names(Calendar(24))
        ('last', 'day', 'week', 'average')
    """
    day, week = calendar.cycles
    return "last", day, week, "average"


def _naive_forecasts(
    series: NodeSeries, windows: Windows, overall: Float[Tensor, ""]
) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
    """Forecasts in the order of ``NAIVE``, and their targets, some windows at a time."""
    window, horizon, calendar = windows.window, windows.horizon, windows.calendar
    history, most = series[: windows.before], series.shape[1] * max(window, horizon)
    mean, by_slot = node_means(history, overall), slot_means(history, calendar.steps_per_week)
    for chunk in windows.starts.split(max(1, CHUNK_ELEMENTS // most)):
        y = gather(series, chunk + window, horizon)
        last = last_observed(gather(series, chunk, window), mean)
        day = same_slot(series, chunk + window, last, horizon, calendar.steps_per_day)
        week = same_slot(series, chunk + window, last, horizon, calendar.steps_per_week)
        average = of_slot(by_slot, chunk + window, last, horizon, calendar.steps_per_week)
        yield (last[..., None].expand_as(y), day, week, average), y


def _overall_mean(history: NodeSeries, among: Among = EVERY) -> Float[Tensor, ""]:
    """Mean of all readings, in float64 and in parts; 0 without any."""
    parts = [part for _, part in pieces(history)]
    total = sum(float(part.nansum(dtype=torch.float64)) for part in parts)
    count = sum(int((~part.isnan()).sum()) for part in parts)
    total, count = among.joined(torch.tensor([total, count], dtype=torch.float64)).tolist()
    return history.new_tensor(total / max(count, 1))


def node_means(
    history: NodeSeries, overall: Float[Tensor, ""] | None = None
) -> Float[Tensor, " node"]:
    """Mean of each node's readings; without any, ``overall``, by default the mean of all nodes.

    Example:
        >>> node_means(torch.tensor([[1.0, torch.nan], [3.0, torch.nan]]))
        tensor([2., 2.])
    """
    overall = _overall_mean(history) if overall is None else overall
    if history.numel() <= CHUNK_ELEMENTS:
        means = history.nanmean(0)
    else:
        parts = [part for _, part in pieces(history)]
        total = sum(part.nansum(0, dtype=torch.float64) for part in parts)
        means = (total / count_readings(history)).to(history.dtype)
    return torch.where(means.isnan(), overall, means)


def last_observed(
    x: Float[Tensor, "batch node window"], otherwise: Float[Tensor, " node"]
) -> Float[Tensor, "batch node"]:
    """The latest reading of each window, or ``otherwise`` where a window holds none.

    Example:
        >>> x = torch.tensor([[[1.0, 2.0, torch.nan], [torch.nan] * 3]])
        >>> last_observed(x, torch.tensor([7.0, 8.0])).tolist()
        [[2.0, 8.0]]
    """
    last = x[..., 0]
    for step in x.unbind(-1)[1:]:
        last = torch.where(step.isnan(), last, step)
    return torch.where(last.isnan(), otherwise, last)


def same_slot(
    series: NodeSeries,
    first: Int[Tensor, " batch"],
    otherwise: Float[Tensor, "batch node"],
    horizon: int,
    cycle: int,
) -> Float[Tensor, "batch node {horizon}"]:
    """The reading one cycle before each target, or as many cycles as make it already known.

    Args:
        series: Raw readings, NaN where missing.
        first: The step of the first target of each window; everything before it is known.
        otherwise: Forecast where that reading is missing or lies before the period.
        horizon: Future steps out.
        cycle: Steps in a day, or in a week.

    Example:
        >>> series = torch.arange(6.0)[:, None]
        >>> same_slot(series, torch.tensor([4]), torch.zeros(1, 1), horizon=3, cycle=2).tolist()
        [[[2.0, 3.0, 2.0]]]
    """
    ahead = torch.arange(horizon, device=series.device)
    steps = first[:, None] + ahead - cycle * (ahead // cycle + 1)
    rows = series.index_select(0, steps.clamp_min(0).flatten()).view(*steps.shape, -1)
    usable = (steps >= 0)[..., None] & ~rows.isnan()
    return torch.where(usable, rows, otherwise[:, None]).transpose(1, 2)


def slot_means(history: NodeSeries, cycle: int) -> Float[Tensor, "slot node"]:
    """Mean reading of each node in each slot of the cycle; NaN where a slot holds none.

    Slots that the history does not reach are left out, so that a cycle of any length takes no more
    memory than the history.

    Example:
        >>> slot_means(torch.tensor([[1.0], [2.0], [5.0]]), cycle=2).tolist()
        [[3.0], [2.0]]
    """
    if cycle >= len(history):
        return history
    sums = history.new_zeros(cycle, history.shape[1], dtype=torch.float64)
    counts = torch.zeros_like(sums)
    for steps, part in pieces(history):
        slots = torch.arange(steps.start, steps.stop, device=history.device) % cycle
        sums.index_add_(0, slots, part.nan_to_num(0.0).double())
        counts.index_add_(0, slots, (~part.isnan()).double())
    return (sums / counts).to(history.dtype)


def of_slot(
    by_slot: Float[Tensor, "cycle node"],
    first: Int[Tensor, " batch"],
    otherwise: Float[Tensor, "batch node"],
    horizon: int,
    cycle: int | None = None,
) -> Float[Tensor, "batch node {horizon}"]:
    """The value of each target's slot of the cycle, or ``otherwise`` where that is missing.

    Args:
        by_slot: One value per slot and node, as ``slot_means`` gives.
        first: The step of the first target of each window.
        otherwise: Forecast where the slot has no value.
        horizon: Future steps out.
        cycle: Slots of the whole cycle, by default those that have a value.

    Example:
        >>> by_slot = torch.tensor([[10.0], [20.0], [torch.nan]])
        >>> of_slot(by_slot, torch.tensor([1]), torch.tensor([[0.0]]), horizon=3)
        tensor([[[20.,  0., 10.]]])
    """
    cycle = len(by_slot) if cycle is None else cycle
    slots = (first[:, None] + torch.arange(horizon, device=first.device)) % cycle
    known = slots.clamp_max(len(by_slot) - 1)
    rows = by_slot.index_select(0, known.flatten()).view(*slots.shape, -1)
    unknown = rows.isnan() | (slots != known)[..., None]
    return torch.where(unknown, otherwise[:, None], rows).transpose(1, 2)
