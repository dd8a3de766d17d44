"""A frame of recent readings, laid out by the clock of a run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from eac.artifacts.saved_data import SavedData
from eac.data.core.calendar import Calendar, in_words
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.wall import in_zone, is_shown
from eac.data.parsing import columns
from eac.data.parsing.form import ALL, Form
from eac.data.parsing.frequency import frequency_text
from eac.data.parsing.hours import only_open
from eac.data.parsing.stamps import Stamps, parse_stamps
from eac.data.parsing.zones import find_zone
from eac.data.readers.frame import FrameStream
from eac.data.readers.rows import lay_rows
from eac.errors import StreamError
from eac.serving.run_clock import on_clock, other_offset, seen_offset
from eac.typing import NodeSeries

INPUT = "input"
LONG_AGO = timedelta(days=31)
"""A forecast so long after what a run was trained on says so."""
REGULAR = 0.5
"""Share of the gaps between time stamps that are alike where readings have a step of their own."""
EDGE_COLUMNS = ("source", "target", "weight")


def read_input(
    frame: pd.DataFrame, data: SavedData, covariates: Sequence[str], form: Form | None = None
) -> Period:
    """The readings of a frame in the steps, the hours and the time zone of the run, by its ids.

    Raises:
        StreamError: If the frame is of another step, or says nothing of its time zone where the run
            has one, or the other way round; or if an id may be one of two.
    """
    form = form or Form()
    data = on_clock(data, form.time_zone)
    period = _read_long_or_wide(frame, data, covariates, form)
    ids = ids_of_run(period.node_ids, data.node_ids)
    return period if ids == period.node_ids else replace(period, node_ids=ids)


def ids_of_run(given: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Ids as the run has them, where blanks around them are all that differs.

    Header lines lose such blanks, columns of ids keep them.

    Raises:
        StreamError: If an id may be one of two.

    Example:
        >>> ids_of_run(["north", "south ", "new"], ["north ", "south"])
        ('north ', 'south', 'new')
    """
    there = set(given) & set(known)
    open_ids: dict[str, list[str]] = {}
    for node in known:
        if node not in there:
            open_ids.setdefault(node.strip(), []).append(node)
    asked = Counter(node.strip() for node in given if node not in there)
    for plain, found in open_ids.items():
        if asked[plain] and asked[plain] + len(found) > 2:
            here = [node for node in given if node not in there and node.strip() == plain]
            raise StreamError(
                f"{INPUT}: the ids {', '.join(map(repr, here))} of the input and "
                f"{', '.join(map(repr, found))} of the run differ only by blanks around them. "
                "Write the ids as the run has them, in a long table."
            )
    return tuple(node if node in there else open_ids.get(node.strip(), [node])[0] for node in given)


def _read_long_or_wide(
    frame: pd.DataFrame, data: SavedData, covariates: Sequence[str], form: Form
) -> Period:
    rules = data.clock
    step, months = (data.step, 0) if rules is None else (rules.step, rules.months)
    if _is_wide(frame):
        return _read_wide(frame, data, form)
    numbers = pd.api.types.is_numeric_dtype(frame["ds"].dtype) if "ds" in frame else True
    if not numbers and len(frame):
        found = parse_stamps(pd.Index(frame["ds"], name="ds"), INPUT, form)
        _check_zone(found, data, form)
        _check_step(found.wall, step, months)
    counted = rules is not None and rules.counted
    form = replace(
        form,
        frequency=frequency_text(step, months),
        hours=ALL,
        steps_per_day=rules.steps_per_day if rules is not None and counted and numbers else None,
        time_zone=form.time_zone if rules is None or rules.zone is None else rules.zone,
    )
    no_edges = pd.DataFrame({name: [] for name in EDGE_COLUMNS})
    stream = FrameStream(frame, no_edges, covariates=covariates, name=INPUT, form=form)
    return only_open(stream[0], None if rules is None else rules.hours)


def _is_wide(frame: pd.DataFrame) -> bool:
    """True where each column is a sensor, and the time stamps are the index."""
    named = {"unique_id", "ds", "y"} & {name for name in frame.columns if isinstance(name, str)}
    return isinstance(frame.index, pd.DatetimeIndex) and not named


def _read_wide(frame: pd.DataFrame, data: SavedData, form: Form) -> Period:
    """The readings of a frame of one column for each sensor."""
    rules, ids = data.clock, tuple(map(str, frame.columns))
    step, months = (data.step, 0) if rules is None else (rules.step, rules.months)
    index = pd.Index(frame.index, name="ds")
    found = parse_stamps(index, INPUT, form)
    _check_zone(found, data, form)
    _check_step(found.wall, step, months)
    zone = form.time_zone if rules is None or rules.zone is None else rules.zone
    form = replace(form, frequency=frequency_text(step, months), hours=ALL, time_zone=zone)
    stamps = parse_stamps(index, INPUT, form)
    rows = lay_rows(stamps, form, Path(INPUT), INPUT)
    values = columns.without(columns.readings(frame, INPUT), form.missing_values)
    series = rows.lay(torch.from_numpy(values), form, INPUT)
    period = Period(INPUT, series, ids, Graph.empty(len(ids)), rows.calendar)
    return only_open(period, None if rules is None else rules.hours)


def late(period: Period, data: SavedData) -> str:
    """What to say where the run ended long before the input does; empty otherwise."""
    now = period.calendar.time_of(period.num_steps - 1)
    if now is None or data.ended is None:
        return ""
    since = now.replace(tzinfo=None) - data.ended.replace(tzinfo=None)
    return f"the run ended {since.days} days before" if since > LONG_AGO else ""


def since_the_run(
    series: NodeSeries, now: datetime | int, data: SavedData
) -> Float[Tensor, "some node"] | None:
    """Readings up to now since the run ended, after one horizon of others; None: there are none."""
    if not isinstance(now, datetime) or data.ended is None:
        return None
    steps = int((now.replace(tzinfo=None) - data.ended.replace(tzinfo=None)) / data.step)
    return series[-(steps + data.horizon) :] if steps > 0 else None


def is_forecast(clock: Calendar, step: int) -> bool:
    """False where nothing is ever read, or which a clock change leaves out.

    Example:
        >>> from eac.data.core.hours import OpenHours
        >>> from datetime import datetime
        >>> hours = OpenHours((8, 9), 24, never=((6, 9),))
        >>> saturday, hour = datetime(2024, 1, 6, 8), timedelta(hours=1)
        >>> clock = Calendar.from_timestamps(saturday, hour, hours=hours)
        >>> [is_forecast(clock, step) for step in range(4)]  # Saturday 08 and 09, Sunday 08 and 09
        [True, True, True, False]
    """
    if clock.never_read(step):
        return False
    stamp = clock.time_of(step)
    if stamp is None:
        return True
    # Not from the stamp: pandas has moved the hour that is not there to the one after it.
    naive = pd.Timestamp(clock.wall_times(range(step, step + 1))[0]).to_pydatetime()
    return is_shown(in_zone(naive, stamp))


def _check_zone(found: Stamps, data: SavedData, form: Form) -> None:
    """Refuses time stamps without a zone for a run with one, and the other way round.

    Also those whose clock has changed, where the run has seen one offset and nobody names a zone.
    """
    if data.clock is None or data.clock.counted:
        return
    if (found.zone is None) == (data.clock.zone is None):
        if data.clock.zone is not None and form.time_zone is None and len(found.wall):
            _check_offsets(found, find_zone(data.clock.zone, INPUT), data.clock.step)
        return
    if found.zone is None:
        raise StreamError(
            f"{INPUT}: the run has time stamps in the zone {data.clock.zone}, the input has none. "
            f"Give stamps with their offset, or say that they are of that clock: --time-zone "
            f"{data.clock.zone}"
        )
    raise StreamError(
        f"{INPUT}: the time stamps are in the zone {found.zone}, but those of the run name none. "
        "Give stamps of the same clock as the run's, without a zone."
    )


def _check_offsets(found: Stamps, own: tzinfo, step: timedelta) -> None:
    seen = seen_offset(own)
    if seen is None:
        return
    local = found.wall.tz_localize(found.zone, ambiguous=~found.again, nonexistent="shift_forward")
    others = (found.wall - local.tz_convert("UTC").tz_localize(None)) != seen
    said = other_offset(own, step, local[others][-1].to_pydatetime()) if others.any() else ""
    if said:
        raise StreamError(f"{INPUT}: {said}")


def _check_step(wall: pd.DatetimeIndex, step: timedelta, months: int) -> None:
    """Refuses readings that come more rarely, or regularly more often, than the run reads them."""
    moments = wall.unique().sort_values()
    if len(moments) < 2 or months:
        return
    gaps = np.diff(moments.to_numpy())
    found = columns.most_frequent(gaps, INPUT)
    often = found < step and step % found == timedelta(0)
    if found > step or (often and np.mean(gaps == found.to_numpy()) > REGULAR):
        raise StreamError(
            f"{INPUT}: readings come every {in_words(found)}, but the run was trained on one every "
            f"{in_words(step)}. Give readings of that step."
        )
