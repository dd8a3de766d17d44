"""From a table as people have it to the long frame ``unique_id, ds, y``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eac.data.parsing import files, tabular
from eac.data.parsing.form import Form
from eac.data.parsing.stamps import parse_stamps
from eac.data.parsing.tabular import MISSING
from eac.errors import StreamError

LONG = ("unique_id", "ds", "y")
FLAGS = ("--id-col", "--time-col", "--target-col")
LIKELY = (
    ("unique_id", "sensor", "sensor_id", "id", "station", "station_id", "node", "node_id", "name",
     "counter", "device", "location", "site", "detector", "meter"),
    ("ds", "time", "timestamp", "datetime", "date", "date_time", "stamp", "t", "zeit"),
    ("y", "value", "values", "count", "counts", "reading", "readings", "volume", "flow", "target",
     "measurement", "wert"),
)  # fmt: skip
"""Names that people give the three columns; they are suggested, never taken."""


def read_long(path: Path, what: str, form: Form | None = None) -> pd.DataFrame:
    """The long frame in a file, or in a folder of parts; ids stay text.

    A wide table, whose first column holds time stamps and every other one the readings of a sensor,
    is laid out as a long frame.

    Raises:
        StreamError: If the columns cannot be told; the message names the likely ones.
    """
    form = form or Form()
    parts = parts_of(path)
    names = tabular.column_names(parts[0])
    if not is_long(names, form):
        if len(parts) == 1 and looks_wide(parts[0], names, form):
            return _melted(parts[0], what, form)
        raise StreamError(f"{what}: {path} {_which_columns(names, form)}")
    columns = long_columns(form)
    renamed = dict(zip(columns, LONG, strict=True))
    frames = [_read_part(part, what, columns, form).rename(columns=renamed) for part in parts]
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def parts_of(path: Path) -> list[Path]:
    """The tables of a folder of parts in order of their names, or the one file."""
    if not path.is_dir() or files.table_suffix(path) == ".parquet":
        return [path]
    found = [p for p in path.iterdir() if p.is_file() and files.table_suffix(p) and _is_part(p)]
    if not found:
        raise StreamError(f"{path} holds no table. Give a file, or a folder of .csv or .parquet.")
    return sorted(found, key=lambda part: files.natural_key(part.name))


def is_long(names: Sequence[str], form: Form) -> bool:
    """True when the columns of a long frame are there, under the names that ``form`` says."""
    return set(long_columns(form)) <= set(names)


def long_columns(form: Form) -> tuple[str, str, str]:
    """Names of the columns of sensor, time and reading."""
    return form.id_col or LONG[0], form.time_col or LONG[1], form.target_col or LONG[2]


def looks_wide(path: Path, names: Sequence[str], form: Form) -> bool:
    """True when the first column holds time stamps, and all others numbers."""
    if form.id_col or form.target_col or len(names) < 2:
        return False
    head = _head(path)
    clock = _clock_of(head, form)
    if clock is None or len(head) == 0:
        return False
    others = head.drop(columns=clock)
    if not all(_are_numbers(others[column]) for column in others.columns):
        return False
    likely = {name for group in (LIKELY[0], LIKELY[2][1:]) for name in group}
    if len(others.columns) == 2 and {str(c).lower() for c in others.columns} <= likely:
        return False
    return _are_times(head[clock], form)


def settings_beside(path: Path) -> Path:
    """The settings of a stream: in its folder, or beside a file, under its name first."""
    if path.is_dir() and files.table_suffix(path) != ".parquet":
        return path / files.STREAM_FILE
    own = path.with_name(f"{files.stem_of(path)}.yaml")
    return own if own.exists() else path.with_name(files.STREAM_FILE)


def _is_part(path: Path) -> bool:
    stem = files.stem_of(path)
    beside = ("nodes", "edges", "covariates", "forecasts")
    return stem not in beside and not stem.endswith("_edges") and not stem.startswith((".", "_"))


def _read_part(path: Path, what: str, columns: tuple[str, ...], form: Form) -> pd.DataFrame:
    options: dict[str, Any] = {
        "dtype": dict.fromkeys((columns[0], "period"), str),
        "keep_default_na": False,
        "na_values": {columns[2]: MISSING},
        "low_memory": False,
    }
    frame = tabular.read_table(path, what, form=form, **options)
    clock = columns[1]
    if clock not in frame.columns and frame.index.name == clock:
        frame = frame.reset_index()
    tabular.require_columns(frame, columns, what, path)
    return frame


def _clock_of(frame: pd.DataFrame, form: Form) -> str | None:
    """The column of time stamps of a wide table: the one that is named, or the first."""
    names = list(frame.columns)
    if form.time_col is not None:
        return form.time_col if form.time_col in names else None
    return names[0] if names else None


def _head(path: Path) -> pd.DataFrame:
    """The first rows of a table; none of one that cannot be read."""
    try:
        if files.table_suffix(path) in (".parquet", ".xlsx"):
            return _with_clock(tabular.read_table(path, "the table").head(100))
        return tabular.read_table(path, "the table", nrows=100)
    except StreamError:
        return pd.DataFrame()


def _with_clock(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose time stamps are a column, the first one, where they were its index."""
    if not isinstance(frame.index, pd.DatetimeIndex):
        return frame
    return frame.reset_index(names=frame.index.name or "ds")


def _are_numbers(column: pd.Series) -> bool:
    numbers = pd.to_numeric(column, errors="coerce")
    missing = column.isna() | column.astype(str).str.strip().isin(MISSING)
    return bool((numbers.notna() | missing).all()) and column.dtype != bool


def _are_times(column: pd.Series, form: Form) -> bool:
    if pd.api.types.is_numeric_dtype(column.dtype) and form.date_format is None:
        return form.steps_per_day is not None
    try:
        parse_stamps(column, "the table", form)
    except StreamError as error:
        return "day first" in str(error) or "dayfirst" in str(error)
    return True


def _melted(path: Path, what: str, form: Form) -> pd.DataFrame:
    """A wide table as a long frame, its empty cells left in."""
    frame = _with_clock(tabular.read_table(path, what, form=form, low_memory=False))
    clock = _clock_of(frame, form)
    sensors = [column for column in frame.columns if column != clock]
    cells = len(frame) * len(sensors)
    form.check_memory(cells * 40, what, f"{path} is a wide table of {cells:,} cells. Convert it.")
    text = [c for c in sensors if not pd.api.types.is_numeric_dtype(frame[c].dtype)]
    values = frame[sensors].astype(dict.fromkeys(text, object)).to_numpy()
    return pd.DataFrame(
        {
            LONG[0]: np.repeat(np.array([str(s) for s in sensors], dtype=object), len(frame)),
            LONG[1]: pd.concat([frame[clock]] * len(sensors), ignore_index=True),
            LONG[2]: values.T.reshape(-1),
        }
    )


def _which_columns(names: Sequence[str], form: Form) -> str:
    """What to say where the three columns cannot be told."""
    wanted = long_columns(form)
    absent = next(column for column in wanted if column not in names)
    found = [next((name for name in names if name.lower() in group), None) for group in LIKELY]
    said = (form.id_col, form.time_col, form.target_col)
    flags = [
        f"{flag} {name or 'NAME'}"
        for flag, name, given in zip(FLAGS, found, said, strict=True)
        if given is None or given not in names
    ]
    keys = ", ".join(flag[2:].replace("-", "_") for flag in FLAGS)
    shown = ", ".join(f"{name[:40]}{'...' * (len(name) > 40)}" for name in map(str, names[:20]))
    return (
        f"has no column {absent!r}. It has: {shown}. Say which column is "
        f"which: {' '.join(flags)} (or {keys} in stream.yaml). A wide table has time stamps in its "
        "first column and one column of numbers per sensor."
    )
