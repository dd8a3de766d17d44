"""From columns of text, numbers and time stamps to clean arrays, naming what does not fit."""

from collections.abc import Hashable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy import ndarray
from pandas.tseries.frequencies import to_offset
from torch import Tensor

from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph, edges_by_id
from eac.data.readers.tabular import MISSING
from eac.errors import StreamError

HINT_MISSING = "Give missing readings as empty cells or NaN."
HINT_CLOCK = "Where clocks change between summer and winter, store UTC."


def parse_frequency(text: object, what: str) -> pd.Timedelta:
    """A positive, fixed time step such as ``1h``, ``15min`` or ``D``."""
    wrong = f"{what}: frequency {text!r} is not a fixed time step. Give one such as 5min, 1h or 1D."
    try:
        offset = to_offset(str(text))
    except ValueError as error:
        raise StreamError(wrong) from error
    if not is_fixed(offset):
        raise StreamError(wrong)
    step = pd.Timestamp(0) + offset - pd.Timestamp(0)
    if step <= pd.Timedelta(0):
        raise StreamError(f"{what}: frequency {text!r} is not positive.")
    return step


def is_fixed(offset: pd.offsets.BaseOffset) -> bool:
    """True for steps of equal length (hours, days), False for months, years and weekdays."""
    return isinstance(offset, pd.offsets.Tick | pd.offsets.Day)


def parse_stamps(values: pd.Series | pd.Index, what: str) -> pd.DatetimeIndex:
    """Time stamps of a column, in its order."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        raise StreamError(
            f"{what}: the time column {values.name!r} holds numbers, first {values[0]!r}. "
            "Give time stamps such as 2024-01-31 13:00."
        )
    stamps = pd.DatetimeIndex(pd.to_datetime(values, errors="coerce"))
    bad = np.flatnonzero(stamps.isna())
    if len(bad):
        value = pd.Index(values)[bad[0]]
        raise StreamError(
            f"{what}: {len(bad)} time stamps cannot be read, first {value!r} in row {bad[0]}. "
            "Give time stamps such as 2024-01-31 13:00."
        )
    return stamps


def by_time(frame: pd.DataFrame, path: Path, what: str) -> pd.DataFrame:
    """A table with its time stamps, which may be its first column, as the index."""
    if not isinstance(frame.index, pd.DatetimeIndex):
        if frame.shape[1] == 0:
            raise StreamError(f"{what}: {path} has no columns. Give one column per node.")
        clock = frame.columns[0]
        frame = frame.set_index(parse_stamps(frame[clock], what)).drop(columns=clock)
    return frame.set_axis(frame.columns.astype(str), axis=1)


def regular_step(
    stamps: pd.DatetimeIndex, step: pd.Timedelta | None, what: str, *, days_per_week: int = 7
) -> pd.Timedelta:
    """The time between two rows, after checking that it is the same everywhere.

    Args:
        stamps: Time stamps, one per row.
        step: The declared step; None takes the most frequent one.
        what: Begins the message of an error.
        days_per_week: 5 when Saturdays and Sundays were cut out.
    """
    gaps = np.diff(_clock(stamps, days_per_week, what)).astype("timedelta64[ns]")
    back = np.flatnonzero(gaps <= np.timedelta64(0))
    if len(back):
        kind = "repeats" if gaps[back[0]] == np.timedelta64(0) else "comes before"
        row = back[0] + 1
        raise StreamError(
            f"{what}: time stamp {stamps[row]} in row {row} {kind} {stamps[row - 1]} in row "
            f"{row - 1}. Sort the rows and give each time stamp once. {HINT_CLOCK}"
        )
    kind = "usual" if step is None else "declared"
    step = most_frequent(gaps, what) if step is None else step
    odd = np.flatnonzero(gaps != step.to_numpy())
    if len(odd):
        row, gap = odd[0] + 1, pd.Timedelta(int(gaps[odd[0]]), unit="ns")
        raise StreamError(
            f"{what}: {stamps[row - 1]} in row {row - 1} and {stamps[row]} in row {row} are "
            f"{gap} apart, but the {kind} step is {step}. "
            f"Insert the missing rows with empty cells. {HINT_CLOCK}"
        )
    return step


def _clock(stamps: pd.DatetimeIndex, days_per_week: int, what: str) -> ndarray:
    moments = stamps if stamps.tz is None else stamps.tz_convert("UTC").tz_localize(None)
    moments = moments.as_unit("ns")
    if days_per_week == 7:
        return moments.to_numpy()
    weekend = np.flatnonzero(stamps.day_of_week >= 5)
    if days_per_week != 5 or len(weekend):
        where = f"; row {weekend[0]} is {stamps[weekend[0]]}" if len(weekend) else ""
        raise StreamError(
            f"{what}: days_per_week is {days_per_week}{where}. With time stamps it is 7, or 5 "
            "when every Saturday and Sunday was cut out."
        )
    monday = pd.Timestamp("1970-01-05")
    return (moments - (moments - monday).days // 7 * pd.Timedelta(days=2)).to_numpy()


def most_frequent(gaps: ndarray, what: str) -> pd.Timedelta:
    """The gap between two time stamps that occurs most often."""
    if len(gaps) == 0:
        raise StreamError(f"{what}: a single time stamp has no step. Declare the frequency.")
    values, counts = np.unique(gaps, return_counts=True)
    return pd.Timedelta(values[counts.argmax()])


def numeric_column(values: pd.Series, what: str, node: Hashable | None = None) -> pd.Series:
    """A column as numbers, empty cells as NaN; text raises ``StreamError``."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values
    numbers = pd.to_numeric(values, errors="coerce")
    empty = values.isna() | values.astype(str).str.strip().isin(MISSING)
    bad = np.flatnonzero(numbers.isna() & ~empty)
    if len(bad):
        whose = f"values of node {node!r}" if node is not None else f"values of {values.name!r}"
        raise StreamError(
            f"{what}: {len(bad)} {whose} are text, first {values.iloc[bad[0]]!r} in row {bad[0]} "
            f"({values.index[bad[0]]}). {HINT_MISSING}"
        )
    return numbers


def readings(frame: pd.DataFrame, what: str) -> Float[ndarray, "time node"]:
    """A frame of one column per node as one contiguous float32 array."""
    text = [c for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c].dtype)]
    if text:
        clean = {column: numeric_column(frame[column], what, column) for column in text}
        frame = frame.assign(**clean)
    with np.errstate(over="ignore"):
        return np.array(frame.to_numpy(dtype=np.float32, na_value=np.nan), order="C")


def edge_graph(edges: pd.DataFrame, node_ids: tuple[str, ...], what: str) -> Graph:
    """The graph of an edge frame ``source, target, weight``, checked row by row."""
    source, target = edges["source"].astype(str), edges["target"].astype(str)
    weight = numeric_column(edges["weight"], f"{what}: edges")
    wrong = np.flatnonzero(~np.isfinite(weight) | (weight < 0))
    if len(wrong):
        row = wrong[0]
        has = "no weight" if np.isnan(weight.iloc[row]) else f"weight {weight.iloc[row]:g}"
        raise StreamError(
            f"{what}: edge {source.iloc[row]!r} -> {target.iloc[row]!r} in row {row} has {has}. "
            "Give a finite weight of at least 0."
        )
    twice = np.flatnonzero(pd.DataFrame({"a": source, "b": target}).duplicated())
    if len(twice):
        row = twice[0]
        raise StreamError(
            f"{what}: edge {source.iloc[row]!r} -> {target.iloc[row]!r} is listed again in row "
            f"{row}. Give each edge once, with one weight."
        )
    try:
        sources, targets = (names.to_numpy(dtype=object) for names in (source, target))
        return edges_by_id(node_ids, sources, targets, weight.to_numpy(dtype=np.float64))
    except StreamError as error:
        raise StreamError(f"{what}: {error}") from error


def calendar_of(start: datetime, step: timedelta, days_per_week: int) -> Calendar:
    """The calendar of a regular grid; without weekends it counts slots only."""
    calendar = Calendar.from_timestamps(start, step)
    if days_per_week == 7:
        return calendar
    return Calendar(calendar.steps_per_day, days_per_week, calendar.start_slot)


def coordinates(
    nodes: pd.DataFrame | None, node_ids: tuple[str, ...], what: str
) -> Float[Tensor, "node 2"] | None:
    """Latitude and longitude of the nodes, or None where no node has any."""
    names = ["latitude", "longitude"]
    if nodes is None or not set(names) <= set(nodes.columns):
        return None
    named = nodes.set_index(nodes["node_id"].astype(str))[names].reindex(list(node_ids))
    pair = [numeric_column(named[name], f"{what}: nodes") for name in names]
    where = np.stack([column.to_numpy(dtype=np.float32) for column in pair], axis=1)
    return None if np.isnan(where).all() else torch.from_numpy(where)
