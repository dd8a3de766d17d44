"""Which layout a path is in.

Readers of tables are imported where one is needed: pandas takes a second.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from eac.data.core.period import Period
from eac.data.core.stream import GraphStream
from eac.data.parsing import files
from eac.data.parsing.form import Form
from eac.data.readers.npz import SERIES_FOLDER, NpzStream
from eac.errors import StreamError
from eac.typing import StrPath

LAYOUTS = """A stream is one of:
  - a table folder: per period a folder with series.parquet (or .csv, .npy), nodes.csv and
    edges.csv
  - the published layout: RawData/<k>.npz and graph/<k>_adj.npz
  - a long frame: a table (.csv, .csv.gz, .tsv, .xlsx, .parquet, a folder of parts) with unique_id,
    ds, y or the columns that you name, where known beside edges.csv with source, target, weight
  - a wide table: time stamps in the first column, one column of numbers per sensor"""


def open_stream(path: StrPath, form: Form | None = None) -> GraphStream:
    r"""The stream at ``path``, in whichever of the layouts it is.

    Args:
        path: File or folder of the stream.
        form: How its tables are to be understood; goes before what its settings say.

    Raises:
        StreamError: If the path does not exist or is in none of the layouts.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "counts.csv"
        ...     rows = "".join(f"a,2024-01-01 {hour:02d}:00,{hour}\n" for hour in range(24))
        ...     _ = path.write_text("unique_id,ds,y\n" + rows)
        ...     print(open_stream(path)[0].num_steps)
        24
    """
    path = Path(path)
    stream = _open(path, form)
    stream.opened_from = path.absolute()
    stream.open_again = partial(open_stream, path.absolute(), form)
    return stream


def _open(path: Path, form: Form | None) -> GraphStream:
    if not path.exists():
        broken = f" It points to {path.readlink()}." if path.is_symlink() else ""
        raise StreamError(f"{path} does not exist.{broken} {LAYOUTS}")
    if not path.is_file() and not path.is_dir():
        raise StreamError(f"{path} is no ordinary file. Write what it gives to a file. {LAYOUTS}")
    if (path / SERIES_FOLDER).is_dir():
        return NpzStream(path, form)
    if _holds_periods(path):
        from eac.data.readers.table import TableStream

        return TableStream(path, form)
    if _is_frame(path, form):
        from eac.data.readers.frame_files import read_frame_stream

        return read_frame_stream(path, form)
    if path.is_dir() and files.find_series(path):
        raise StreamError(f"{path} looks like one period. Give the folder above it. {LAYOUTS}")
    raise StreamError(f"{path} is not a stream.{_hint(path)} {LAYOUTS}")


_ONCE_WRITTEN = {"hours", "max_empty", "memory_gib", "max_nodes"}
"""Settings whose defaults runs of before wrote down: where all are there, a default is not said."""


class OwnStream(GraphStream):
    r"""A stream whose tables are understood as its settings here say; see ``Form`` for each.

    A setting that is None is as ``stream.yaml`` says it, or as ``Form`` does.

    Args:
        path: File or folder of the stream.
        id_col: Column that names the sensor.
        time_col: Column of time stamps.
        target_col: Column of readings.
        dayfirst: Whether 03/04/2024 is the third of April.
        date_format: Format of the time stamps.
        time_zone: Zone whose clock the slots of the day follow.
        frequency: Time between two readings.
        steps_per_day: Slots in a day.
        hours: Slots that are left out: auto, all, or a span such as 05:00-22:00.
        missing_values: Readings that stand for none.
        decimal: Decimal sign of the readings.
        sheet: Sheet of an Excel file.
        max_empty: Largest share of steps without a reading.
        memory_gib: Largest size of a series in memory.
        max_nodes: Largest number of sensors.

    Raises:
        StreamError: If the path does not exist or is in none of the layouts.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "counts.csv"
        ...     rows = "".join(f"a,2024-01-01 {hour:02d}:00,{hour}\n" for hour in range(24))
        ...     _ = path.write_text("sensor,ds,y\n" + rows)
        ...     print(OwnStream(str(path), id_col="sensor")[0].node_ids)
        ('a',)
    """

    def __init__(
        self,
        path: str,
        *,
        id_col: str | None = None,
        time_col: str | None = None,
        target_col: str | None = None,
        dayfirst: bool | None = None,
        date_format: str | None = None,
        time_zone: str | None = None,
        frequency: str | None = None,
        steps_per_day: int | None = None,
        hours: str | None = None,
        missing_values: list[float] | None = None,
        decimal: str | None = None,
        sheet: str | None = None,
        max_empty: float | None = None,
        memory_gib: float | None = None,
        max_nodes: int | None = None,
    ):
        said = {
            "id_col": id_col,
            "time_col": time_col,
            "target_col": target_col,
            "dayfirst": dayfirst,
            "date_format": date_format,
            "time_zone": time_zone,
            "frequency": frequency,
            "steps_per_day": steps_per_day,
            "hours": hours,
            "missing_values": None if missing_values is None else tuple(missing_values),
            "decimal": decimal,
            "sheet": sheet,
            "max_empty": max_empty,
            "memory_gib": memory_gib,
            "max_nodes": max_nodes,
        }
        self.path = path
        self.stream = open_stream(path, _form_of(said))
        self.name, self.unit = self.stream.name, self.stream.unit
        self.source, self.target = self.stream.source, self.stream.target
        self.opened_from, self.open_again = self.stream.opened_from, self.stream.open_again

    def unfinished(self, index: int) -> str | None:
        """Why a period is not over by the calendar it is cut by."""
        return self.stream.unfinished(index)

    @property
    def period_names(self) -> Sequence[str]:
        """Names of the periods, in order of time."""
        return self.stream.period_names

    def load(self, index: int) -> Period:
        """Reads and validates one period."""
        return self.stream.load(index)


def _form_of(said: Mapping[str, Any]) -> Form:
    given = {key: value for key, value in said.items() if value is not None}
    if given.keys() >= _ONCE_WRITTEN:
        plain = Form()
        given = {key: value for key, value in given.items() if value != getattr(plain, key)}
    return Form.of(**given)


def _tables_in(path: Path) -> list[Path]:
    """Tables of a folder that may hold readings."""
    from eac.data.readers import layout

    try:
        return layout.parts_of(path)
    except StreamError:
        return []


def _hint(path: Path) -> str:
    """What to do with a folder that holds one long frame under another name."""
    from eac.data.parsing import tabular

    tables = _tables_in(path) if path.is_dir() else []
    long = [table for table in tables if "unique_id" in tabular.column_names(table)]
    if not long:
        return ""
    if len(tables) == 1:
        return f" Give the file {long[0]}, or name it series{files.table_suffix(long[0])}."
    heads = {table.name: sorted(tabular.column_names(table)) for table in tables}
    odd = next(name for name, head in heads.items() if head != heads[long[0].name])
    return (
        f" Tables of a folder are read as parts of one, but {odd!r} has other columns "
        f"({', '.join(heads[odd][:9])}) than {long[0].name!r} "
        f"({', '.join(heads[long[0].name][:9])}). Give all parts the same columns, and move what "
        "is no part elsewhere."
    )


def _is_frame(path: Path, form: Form | None) -> bool:
    """A table, a folder with one as its series, or a folder of parts of one."""
    if not path.is_dir() or files.table_suffix(path) == ".parquet":
        return files.table_suffix(path) is not None
    from eac.data.parsing import tabular
    from eac.data.readers import layout

    series = files.find_table(path, "series")
    if series is not None:
        form = form or Form()
        yaml = path / files.STREAM_FILE
        keys = Form.of_settings(yaml, files.read_settings(yaml, None)).with_said(form)
        names = tabular.column_names(series, keys)
        return layout.is_long(names, keys) or not (path / "nodes.csv").is_file()
    parts = _tables_in(path)
    heads = {frozenset(tabular.column_names(p, form)) for p in parts} if len(parts) > 1 else set()
    return len(heads) == 1


def _holds_periods(path: Path) -> bool:
    if not path.is_dir() or files.table_suffix(path) == ".parquet":
        return False
    if files.find_series(path):
        return False
    if any(files.find_series(entry) for entry in path.iterdir() if entry.is_dir()):
        return True
    return (path / files.STREAM_FILE).is_file() and not _tables_in(path)
