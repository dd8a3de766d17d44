"""Wide tables, with one column per sensor or one per time stamp, laid out as a long frame."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eac.data.parsing import columns, files, tabular
from eac.data.parsing.form import Form
from eac.data.parsing.stamps import parse_stamps
from eac.data.parsing.tabular import MISSING
from eac.errors import StreamError

LONG = ("unique_id", "ds", "y")
LIKELY = (
    ("unique_id", "sensor", "sensor_id", "id", "station", "station_id", "node", "node_id", "name",
     "counter", "device", "location", "site", "detector", "meter"),
    ("ds", "time", "timestamp", "datetime", "date", "date_time", "stamp", "t", "zeit"),
    ("y", "value", "values", "count", "counts", "reading", "readings", "volume", "flow", "target",
     "measurement", "wert"),
)  # fmt: skip
"""Names that people give the three columns; they are suggested, never taken."""
JOIN = "+"
_FEWEST_STAMPS = 3


def looks_wide(path: Path, names: Sequence[str], form: Form) -> bool:
    r"""True when the first column holds time stamps, and all others numbers.

    Some cells may be neither, where no other column can hold ids: they are refused by name later.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "wide.csv"
        ...     _ = path.write_text("time,a,b\n2024-01-01 00:00,1,2\n")
        ...     print(looks_wide(path, ["time", "a", "b"], Form()))
        True
    """
    if form.id_col or form.target_col or len(names) < 2:
        return False
    head = _head(path, form)
    clock = _clock_of(head, form)
    if clock is None or len(head) == 0:
        return False
    others = [head[column] for column in head.columns if column != clock]
    given = {str(column.name).lower() for column in others}
    if len(others) == 2 and given <= {*LIKELY[0], *LIKELY[2][1:]}:
        return False
    if all(map(_are_numbers, others)) and _are_times(head[clock], form):
        return True
    no_id = given.isdisjoint(LIKELY[0]) and all(map(_are_readings, others))
    return no_id and _are_mostly_times(head[clock], form)


def looks_turned(names: Sequence[str], form: Form) -> bool:
    """True when the first column names sensors, and every other column is a time stamp.

    Example:
        >>> hours = ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 02:00"]
        >>> looks_turned(["sensor", *hours], Form()), looks_turned(["ds", "a", "b", "c"], Form())
        (True, False)
    """
    others = [name for name in names if name != (form.id_col or names[0])]
    if form.time_col or form.target_col or len(others) < max(_FEWEST_STAMPS, len(names) - 1):
        return False
    return _are_times(pd.Series(others, dtype=object), form)


def melted(path: Path, what: str, form: Form) -> pd.DataFrame:
    r"""A wide table as a long frame, its empty cells left in.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "wide.csv"
        ...     _ = path.write_text("time,a,b\n2024-01-01 00:00,1,2\n")
        ...     print(melted(path, "counts", Form()).to_numpy().tolist())
        [['a', '2024-01-01 00:00', 1], ['b', '2024-01-01 00:00', 2]]
    """
    clocks = clock_columns(form, ()) if form.time_col else []
    texts = dict.fromkeys(clocks if len(clocks) > 1 else [], str)
    table = columns.read_readings(path, what, form, clocks, dtype=texts)
    frame = with_joined_clock(_with_clock(table), form)
    clock = _clock_of(frame, form)
    sensors = [column for column in frame.columns if column != clock]
    values = _values(frame, sensors, frame[clock], f"{what}: {path}", form)
    if not pd.api.types.is_numeric_dtype(frame[clock].dtype):
        parse_stamps(frame[clock], f"{what}: {path}", form)  # here each row is one row of the file
    ids = np.array([str(sensor) for sensor in sensors], dtype=object)
    times = pd.concat([frame[clock]] * len(sensors), ignore_index=True)
    return _long(np.repeat(ids, len(frame)), times, values.T.reshape(-1))


def turned(path: Path, what: str, form: Form) -> pd.DataFrame:
    r"""A table with a row per sensor and a column per time stamp as a long frame; ids stay text.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "turned.csv"
        ...     _ = path.write_text("sensor,2024-01-01,2024-01-02\na,1,2\n")
        ...     print(turned(path, "counts", Form()).to_numpy().tolist())
        [['a', '2024-01-01', 1], ['a', '2024-01-02', 2]]
    """
    names = tabular.column_names(path, form)
    beside = [form.id_col or names[0]]
    as_written: dict[str, Any] = {
        "dtype": dict.fromkeys(beside, str),
        "keep_default_na": False,
        "na_values": {name: MISSING for name in names if name not in beside},
    }
    frame = columns.read_readings(path, what, form, beside, **as_written)
    who = form.id_col or frame.columns[0]
    stamps = [column for column in frame.columns if column != who]
    values = _values(frame, stamps, frame[who], f"{what}: {path}", form)
    ids = np.repeat(frame[who].astype(str).to_numpy(dtype=object), len(stamps))
    return _long(ids, pd.Series(stamps * len(frame), dtype=object), values.reshape(-1))


def with_joined_clock(frame: pd.DataFrame, form: Form) -> pd.DataFrame:
    """The same table with date and time in one column, where ``time_col`` names two.

    Example:
        >>> given = pd.DataFrame({"day": ["2024-01-01"], "at": ["13:00"], "y": [5]})
        >>> with_joined_clock(given, Form(time_col="day+at")).to_numpy().tolist()
        [['2024-01-01 13:00', 5]]
    """
    parts = clock_columns(form, frame.columns)
    if len(parts) < 2 or not set(parts) <= set(frame.columns):
        return frame
    texts = [_as_text(frame[part]) for part in parts]
    joined = pd.Series([" ".join(pair) for pair in zip(*texts, strict=True)], index=frame.index)
    rest = frame.drop(columns=parts)
    rest.insert(0, str(form.time_col), joined)
    return rest


def clock_columns(form: Form, names: Sequence[str] | pd.Index) -> list[str]:
    """The columns that make the time stamp: one, or a date and a time.

    Example:
        >>> clock_columns(Form(time_col="date+time"), ["date", "time", "y"])
        ['date', 'time']
    """
    clock = form.time_col or LONG[1]
    return [clock] if clock in names or JOIN not in clock else clock.split(JOIN)


def _as_text(column: pd.Series) -> list[str]:
    """Cells as text; midnights of a spreadsheet's dates without their time."""
    days = pd.api.types.is_datetime64_any_dtype(column.dtype)
    return (column.dt.strftime("%Y-%m-%d") if days else column.astype(str)).tolist()


def _long(ids: np.ndarray, times: pd.Series, values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(dict(zip(LONG, (ids, times, values), strict=True)))


def _values(
    frame: pd.DataFrame, names: list[str], rows: pd.Series, what: str, form: Form
) -> np.ndarray:
    """The readings of these columns; ``rows`` says what each row is of."""
    cells = len(frame) * len(names)
    form.check_memory(cells * 40, what, f"It is a wide table of {cells:,} cells. Convert it.")
    numbers = {}
    for name in names:
        column = frame[name]
        if not pd.api.types.is_numeric_dtype(column.dtype):
            unit = "" if _are_numbers(column.head(1)) else " Remove a line of units."
            advice = columns.HINT_MISSING + unit
            numbers[name] = columns.numeric_column(column.set_axis(rows), what, advice=advice)
    return frame[names].assign(**{k: v.to_numpy() for k, v in numbers.items()}).to_numpy()


def _clock_of(frame: pd.DataFrame, form: Form) -> str | None:
    """The column of time stamps of a wide table: the one that is named, or the first."""
    names = list(frame.columns)
    if form.time_col is not None:
        return form.time_col if form.time_col in names else None
    return names[0] if names else None


def _head(path: Path, form: Form) -> pd.DataFrame:
    """The first rows of a table; none of one that cannot be read."""
    try:
        if files.table_suffix(path) in (".parquet", ".xlsx"):
            head = _with_clock(tabular.read_table(path, "the table", form=form).head(100))
        else:
            head = tabular.read_table(path, "the table", nrows=100)
    except StreamError:
        return pd.DataFrame()
    return with_joined_clock(head, form)


def _with_clock(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose time stamps are a column, the first one, where they were its index."""
    if not isinstance(frame.index, pd.DatetimeIndex):
        return frame
    return frame.reset_index(names=frame.index.name or "ds")


def _are_numbers(column: pd.Series) -> bool:
    plain = _plain(column)
    empty = column.isna() | plain.isin(MISSING)
    return bool((_as_numbers(plain).notna() | empty).all()) and column.dtype != bool


def _are_readings(column: pd.Series) -> bool:
    """False where the column may hold ids: some text, and no number."""
    plain = _plain(column)
    words = plain[~plain.isin(MISSING)].str.contains(r"[^\W_]")
    return column.dtype != bool and bool(_as_numbers(plain).notna().any() or not words.any())


def _plain(column: pd.Series) -> pd.Series:
    return column.astype(str).str.strip()


def _as_numbers(plain: pd.Series) -> pd.Series:
    return pd.to_numeric(plain.str.replace(r"[.,](?=\d)", "", regex=True), errors="coerce")


def _are_mostly_times(column: pd.Series, form: Form) -> bool:
    """True where each time is given once, and fewer than half of the cells are none."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return False
    read = column.map(lambda cell: _are_times(pd.Series([cell], dtype=object), form)).astype(bool)
    return bool(read.mean() > 0.5) and column[read].is_unique


def _are_times(column: pd.Series, form: Form) -> bool:
    if pd.api.types.is_numeric_dtype(column.dtype) and form.date_format is None:
        return form.steps_per_day is not None
    try:
        parse_stamps(column, "the table", form)
    except StreamError as error:
        return "day first" in str(error) or "dayfirst" in str(error)
    return True
