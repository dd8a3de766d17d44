"""The rows of a wide table on a regular grid of steps."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from eac.data.core.calendar import Calendar, in_words
from eac.data.core.covariates import Covariates
from eac.data.parsing import columns
from eac.data.parsing.form import Form
from eac.data.parsing.frequency import parse_frequency
from eac.data.parsing.grid import find_grid
from eac.data.parsing.stamps import Stamps
from eac.errors import StreamError


@dataclass(frozen=True, eq=False)
class Rows:
    """Where the rows of a table lie on a grid.

    Attributes:
        calendar: Clock of the grid.
        at: Step of each row; None where row and step are the same.
        num_steps: Steps of the grid.
        holes: Steps without a row.
        notes: What a person should know.

    Example:
        >>> from eac.data.parsing.stamps import parse_stamps
        >>> hours = pd.date_range("2024-01-01", periods=4, freq="h").delete(2)
        >>> rows = lay_rows(parse_stamps(hours, "counts"), Form(), Path("stream.yaml"), "counts")
        >>> rows.num_steps, rows.holes
        (4, array([2]))
    """

    calendar: Calendar
    at: Int[ndarray, " row"] | None
    num_steps: int
    holes: Int[ndarray, " hole"]
    notes: tuple[str, ...] = ()

    def lay(
        self, series: Float[Tensor, "row node"], form: Form, what: str
    ) -> Float[Tensor, "step node"]:
        """The series on the grid; rows of one step are averaged, steps without a row are NaN."""
        if self.at is None:
            return series
        form.check_memory(
            4.0 * self.num_steps * series.shape[1], what, f"It has {self.num_steps:,} steps."
        )
        return self._scatter(series)

    def lay_covariates(self, given: Covariates) -> Covariates:
        """The same of covariates."""
        if self.at is None:
            return given
        flat = self._scatter(given.values.flatten(1))
        return replace(given, values=flat.view(self.num_steps, *given.values.shape[1:]))

    def _scatter(self, values: Float[Tensor, "row column"]) -> Float[Tensor, "step column"]:
        laid = torch.full((self.num_steps, values.shape[1]), torch.nan)
        at = torch.from_numpy(np.asarray(self.at))
        laid[at] = values
        twice = np.flatnonzero(np.diff(np.asarray(self.at)) == 0)
        for row in twice.tolist():
            laid[at[row]] = torch.stack([values[row], values[row + 1]]).nanmean(0)
        return laid


def lay_rows(stamps: Stamps, form: Form, yaml: Path, what: str) -> Rows:
    """Finds the grid of a table whose rows follow each other in time.

    Raises:
        StreamError: If rows are not in order, or lie on no grid.

    Example:
        >>> from eac.data.parsing.stamps import parse_stamps
        >>> stamps = parse_stamps(pd.date_range("2024-01-01", periods=4, freq="h"), "counts")
        >>> lay_rows(stamps, Form(), Path("stream.yaml"), "counts").calendar.steps_per_day
        24
    """
    wall, days = stamps.wall, form.days_per_week
    declared = None if form.frequency is None else parse_frequency(form.frequency, str(yaml))
    whole = np.zeros(0, dtype=np.int64)
    if days != 7:
        if isinstance(declared, int):
            raise StreamError(f"{yaml}: days_per_week says nothing where steps are of months.")
        step = columns.regular_step(wall, declared, what, days_per_week=days)
        calendar = columns.calendar_of(stamps.localised(wall[0]), step, days)
        check_slots(calendar, form, what)
        return Rows(calendar, None, len(wall), whole)
    if _is_regular(wall, declared):
        calendar = _calendar(stamps, wall[0], pd.Timedelta(wall[1] - wall[0]))
        check_slots(calendar, form, what)
        return Rows(calendar, None, len(wall), whole)
    if not isinstance(declared, int):
        _check_order(stamps, declared, what)
    grid = find_grid(wall, np.zeros(len(wall), dtype=np.int64), [np.arange(len(wall))], form, what)
    at = grid.positions(np.arange(len(wall)))
    calendar = _calendar(stamps, grid.wall[0], grid.step, grid.months)
    check_slots(calendar, form, what)
    again = stamps.again[1:]
    if ((np.diff(at) == 0) & ~again).any():
        row = int(np.flatnonzero((np.diff(at) == 0) & ~again)[0]) + 1
        raise StreamError(
            f"{what}: {wall[row - 1]} and {wall[row]} in rows {row - 1} and {row} fall on one step "
            f"of {in_words(grid.step)}. Remove one of them."
        )
    num_steps = int(at[-1]) + 1
    holes = np.setdiff1d(np.arange(num_steps), at) if num_steps > len(np.unique(at)) else whole
    plain = num_steps == len(at) and not len(holes)
    return Rows(calendar, None if plain else at, num_steps, holes, grid.notes)


def check_slots(calendar: Calendar, form: Form, what: str) -> None:
    """Refuses a number of slots that the time stamps do not make; fewer may be operating hours.

    Example:
        >>> check_slots(Calendar(24), Form(steps_per_day=18), "counts")
    """
    wanted, found = form.steps_per_day, calendar.steps_per_day
    if wanted is not None and wanted > found:
        raise StreamError(
            f"{what}: steps_per_day is {wanted}, but steps are "
            f"{in_words(calendar.step) if calendar.step else 'of slots'} apart, which makes "
            f"{found}. Correct one of them, or leave steps_per_day out."
        )


def check_days(form: Form, what: str) -> None:
    """Refuses a length of the week beside the time stamps of a long table, which say it.

    Example:
        >>> check_days(Form(days_per_week=7), "counts")
    """
    if form.days_per_week != 7:
        raise StreamError(
            f"{what}: days_per_week is {form.days_per_week}, but the time stamps of a long table "
            "say which day it is. Leave it out: days on which nothing is ever read are found."
        )


def _is_regular(wall: pd.DatetimeIndex, declared: pd.Timedelta | int | None) -> bool:
    """True where all rows are one and the same step apart."""
    if len(wall) < 2 or isinstance(declared, int):
        return False
    gaps = np.diff(wall.to_numpy())
    step = gaps[0] if declared is None else declared.to_numpy()
    return bool(gaps[0] > np.timedelta64(0) and (gaps == step).all())


def _check_order(stamps: Stamps, declared: pd.Timedelta | None, what: str) -> None:
    """Refuses rows that repeat or run back, but for the hour that a clock change repeats."""
    gaps = np.diff(stamps.wall.to_numpy())
    back = (gaps <= np.timedelta64(0)) & ~stamps.again[1:]
    if back.any() or (len(stamps.wall) < 2 and declared is None):
        columns.regular_step(stamps.wall, declared, what)


def _calendar(stamps: Stamps, start: pd.Timestamp, step: pd.Timedelta, months: int = 0) -> Calendar:
    return Calendar.from_timestamps(stamps.localised(start), step, months=months)
