"""The regular grid of steps behind time stamps that may be late, early, or months apart."""

from dataclasses import dataclass
from datetime import timedelta
from math import gcd

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from eac.data.core.calendar import in_words
from eac.data.parsing.form import Form
from eac.data.parsing.frequency import DAY, HOUR, MINUTE, SECOND, parse_frequency, step_of
from eac.errors import StreamError

TOLERANCE = 0.1
"""Share of a step by which a time stamp may be off its place on the grid."""
FEW_STEPS = 100
"""A grid of fewer steps may be as empty as it likes."""
_ROUND = np.array(
    sorted(
        {n * SECOND for n in (1, 2, 3, 5, 6, 10, 12, 15, 20, 30)}
        | {n * MINUTE for n in (1, 2, 3, 5, 6, 10, 12, 15, 20, 30)}
        | {n * HOUR for n in range(1, 24)}
        | {n * DAY for n in (1, 2, 7, 14, 28)}
    ),
    dtype=np.int64,
)
"""Steps that people mean, in microseconds."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid, and the time stamps put on it.

    Attributes:
        step: Time between two steps; the mean where they are of months.
        months: Months in a step, or 0.
        wall: The time stamps, rounded to the grid where they were off it.
        notes: What a person should know.

    Example:
        >>> wall = pd.DatetimeIndex(["2024-01-01 00:00", "2024-01-01 02:00"])
        >>> Grid(pd.Timedelta(hours=1), 0, wall).positions(np.array([0, 1]))
        array([0, 2])
    """

    step: pd.Timedelta
    months: int
    wall: pd.DatetimeIndex
    notes: tuple[str, ...] = ()

    def positions(self, rows: Int[ndarray, " row"]) -> Int[ndarray, " row"]:
        """Step of each of these rows, counted from the first of them."""
        moments = _micro(self.wall[rows])
        if self.months:
            month = _months(moments)
            return (month - month.min()) // self.months
        return (moments - moments.min()) // step_of(self.step)


def find_grid(
    wall: pd.DatetimeIndex,
    sensor: Int[ndarray, " row"],
    groups: list[ndarray],
    form: Form,
    what: str,
) -> Grid:
    """Finds the step of readings, and puts their time stamps on it.

    The step is the one declared, or the most frequent time between two stamps. Where stamps do not
    lie on it, or would leave more than ``max_empty`` of it without a reading, it is the round step
    nearest to the most frequent time between two readings of a sensor, and stamps within a tenth of
    a step are rounded.

    Args:
        wall: Time stamps, one per row.
        sensor: Number of the sensor of each row.
        groups: Rows of each period; each is a grid of its own.
        form: Says the step, when it is declared, and how empty a grid may be.
        what: Begins the message of an error.

    Raises:
        StreamError: If stamps fit no grid, or leave too much of it empty.

    Example:
        >>> late = pd.to_timedelta([7, 2, 9], unit="s")
        >>> wall = pd.date_range("2024-01-01", periods=3, freq="h") + late
        >>> rows = np.arange(3)
        >>> grid = find_grid(wall, np.zeros(3, dtype=np.int64), [rows], Form(), "counts")
        >>> grid.step, grid.positions(rows)
        (Timedelta('0 days 01:00:00'), array([0, 1, 2]))
        >>> grid.notes[0]
        '3 of 3 time stamps were off the grid of 1 h by at most 9 s and are rounded to it'
    """
    moments = _micro(wall)
    declared = None if form.frequency is None else parse_frequency(form.frequency, what)
    sorted_parts = [np.unique(moments[rows]) for rows in groups]
    if declared is not None and isinstance(declared, int):
        _check_months(sorted_parts, declared, wall, moments, what)
        return Grid(_month_step(declared), declared, wall)
    if declared is None:
        months = _months_between(sorted_parts)
        if months:
            return Grid(_month_step(months), months, wall)
        gaps = np.concatenate([np.diff(part) for part in sorted_parts])
        step = _most_frequent(gaps, what)
    else:
        step = step_of(declared)
    exact = all(_is_exact(part, step) for part in sorted_parts)
    emptiest = max(_empty(part, step) for part in sorted_parts)
    if exact and emptiest <= form.max_empty:
        return Grid(_delta(step), 0, wall)
    meant = step if declared is not None else _step_meant(moments, sensor, what)
    rounded = None if meant is None else _rounded(moments, meant)
    if rounded is not None and meant is not None:
        parts = [np.unique(rounded[rows]) for rows in groups]
        if max(_empty(part, meant) for part in parts) <= form.max_empty:
            return _moved(wall, moments, rounded, meant)
    if exact:
        raise StreamError(_too_empty(sorted_parts, step, meant, form, what))
    message = _off_grid(wall, moments, groups, step, declared is not None, what)
    raise StreamError(message + _suspect(meant, step))


def _micro(stamps: pd.DatetimeIndex) -> Int[ndarray, " row"]:
    return stamps.as_unit("us").asi8


def _delta(step: int) -> pd.Timedelta:
    return pd.Timedelta(step, unit="us").as_unit("ns" if step < 1 << 62 else "us")


def _month_step(months: int) -> pd.Timedelta:
    return pd.Timedelta(days=365.25) / 12 * months


def _most_frequent(gaps: Int[ndarray, " gap"], what: str) -> int:
    """The time between two stamps that occurs most often."""
    if len(gaps) == 0:
        raise StreamError(f"{what}: a single time stamp has no step. Declare the frequency.")
    values, counts = np.unique(gaps, return_counts=True)
    return int(values[counts.argmax()])


def _months(moments: Int[ndarray, " row"]) -> Int[ndarray, " row"]:
    return moments.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _months_between(parts: list[ndarray]) -> int:
    """Months in a step where stamps are of the same day of months, or of their last; else 0."""
    step = 0
    for part in parts:
        if len(part) < 3 or np.diff(part).min() < 28 * DAY or not _same_day(part):
            return 0
        step = gcd(step, int(np.gcd.reduce(np.diff(_months(part)))))
    return step if step in (1, 2, 3, 4, 6, 12) else 0


def _same_day(part: Int[ndarray, " row"]) -> bool:
    stamps = part.astype("datetime64[us]")
    month = stamps.astype("datetime64[M]")
    since, left = stamps - month, (month + 1).astype("datetime64[us]") - stamps
    return bool((since == since[0]).all() or ((left == left[0]).all() and left[0] <= DAY))


def _check_months(
    parts: list[ndarray],
    months: int,
    wall: pd.DatetimeIndex,
    moments: Int[ndarray, " row"],
    what: str,
) -> None:
    for part in parts:
        between = np.diff(_months(part))
        bad = np.flatnonzero((between % months != 0) | (between == 0))
        odd = bad + 1 if len(bad) else np.array([], dtype=int)
        if len(odd) or not _same_day(part):
            first = part[odd[0]] if len(odd) else part[-1]
            row = int(np.flatnonzero(moments == first)[0])
            raise StreamError(
                f"{what}: time stamp {wall[row]} in row {row} is not a step of {months} months "
                f"after the ones before it. Give one time stamp a month, on the same day, or "
                "declare another frequency."
            )


def _is_exact(part: Int[ndarray, " row"], step: int) -> bool:
    return bool(((part - part[0]) % step == 0).all())


def _empty(part: Int[ndarray, " row"], step: int) -> float:
    """Share of the steps of a grid without a stamp; 0 where the grid is short."""
    steps = int((part[-1] - part[0]) // step) + 1
    return 0.0 if steps < FEW_STEPS else 1 - min(len(part), steps) / steps


def _step_meant(
    moments: Int[ndarray, " row"], sensor: Int[ndarray, " row"], what: str
) -> int | None:
    """The round step nearest to the usual time between two readings of one sensor."""
    order = np.lexsort((moments, sensor))
    gaps = np.diff(moments[order])
    gaps = gaps[(np.diff(sensor[order]) == 0) & (gaps > 0)]
    if len(gaps) == 0:
        return None
    above = np.searchsorted(_ROUND, gaps).clip(1, len(_ROUND) - 1)
    low, high = _ROUND[above - 1], _ROUND[above]
    wide = gaps.astype(np.float64)
    nearest = np.where(wide * wide < low.astype(np.float64) * high, low, high)
    near = np.abs(gaps - nearest) <= 2 * TOLERANCE * nearest
    return _most_frequent(nearest[near], what) if near.any() else None


def _rounded(moments: Int[ndarray, " row"], step: int) -> Int[ndarray, " row"] | None:
    """Stamps on a grid of this step that begins at midnight, or where most stamps are."""
    monday = 4 * DAY
    off = (moments - monday + step // 2) % step - step // 2
    if np.abs(off).max() > TOLERANCE * step:
        turn = np.exp(2j * np.pi * off / step)
        phase = round(float(np.angle(turn.mean())) / (2 * np.pi) * step)
        unit = max(1, next((u for u in (MINUTE, SECOND, 1000) if step >= 20 * u), 1))
        phase = round(phase / unit) * unit
        off = (moments - monday - phase + step // 2) % step - step // 2
    return None if np.abs(off).max() > TOLERANCE * step else moments - off


def _moved(
    wall: pd.DatetimeIndex,
    moments: Int[ndarray, " row"],
    rounded: Int[ndarray, " row"],
    step: int,
) -> Grid:
    off = np.abs(moments - rounded)
    farthest = in_words(timedelta(microseconds=int(off.max())))
    note = (
        f"{int((off > 0).sum()):,} of {len(off):,} time stamps were off the grid of "
        f"{in_words(_delta(step))} by at most {farthest} and are rounded to it"
    )
    index = pd.DatetimeIndex(rounded.astype("datetime64[us]"), name=wall.name)
    return Grid(_delta(step), 0, index, (note,) if off.any() else ())


def _too_empty(parts: list[ndarray], step: int, meant: int | None, form: Form, what: str) -> str:
    part = max(parts, key=lambda one: _empty(one, step))
    steps = int((part[-1] - part[0]) // step) + 1
    gaps = np.diff(part)
    far = int(gaps.argmax())
    first, last, before, after = (
        str(pd.Timestamp(int(m), unit="us")) for m in (part[0], part[-1], part[far], part[far + 1])
    )
    return (
        f"{what}: with the step found, {in_words(_delta(step))}, {_empty(part, step):.2%} of the "
        f"{steps:,} steps from {first} to {last} have no reading of any sensor; at most "
        f"{form.max_empty:.0%} may.{_suspect(meant, step)} The longest gap is from {before} "
        f"to {after}. Correct "
        "the time stamps, declare the frequency, or say how dates are written (date_format). Where "
        "it is meant so, set max_empty in stream.yaml."
    )


def _suspect(meant: int | None, step: int) -> str:
    if meant is None or meant == step:
        return ""
    return f" Most readings of a sensor are about {in_words(_delta(meant))} apart."


def _off_grid(
    wall: pd.DatetimeIndex,
    moments: Int[ndarray, " row"],
    groups: list[ndarray],
    step: int,
    declared: bool,
    what: str,
) -> str:
    odd = [rows[(moments[rows] - moments[rows].min()) % step != 0] for rows in groups]
    rows = next(rows for rows, found in zip(groups, odd, strict=True) if len(found))
    first = next(found for found in odd if len(found))[0]
    start = wall[rows].min()
    kind = "declared" if declared else "most frequent"
    return (
        f"{what}: {sum(map(len, odd)):,} time stamps are not on the grid, first {wall[first]} in "
        f"row {first}, which is not a multiple of {in_words(_delta(step))}, the {kind} step, after "
        f"{start}, nor within a tenth of it. Correct them, or declare the frequency."
    )
