"""From columns of text, numbers and time stamps to clean arrays, naming what does not fit."""

from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy import ndarray
from pandas.api.types import is_numeric_dtype
from torch import Tensor

from eac.data.core.calendar import Calendar, in_words
from eac.data.core.graph import Graph, edges_by_id
from eac.data.parsing import tabular
from eac.data.parsing.cells import as_numbers
from eac.data.parsing.clock_changes import on_a_steady_clock, seen_twice
from eac.data.parsing.files import table_suffix
from eac.data.parsing.form import Form
from eac.data.parsing.stamps import Stamps, parse_stamps
from eac.data.parsing.tabular import MISSING
from eac.errors import StreamError

ONE_DAY = timedelta(days=1)
HINT_MISSING = "Write numbers as 1200.5, without units, and missing readings as empty cells or NaN."
HINT_WEIGHT = "Give weights as numbers, such as 0.5."
HINT_DEGREES = "Give degrees as numbers, such as 59.91, or leave the cell empty."
HINT_CLOCK = (
    "Where clocks change between summer and winter, give stamps with their offset, or say whose "
    "clock it is: --time-zone Europe/Oslo (time_zone in stream.yaml)."
)


def by_time(
    frame: pd.DataFrame, path: Path, what: str, form: Form | None = None
) -> tuple[pd.DataFrame, Stamps]:
    """A table without its time stamps, which may be its index or its first column; and these.

    Example:
        >>> times = ["2024-01-01 00:00", "2024-01-01 01:00"]
        >>> table = pd.DataFrame({"time": times, "a": [1.0, 2.0]})
        >>> frame, stamps = by_time(table, Path("counts.csv"), "period '0'")
        >>> list(frame.columns), stamps.wall[1]
        (['a'], Timestamp('2024-01-01 01:00:00'))
    """
    form = form or Form()
    if isinstance(frame.index, pd.DatetimeIndex):
        times = frame.index
    else:
        if frame.shape[1] == 0:
            raise StreamError(f"{what}: {path} has no columns. Give one column per node.")
        clock = form.time_col or frame.columns[0]
        if clock not in frame.columns:
            raise StreamError(f"{what}: {path} has no column {clock!r}, which time_col names.")
        if len(frame) == 0:
            return frame.drop(columns=clock), Stamps.none()
        times, frame = pd.Index(frame[clock], name=clock), frame.drop(columns=clock)
    stamps = seen_twice(parse_stamps(times, what, form), np.zeros(len(times), dtype=np.int64))
    stamps = on_a_steady_clock(stamps, form)
    frame = frame.set_axis(stamps.wall, axis=0)
    return frame.set_axis(frame.columns.astype(str), axis=1), stamps


def read_readings(
    path: Path, what: str, form: Form, beside: Sequence[str] = (), **options: Any
) -> pd.DataFrame:
    r"""A table of readings, these as numbers whose decimal signs are understood together.

    Args:
        path: The table.
        what: Begins the message of an error.
        form: May say the sign and the column of time stamps.
        beside: Columns that hold no readings; the column of time stamps when empty.
        options: For ``tabular.read_table``.

    Raises:
        StreamError: If a number may be one of two. What is no number stays as it is.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "series.csv"
        ...     _ = path.write_text("time;a;b\n2024-01-01;1.100;2,5\n")
        ...     print(read_readings(path, "counts", Form())[["a", "b"]].to_numpy().tolist())
        [[1100.0, 2.5]]
    """
    beside = beside or ([form.time_col] if form.time_col else [])
    sign = tabular.sign_of(path, what, form, beside)
    words = {"keep_default_na": False, "na_values": MISSING}
    options = {"low_memory": False, "decimal": sign or ".", **words} | options
    if table_suffix(path) == ".xlsx":  # where pandas would make 1.1 of the text 1.100
        names = tabular.column_names(path, form)
        cells = dict.fromkeys(set(names) - set(beside or names[:1]), object)
        options["dtype"] = cells | options.get("dtype", {})
    frame = tabular.read_table(path, what, form=form, **options)
    timed = isinstance(frame.index, pd.DatetimeIndex)
    beside = beside or ([] if timed else list(frame.columns[:1]))
    texts = [n for n in frame.columns if n not in beside and not is_numeric_dtype(frame[n].dtype)]
    if not texts or len(frame) == 0:
        return frame
    size = 40 * len(frame) * len(texts)
    form.check_memory(size, what, f"{path} holds numbers as text. Write them as plain numbers.")
    found = pd.Series(frame[texts].to_numpy(dtype=object).ravel())
    plain = as_numbers(found, sign, f"{what}: {path}")
    numbers, bad = _numbers(plain)
    frame = frame.copy()
    frame[texts] = (plain if len(bad) else numbers).to_numpy().reshape(len(frame), -1)
    return frame


def regular_step(
    stamps: pd.DatetimeIndex, step: pd.Timedelta | None, what: str, *, days_per_week: int = 7
) -> pd.Timedelta:
    """The time between two rows, after checking that it is the same everywhere.

    Args:
        stamps: Time stamps, one per row.
        step: The declared step; None takes the most frequent one.
        what: Begins the message of an error.
        days_per_week: 5 when Saturdays and Sundays were cut out.

    Example:
        >>> regular_step(pd.date_range("2024-01-01", periods=5, freq="15min"), None, "period '0'")
        Timedelta('0 days 00:15:00')
    """
    gaps = np.diff(_clock(stamps, days_per_week, what)).astype("timedelta64[us]")
    back = np.flatnonzero(gaps <= np.timedelta64(0))
    if len(back):
        kind = "repeats" if gaps[back[0]] == np.timedelta64(0) else "comes before"
        row = back[0] + 1
        more = f" ({len(back) - 1:,} more rows do so too)" if len(back) > 1 else ""
        raise StreamError(
            f"{what}: time stamp {stamps[row]} in row {row} {kind} {stamps[row - 1]} in row "
            f"{row - 1}{more}. Sort the rows and give each time stamp once. {HINT_CLOCK}"
        )
    kind = "usual" if step is None else "declared"
    step = most_frequent(gaps, what) if step is None else step
    odd = np.flatnonzero(gaps != step.to_numpy())
    if len(odd):
        row, gap = odd[0] + 1, pd.Timedelta(int(gaps[odd[0]].astype(np.int64)), unit="us")
        more = f" ({len(odd) - 1:,} more places are like it)" if len(odd) > 1 else ""
        raise StreamError(
            f"{what}: {stamps[row - 1]} in row {row - 1} and {stamps[row]} in row {row} are "
            f"{in_words(gap)} apart, but the {kind} step is {in_words(step)}{more}. "
            f"Insert the missing rows with empty cells, or give a long table. {HINT_CLOCK}"
        )
    return step


def _clock(stamps: pd.DatetimeIndex, days_per_week: int, what: str) -> ndarray:
    if days_per_week == 7:
        return stamps.to_numpy()
    weekend = np.flatnonzero(stamps.day_of_week >= 5)
    if days_per_week != 5 or len(weekend):
        where = f"; row {weekend[0]} is {stamps[weekend[0]]}" if len(weekend) else ""
        raise StreamError(
            f"{what}: days_per_week is {days_per_week}{where}. With time stamps it is 7, or 5 "
            "when every Saturday and Sunday was cut out."
        )
    monday = pd.Timestamp("1970-01-05")
    return (stamps - (stamps - monday).days // 7 * pd.Timedelta(days=2)).to_numpy()


def most_frequent(gaps: ndarray, what: str) -> pd.Timedelta:
    """The gap between two time stamps that occurs most often.

    Example:
        >>> most_frequent(np.array([60, 60, 120], dtype="timedelta64[s]"), "period '0'")
        Timedelta('0 days 00:01:00')
    """
    if len(gaps) == 0:
        raise StreamError(f"{what}: a single time stamp has no step. Declare the frequency.")
    values, counts = np.unique(gaps, return_counts=True)
    return pd.Timedelta(values[counts.argmax()])


def without(values: Float[ndarray, "..."], missing: Sequence[float]) -> Float[ndarray, "..."]:
    """The same readings, with NaN for those that stand for none.

    Example:
        >>> without(np.array([1.0, -999.0], dtype=np.float32), [-999])
        array([ 1., nan], dtype=float32)
    """
    if not missing:
        return values
    stand_ins = np.array(missing, dtype=np.float32)
    return np.where(np.isin(values, stand_ins), np.float32(np.nan), values)


def numeric_column(
    values: pd.Series, what: str, node: Hashable | None = None, advice: str = HINT_MISSING
) -> pd.Series:
    """A column as numbers, empty cells as NaN; text raises ``StreamError`` with ``advice``.

    Example:
        >>> numeric_column(pd.Series(["1.5", "", "NaN"]), "period '0'").tolist()
        [1.5, nan, nan]
    """
    if is_numeric_dtype(values.dtype):
        return values
    numbers, bad = _numbers(values)
    if len(bad):
        whose = f"values of node {node!r}" if node is not None else f"values of {values.name!r}"
        raise StreamError(
            f"{what}: {len(bad)} {whose} are text, first {values.iloc[bad[0]]!r} in row {bad[0]} "
            f"({values.index[bad[0]]}). {advice}"
        )
    return numbers


def _numbers(values: pd.Series) -> tuple[pd.Series, ndarray]:
    """Texts as numbers, empty cells as NaN, and the rows of those that are none."""
    numbers = pd.to_numeric(values, errors="coerce")
    empty = values.isna() | values.astype(str).str.strip().isin(MISSING)
    return numbers, np.flatnonzero(numbers.isna() & ~empty)


def readings(frame: pd.DataFrame, what: str) -> Float[ndarray, "time node"]:
    """A frame of one column per node as one contiguous float32 array.

    Example:
        >>> readings(pd.DataFrame({"a": [1, 2], "b": ["3", ""]}), "period '0'")
        array([[ 1.,  3.],
               [ 2., nan]], dtype=float32)
    """
    dtypes = zip(frame.columns, frame.dtypes, strict=True)
    text = [column for column, dtype in dtypes if not is_numeric_dtype(dtype)]
    if text:
        clean = {column: numeric_column(frame[column], what, column) for column in text}
        frame = frame.assign(**clean)
    with np.errstate(over="ignore"):
        return np.array(frame.to_numpy(dtype=np.float32, na_value=np.nan), order="C")


def edge_graph(edges: pd.DataFrame, node_ids: tuple[str, ...], what: str) -> Graph:
    """The graph of an edge frame ``source, target, weight``, checked row by row.

    Example:
        >>> edges = pd.DataFrame({"source": ["a"], "target": ["b"], "weight": [0.5]})
        >>> edge_graph(edges, ("a", "b"), "period '0'").edge_weight
        tensor([0.5000])
    """
    source, target = edges["source"].astype(str), edges["target"].astype(str)
    weight = numeric_column(edges["weight"], f"{what}: edges", advice=HINT_WEIGHT)
    wrong = np.flatnonzero(~np.isfinite(weight) | (weight < 0))
    if len(wrong):
        row = wrong[0]
        has = "no weight" if np.isnan(weight.iloc[row]) else f"weight {weight.iloc[row]:g}"
        raise StreamError(
            f"{what}: edge {source.iloc[row]!r} -> {target.iloc[row]!r} in row {row} has {has}. "
            "Give a finite weight of at least 0."
        )
    try:
        graph = edges_by_id(node_ids, source, target, weight.to_numpy(dtype=np.float64))
    except StreamError as error:
        raise StreamError(f"{what}: {error}") from error
    pairs = graph.edge_index[0] * graph.num_nodes + graph.edge_index[1]
    twice = np.flatnonzero(pd.Series(pairs.numpy()).duplicated())
    if len(twice):
        row = twice[0]
        raise StreamError(
            f"{what}: edge {source.iloc[row]!r} -> {target.iloc[row]!r} is listed again in row "
            f"{row} ({len(twice):,} rows repeat an edge). Give each edge once, with one weight."
        )
    return graph


def calendar_of(start: datetime, step: timedelta, days_per_week: int) -> Calendar:
    """The calendar of a regular grid; without weekends it counts slots only.

    Example:
        >>> calendar_of(datetime(2024, 1, 1), timedelta(hours=1), days_per_week=5).steps_per_week
        120
    """
    calendar = Calendar.from_timestamps(start, step)
    if days_per_week == 7:
        return calendar
    return Calendar(calendar.steps_per_day, days_per_week, calendar.start_slot)


def coordinates(
    nodes: pd.DataFrame | None, node_ids: tuple[str, ...], what: str
) -> Float[Tensor, "node 2"] | None:
    """Latitude and longitude of the nodes, or None where no node has any.

    Example:
        >>> nodes = pd.DataFrame({"node_id": ["a"], "latitude": [60.5], "longitude": [5.25]})
        >>> coordinates(nodes, ("a",), "period '0'")
        tensor([[60.5000,  5.2500]])
    """
    names = ["latitude", "longitude"]
    if nodes is None or not set(names) <= set(nodes.columns):
        return None
    named = nodes.set_index(nodes["node_id"].astype(str))[names].reindex(list(node_ids))
    pair = [numeric_column(named[name], f"{what}: nodes", advice=HINT_DEGREES) for name in names]
    where = np.stack([column.to_numpy(dtype=np.float32) for column in pair], axis=1)
    return None if np.isnan(where).all() else torch.from_numpy(where)
