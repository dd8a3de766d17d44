"""Clock changes: the hour that repeats, and steps that keep no place on such a clock."""

from dataclasses import replace
from datetime import timedelta, timezone

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from eac.data.core.calendar import in_words
from eac.data.parsing.form import Form
from eac.data.parsing.grid import TOLERANCE, parse_frequency
from eac.data.parsing.stamps import Stamps


def seen_twice(stamps: Stamps, sensor: Int[ndarray, " row"]) -> Stamps:
    """The same, with ``again`` where a sensor repeats a time in the hour that a change repeats.

    For time stamps without offsets, whose zone somebody named.

    Example:
        >>> from zoneinfo import ZoneInfo
        >>> wall = pd.DatetimeIndex(["2024-10-27 02:00", "2024-10-27 02:00"])
        >>> stamps = Stamps(wall, ZoneInfo("Europe/Oslo"), np.zeros(2, dtype=bool))
        >>> seen_twice(stamps, np.zeros(2, dtype=int)).again.tolist()
        [False, True]
    """
    if stamps.zone is None or stamps.again.any():
        return stamps
    early, late = (
        stamps.wall.tz_localize(
            stamps.zone, ambiguous=np.full(len(stamps.wall), first), nonexistent="shift_forward"
        )
        for first in (True, False)
    )
    rows = np.flatnonzero(np.asarray(early != late))
    pairs = pd.MultiIndex.from_arrays([sensor[rows], stamps.wall[rows]])
    again = np.zeros(len(stamps.wall), dtype=bool)
    again[rows] = pairs.duplicated()
    return replace(stamps, again=again)


def on_a_steady_clock(stamps: Stamps, form: Form) -> Stamps:
    """The same by the first offset of their zone, where its changes would move steps off the grid.

    Hourly steps keep their place across a change of one hour; steps of six hours do not.

    Example:
        >>> from eac.data.parsing.stamps import parse_stamps
        >>> spring = pd.date_range("2024-03-30", periods=12, freq="6h", tz="UTC")
        >>> oslo = parse_stamps(spring.tz_convert("Europe/Oslo"), "x")
        >>> on_a_steady_clock(oslo, Form()).zone
        datetime.timezone(datetime.timedelta(seconds=3600))
    """
    if stamps.zone is None or form.time_zone is not None or len(stamps.wall) < 2:
        return stamps
    local = stamps.wall.tz_localize(
        stamps.zone, ambiguous=~stamps.again, nonexistent="shift_forward"
    )
    utc = local.tz_convert("UTC").tz_localize(None)
    offsets = np.asarray(stamps.wall - utc).astype("timedelta64[us]")
    change, step = np.ptp(offsets), _step(utc, form)
    if step is None or change <= TOLERANCE * step or change % step == np.timedelta64(0):
        return stamps
    offset = timedelta(microseconds=int(offsets[utc.argmin()].astype(np.int64)))
    clock = timezone(offset)
    note = (
        f"steps of {in_words(pd.Timedelta(step))} keep no place on the clock of {stamps.zone}, "
        f"which changes: slots follow {clock}"
    )
    wall = pd.DatetimeIndex(utc + offset)
    return Stamps(wall, clock, np.zeros(len(wall), dtype=bool), (note,))


def _step(utc: pd.DatetimeIndex, form: Form) -> np.timedelta64 | None:
    """The declared step, or the most frequent time between two stamps; None for months."""
    if form.frequency is not None:
        declared = parse_frequency(form.frequency, "frequency")
        return None if isinstance(declared, int) else declared.to_numpy().astype("timedelta64[us]")
    gaps = np.diff(np.unique(utc.to_numpy().astype("datetime64[us]")))
    if len(gaps) == 0:
        return None
    values, counts = np.unique(gaps, return_counts=True)
    return values[counts.argmax()]
