"""What readings of each sensor are like when all is well."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from eac.errors import StreamError

WEEKS = 2
"""Of readings that a reference needs."""
DEVIATION = 1.4826
"""Standard deviation of a normal distribution in median absolute deviations."""
FEW = 14
"""Readings of a slot that weigh as much as those of all slots."""
DAYS = 7
"""With a reading that tell what is usual of a sensor; of one with fewer nothing is said."""
PULL = 2.0
"""Weeks of a slot of the day that weigh as much as one slot of the week."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Usual readings by slot of the week, their spread, and the longest quiet times.

    Attributes:
        usual: Usual reading of each slot of the week; NaN of sensors that were hardly read.
        spread: Of readings around it by slot of the day, positive.
        longest_gap: Steps without a reading.
        longest_run: Readings, one after the other, that were the same as the one before.
        residuals: Of the reference itself, in units of the spread, less those of the network.
        common: Residual that the network shares at each step.
        steps_per_day: Slots of a day.

    Example:
        >>> series = np.tile(np.arange(24.0), 28)[:, None]
        >>> reference = Reference.of(series, first=0, steps_per_day=24)
        >>> reference.usual[:3, 0], int(reference.longest_gap[0])
        (array([0., 1., 2.]), 0)
    """

    usual: Float[ndarray, "slot node"]
    spread: Float[ndarray, "slot_of_day node"]
    longest_gap: Int[ndarray, " node"]
    longest_run: Int[ndarray, " node"]
    residuals: Float[ndarray, "time node"]
    common: Float[ndarray, " time"]
    steps_per_day: int

    @staticmethod
    def of(series: Float[ndarray, "time node"], first: int, steps_per_day: int) -> "Reference":
        """Looks at readings of at least two weeks in which nothing was wrong.

        Args:
            series: Readings, NaN where missing.
            first: Step of the first, counted from a Monday.
            steps_per_day: Slots of a day.

        Raises:
            StreamError: If they cover less than two weeks.
        """
        week = 7 * steps_per_day
        if len(series) < WEEKS * week:
            raise StreamError(
                f"a reference of {len(series)} steps is shorter than {WEEKS} weeks. Give more "
                "readings from before."
            )
        steps = np.arange(first, first + len(series))
        usual = _usual(series, steps, steps_per_day)
        apart = series - usual[steps % week]
        spread = _spread(np.abs(apart), steps % steps_per_day, steps_per_day)
        others = _apart_from_other_weeks(series, steps, steps_per_day)
        days = np.isfinite(series[: len(series) // steps_per_day * steps_per_day])
        days = days.reshape(-1, steps_per_day, series.shape[1]).any(1).sum(0)
        usual[:, days < DAYS] = others[:, days < DAYS] = np.nan
        residuals = others / spread[steps % steps_per_day]
        common = np.nan_to_num(_median(residuals, 1))
        return Reference(
            usual=usual,
            spread=spread,
            longest_gap=_longest(np.isnan(series)),
            longest_run=_longest_run(series),
            residuals=residuals - common[:, None],
            common=common,
            steps_per_day=steps_per_day,
        )


def _usual(
    series: Float[ndarray, "time node"], steps: Int[ndarray, " time"], steps_per_day: int
) -> Float[ndarray, "slot node"]:
    """Means by slot of the week, drawn towards those of the slot of the day."""
    week = 7 * steps_per_day
    daily = np.stack(
        [_mean(series[steps % steps_per_day == slot]) for slot in range(steps_per_day)]
    )
    usual = np.empty((week, series.shape[1]))
    for slot in range(week):
        own = series[steps % week == slot]
        count = np.isfinite(own).sum(0)
        share = count / (count + PULL)
        mean = np.nan_to_num(_mean(own))
        usual[slot] = share * mean + (1 - share) * daily[slot % steps_per_day]
    return np.nan_to_num(usual)


def _spread(
    size: Float[ndarray, "time node"], slots: Int[ndarray, " time"], steps_per_day: int
) -> Float[ndarray, "slot_of_day node"]:
    """Deviations by slot of the day, as if normal, drawn towards those of all slots."""
    whole = np.nan_to_num(DEVIATION * _median(size, 0))
    typical = float(np.median(whole[whole > 0])) if (whole > 0).any() else 1.0
    spread = np.empty((steps_per_day, size.shape[1]))
    for slot in range(steps_per_day):
        own = size[slots == slot]
        count = np.isfinite(own).sum(0)
        share = count / (count + FEW)
        spread[slot] = share * np.nan_to_num(DEVIATION * _median(own, 0)) + (1 - share) * whole
    return np.maximum(spread, 0.05 * np.maximum(whole, 0.2 * typical))


def _apart_from_other_weeks(
    series: Float[ndarray, "time node"], steps: Int[ndarray, " time"], steps_per_day: int
) -> Float[ndarray, "time node"]:
    """Each week against what is usual in the others, as readings to come are against all."""
    week = 7 * steps_per_day
    number = (steps - steps[0]) // week
    apart = np.empty_like(series)
    for each in range(int(number[-1]) + 1):
        inside = number == each
        usual = _usual(series[~inside], steps[~inside], steps_per_day)
        apart[inside] = series[inside] - usual[steps[inside] % week]
    return apart


def _mean(values: Float[ndarray, "time node"]) -> Float[ndarray, " node"]:
    count = np.isfinite(values).sum(0)
    return np.where(count > 0, np.nansum(values, 0) / np.maximum(count, 1), 0.0)


def _median(values: Float[ndarray, "..."], axis: int) -> Float[ndarray, "..."]:
    """The median of what is known; NaN where nothing is."""
    if not np.isfinite(values).any(axis).all():
        filled = np.where(np.isfinite(values).any(axis, keepdims=True), values, 0.0)
        found = np.nanmedian(filled, axis)
        return np.where(np.isfinite(values).any(axis), found, np.nan)
    return np.nanmedian(values, axis)


def _longest(flags: Bool[ndarray, "time node"]) -> Int[ndarray, " node"]:
    """The longest row of True in each column."""
    steps = np.arange(1, len(flags) + 1)[:, None]
    before = np.maximum.accumulate(np.where(flags, 0, steps), 0)  # the last step without
    return (steps - before).max(0)


def _longest_run(series: Float[ndarray, "time node"]) -> Int[ndarray, " node"]:
    """How many readings, at most, one after the other repeat the one before; as the monitor counts.

    Steps without a reading neither count nor end a run.
    """
    known = np.isfinite(series)
    steps = np.arange(len(series))[:, None]
    last = np.maximum.accumulate(np.where(known, steps, -1), 0)  # the latest step with a reading
    before = np.vstack([np.full((1, series.shape[1]), -1), last[:-1]])
    previous = np.take_along_axis(series, np.maximum(before, 0), 0)
    repeats = known & (before >= 0) & (series == previous)
    count = np.cumsum(repeats, 0)
    return (count - np.maximum.accumulate(np.where(known & ~repeats, count, 0), 0)).max(0)
