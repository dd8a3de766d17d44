"""A naive forecast that follows the level: seasonal profile and smoothed residuals of past days."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from eac.data.core.among import EVERY, Among
from eac.data.core.calendar import Calendar
from eac.data.core.pieces import column_pieces
from eac.data.core.windows import gather
from eac.metrics.baselines import Windows, last_observed, node_means
from eac.metrics.horizon import HorizonErrors
from eac.typing import NodeSeries, SeriesMask

WEEKS = (1.0, 0.5, 0.3, 0.2)
"""Weights of the latest week in the profile that are tried."""
DAYS = (1.0, 0.6, 0.3, 0.15)
"""Weights of the latest day in the residual."""
SIDES = (1, 0, 3)
"""Steps before and after a slot whose residuals are averaged."""
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Shares of the residual that are added; with none of it the profile stands alone."""
MEASURED = 1 << 19
"""Readings that a choice is measured on, of evenly spread nodes."""
_ELEMENTS = 1 << 20

_T = TypeVar("_T")


@dataclass(frozen=True)
class Smoothing:
    """How strongly profile and residual follow what was read last.

    Attributes:
        week: Weight of the latest week in the profile, above 0 and up to 1; 1 takes it alone.
        day: Weight of the latest day in the residual.
        side: Steps before and after a slot whose residuals are averaged.
        share: Of the residual, added to the profile.

    Example:
        >>> Smoothing(week=0.5, day=0.3, side=1, share=0.6).share
        0.6
    """

    week: float = 1.0
    day: float = 1.0
    side: int = 0
    share: float = 0.0


def has_smoothed(calendar: Calendar) -> bool:
    """True where readings repeat with the day and with the week.

    Example:
        >>> has_smoothed(Calendar(24)), has_smoothed(Calendar(1, 12, months=1))
        (True, False)
    """
    return calendar.cycles == ("day", "week")


def smoothed_errors(series: NodeSeries, windows: Windows) -> HorizonErrors:
    """Errors of ``smoothed_forecast`` on the windows a model is tested on.

    The smoothing is chosen on everything before the first window. Where the profile is unknown,
    the last reading of the window stands in, or the mean of the node.

    Args:
        series: Raw readings of the whole period, NaN where missing.
        windows: The windows.

    Example:
        >>> rising = torch.arange(12.0)[:, None]  # a day has 2 steps, a week 4
        >>> errors = smoothed_errors(rising, Windows(torch.tensor([9]), 1, 2, Calendar(2, 2)))
        >>> errors.summary().point["MAE"]["mean"]
        0.0
    """
    history, window, horizon = series[: windows.before], windows.window, windows.horizon
    chosen = choose_smoothing(history, horizon, windows.calendar, windows.null_value, windows.among)
    errors = HorizonErrors(series.shape[1], horizon, windows.null_value)
    sample = _sample(history)
    overall = _mean(sample, ~sample.isnan(), windows.among).nan_to_num(0.0).to(series.dtype)
    for columns, part in column_pieces(series, _ELEMENTS):
        nodes = torch.arange(series.shape[1])[columns]
        own = part.contiguous()
        mean = node_means(own[: len(history)], overall)
        forecast = smoothed_forecast(own, chosen, horizon, windows.calendar)
        most = len(nodes) * max(window, horizon)
        for chunk in windows.starts.split(max(1, _ELEMENTS // most)):
            last = last_observed(gather(own, chunk, window), mean)[..., None]
            y, y_hat = (gather(some, chunk + window, horizon) for some in (own, forecast))
            errors.update(torch.where(y_hat.isnan(), last, y_hat), y, ~y.isnan(), nodes)
    return errors


def smoothed_forecast(
    series: NodeSeries, smoothing: Smoothing, horizon: int, calendar: Calendar
) -> Float[Tensor, "time node"]:
    """The forecast of each step, made so early that it is known at each step of the horizon.

    The *profile* of a slot of the week is its exponentially smoothed reading in the weeks before.
    What was read on the days before differed from the profile by a *residual*; that of the same
    slot of the day, averaged with its neighbouring slots and smoothed over the days, is added.
    Correcting today's forecast by yesterday's smoothed error is the idea of FORESEE
    (arXiv 2602.21757), whose base model is a network and whose weights are mixed online.

    Args:
        series: Raw readings of the whole period, NaN where missing.
        smoothing: Weights and width.
        horizon: Future steps out; no reading after ``step - horizon`` is looked at.
        calendar: Clock of the period.

    Returns:
        In raw units; NaN where no week before is known. Without a residual the profile.

    Example:
        >>> series = torch.tensor([1.0, 2, 3, 4, 2, 3, 4, 5])[:, None]  # day 2 steps, week 4
        >>> smoothed_forecast(series, Smoothing(share=1.0), 2, Calendar(2, 2))[4:].flatten()
        tensor([1., 2., 4., 5.])
    """
    profile = _profile(series, smoothing.week, horizon, calendar)
    residual = _residual(series - profile, smoothing, horizon, calendar)
    return profile.add_(residual, alpha=smoothing.share)


def choose_smoothing(
    history: NodeSeries,
    horizon: int,
    calendar: Calendar,
    null_value: float | None = None,
    among: Among = EVERY,
) -> Smoothing:
    """The weights with the smallest MAE on these readings: first of the profile, then the rest.

    Of large networks the readings of some nodes are measured, evenly spread. Processes that divide
    the nodes come to one choice.

    Example:
        >>> steady = torch.tensor([0.0, 1, 2, 3]).repeat(6)[:, None]
        >>> choose_smoothing(steady, 2, Calendar(2, 2))  # nothing is left to correct
        Smoothing(week=1.0, day=1.0, side=1, share=0.0)
    """
    y = _sample(history)
    counted = ~y.isnan() if null_value is None else ~y.isnan() & (y != null_value)
    profiles = {week: _profile(y, week, horizon, calendar) for week in WEEKS}
    week = _least((_mae(y, known, counted, among), week) for week, known in profiles.items())
    profile = profiles[week]
    tried = [Smoothing(week, day, side) for side in SIDES for day in DAYS]
    found = []
    for smoothing in tried:
        residual = _residual(y - profile, smoothing, horizon, calendar)
        for share in SHARES:
            error = _mae(y, profile + share * residual, counted, among)
            found.append((error, replace(smoothing, share=share)))
    return _least(found)


def _profile(
    series: NodeSeries, weight: float, horizon: int, calendar: Calendar
) -> Float[Tensor, "time node"]:
    cycle = calendar.steps_per_week
    return _smoothed(series, cycle, weight, math.ceil(horizon / cycle))


def _residual(
    residual: Float[Tensor, "time node"], smoothing: Smoothing, horizon: int, calendar: Calendar
) -> Float[Tensor, "time node"]:
    """The residuals of the days before, smoothed; 0 where none is known."""
    cycle, side = calendar.steps_per_day, smoothing.side
    days = math.ceil((horizon + side) / cycle)
    return _smoothed(_averaged(residual, side), cycle, smoothing.day, days).nan_to_num_(0.0)


def _smoothed(
    series: Float[Tensor, "time node"], cycle: int, weight: float, cycles: int
) -> Float[Tensor, "time node"]:
    """Exponentially smoothed readings of the same slot, up to so many cycles before each step."""
    out = torch.full_like(series, torch.nan)
    state = series.new_full((min(cycle, len(series)), series.shape[1]), torch.nan)
    for first in range(0, len(series) - cycles * cycle, cycle):
        now = series[first : first + cycle]
        held = state[: len(now)]
        moved = torch.where(held.isnan(), now, torch.lerp(held, now, weight))
        state[: len(now)] = torch.where(now.isnan(), held, moved)
        later = out[first + cycles * cycle : first + (cycles + 1) * cycle]
        later.copy_(state[: len(later)])
    return out


def _averaged(residual: Float[Tensor, "time node"], side: int) -> Float[Tensor, "time node"]:
    """Mean over so many steps before and after that are known; NaN where none is."""
    if not side:
        return residual
    known = (~residual.isnan()).to(residual.dtype)
    total, count = torch.zeros_like(residual), torch.zeros_like(residual)
    values = residual.nan_to_num(0.0)
    for shift in range(-side, side + 1):
        to = slice(max(shift, 0), max(len(residual) + min(shift, 0), 0))
        source = slice(max(-shift, 0), max(len(residual) - max(shift, 0), 0))
        total[to] += values[source]
        count[to] += known[source]
    return total.div_(count)


def _sample(history: NodeSeries) -> NodeSeries:
    """The readings of evenly spread nodes, of all where they are few enough."""
    steps, nodes = history.shape
    wanted = max(1, MEASURED // max(1, steps))
    return history[:, :: max(1, -(-nodes // wanted))].contiguous()


def _mae(
    y: NodeSeries, y_hat: Float[Tensor, "time node"], counted: SeriesMask, among: Among
) -> float:
    """Mean absolute error where both are known; infinite where none is."""
    error = (y_hat - y).abs_()
    return float(_mean(error, counted & ~error.isnan(), among).nan_to_num(torch.inf))


def _mean(values: NodeSeries, counted: SeriesMask, among: Among) -> Float[Tensor, ""]:
    """Of the values counted, over all processes; NaN without any."""
    total = torch.where(counted, values, 0.0).sum(dtype=torch.float64)
    total, count = among.joined(torch.stack([total, counted.sum().double()]))
    return total / count


def _least(found: Iterable[tuple[float, _T]]) -> _T:
    """What comes with the smallest error, the first of equal ones."""
    return min(found, key=lambda item: item[0])[1]
