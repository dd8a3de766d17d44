"""Which layout a path is in.

Readers of tables are imported where one is needed: pandas takes a second.
"""

from pathlib import Path

from eac.data.core.stream import GraphStream
from eac.data.readers import files
from eac.data.readers.npz import SERIES_FOLDER, NpzStream
from eac.errors import StreamError
from eac.typing import StrPath

LAYOUTS = """A stream is one of:
  - a table folder: per period a folder with series.parquet (or .csv, .npy), nodes.csv and
    edges.csv
  - the published layout: RawData/<k>.npz and graph/<k>_adj.npz
  - a long frame: a file with unique_id, ds, y, or a folder with series.csv (or .parquet) of
    that kind, where known beside edges.csv with source, target, weight"""


def open_stream(path: StrPath) -> GraphStream:
    """The stream at ``path``, in whichever of the three layouts it is.

    Raises:
        StreamError: If the path does not exist or is in none of the layouts.
    """
    path = Path(path)
    stream = _open(path)
    stream.opened_from = path.absolute()
    return stream


def opened_again(stream: GraphStream) -> GraphStream:
    """The stream as its files are now; one that was not opened by a path is returned as it is."""
    return stream if stream.opened_from is None else open_stream(stream.opened_from)


def _open(path: Path) -> GraphStream:
    if not path.exists():
        raise StreamError(f"{path} does not exist. {LAYOUTS}")
    if (path / SERIES_FOLDER).is_dir():
        return NpzStream(path)
    if _holds_periods(path):
        from eac.data.readers.table import TableStream

        return TableStream(path)
    if _is_long(path):
        from eac.data.readers.frame import read_frame_stream

        return read_frame_stream(path)
    if files.find_series(path):
        raise StreamError(f"{path} looks like one period. Give the folder above it. {LAYOUTS}")
    raise StreamError(f"{path} is not a stream.{_hint(path)} {LAYOUTS}")


def _hint(path: Path) -> str:
    """What to do with a folder that holds one long frame under another name."""
    from eac.data.readers import tabular

    tables = [f for f in path.glob("*") if f.suffix in files.TABLE_SUFFIXES]
    long = [table for table in tables if "unique_id" in tabular.column_names(table)]
    return f" Give the file {long[0]}, or name it series{long[0].suffix}." if long else ""


def _is_long(path: Path) -> bool:
    series = files.find_table(path, "series") if path.is_dir() else path
    if series is None or series.suffix not in files.TABLE_SUFFIXES:
        return False
    if not path.is_dir():
        return True
    from eac.data.readers import tabular

    return "unique_id" in tabular.column_names(series)


def _holds_periods(path: Path) -> bool:
    if not path.is_dir():
        return False
    if files.find_series(path):
        return False
    if (path / files.STREAM_FILE).is_file():
        return True
    return any(files.find_series(entry) for entry in path.iterdir())
