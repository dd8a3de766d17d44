"""Reading tables of a stream, with one clear message for whatever is wrong in them."""

import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from eac.data.parsing import files
from eac.data.parsing.files import require_file
from eac.data.parsing.form import Form
from eac.data.parsing.head import read_head
from eac.data.parsing.sheets import read_excel
from eac.errors import StreamError

MISSING = ("", "NaN", "nan", "NAN", "NA", "N/A", "n/a", "null", "NULL", "None", "-nan")
TEXT_BYTES = 4
"""Bytes that a table in memory takes for each byte of its text."""
EDGE_BYTES = 15
"""The same of a table whose every cell stays text."""
_UNREADABLE = (
    *(ValueError, OSError, KeyError, IndexError, TypeError, OverflowError, EOFError),
    *(csv.Error, zlib.error, zipfile.BadZipFile, pa.ArrowException, NotImplementedError),
)


def read_table(
    path: Path, what: str, *, form: Form | None = None, **csv_options: Any
) -> pd.DataFrame:
    r"""A table as a frame: CSV (also compressed, or with other separators), Parquet or Excel.

    ``csv_options`` go to ``pandas.read_csv``.

    Raises:
        StreamError: If the file is missing, damaged, or larger than ``form`` allows.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "counts.csv"
        ...     _ = path.write_text("unique_id;y\na;4,5\n")
        ...     print(read_table(path, "counts").to_dict("list"))
        {'unique_id': ['a'], 'y': [4.5]}
    """
    form = form or Form()
    kind = files.table_suffix(path)
    if not (kind == ".parquet" and path.is_dir()):
        _require(path, what)
    try:
        if kind == ".parquet":
            _check_parquet(path, what, form)
            return _checked_text(cast(pd.DataFrame, pd.read_parquet(path)))
        if kind == ".xlsx":
            return read_excel(path, what, form, csv_options)
        _check_text(path, what, form, EDGE_BYTES if csv_options.get("dtype") is str else TEXT_BYTES)
        head = read_head(path, what)
        _check_header(head.names, path, what, form)
        options = head.options() | (csv_options or {"low_memory": False})
        return pd.read_csv(path, encoding="utf-8-sig", **options)
    except StreamError:
        raise
    except _UNREADABLE as error:
        raise StreamError(f"{what}: {path} cannot be read: {_short(error)}") from error


def read_text(path: Path, what: str, form: Form | None = None) -> pd.DataFrame:
    r"""A CSV file whose every cell stays text, so that the ids ``007`` and ``NA`` survive.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "nodes.csv"
        ...     _ = path.write_text("node_id\n007\nNA\n")
        ...     print(read_text(path, "nodes")["node_id"].tolist())
        ['007', 'NA']
    """
    options = {"dtype": str, "keep_default_na": False, "skipinitialspace": True}
    return read_table(path, what, form=form, **options)


def read_nodes(path: Path, what: str) -> pd.DataFrame:
    r"""The list of nodes, one id per row, none empty or repeated.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "nodes.csv"
        ...     _ = path.write_text("node_id,latitude\nnorth,60.5\n")
        ...     print(read_nodes(path, "nodes")["node_id"].tolist())
        ['north']
    """
    nodes = read_text(path, what)
    require_columns(nodes, ("node_id",), what, path)
    empty = (nodes["node_id"] == "").to_numpy().nonzero()[0]
    if len(empty):
        raise StreamError(f"{what}: {path} has an empty node_id in row {empty[0]}. Fill it.")
    twice = nodes["node_id"].duplicated().to_numpy().nonzero()[0]
    if len(twice):
        raise StreamError(
            f"{what}: node {nodes['node_id'].iloc[twice[0]]!r} is listed again in row "
            f"{twice[0]} of {path}{_and_more(len(twice))}. Give each node once."
        )
    return nodes


def column_names(path: Path, form: Form | None = None) -> list[str]:
    r"""Names of the columns of a table, without reading its rows.

    Raises:
        StreamError: If the file cannot be read.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "counts.csv"
        ...     _ = path.write_text("unique_id,ds,y\n")
        ...     print(column_names(path))
        ['unique_id', 'ds', 'y']
    """
    kind, what = files.table_suffix(path), "the table"
    if not (kind == ".parquet" and path.is_dir()):
        _require(path, what)
    try:
        if kind == ".parquet":
            return _schema(path).names
        if kind == ".xlsx":
            frame = read_excel(path, what, form or Form(), {"nrows": 0})
            return [str(name).strip() for name in frame.columns]
        names = read_head(path, what).names
        if not names:
            raise StreamError(f"{path} is empty. Give a header line and one line per row.")
        return names
    except StreamError:
        raise
    except _UNREADABLE as error:
        raise StreamError(f"{path} cannot be read: {_short(error)}") from error


def _checked_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame, after a look that its text is text: that of a damaged file need not be."""
    for values in (frame.index.array, *(frame.iloc[:, i].array for i in range(frame.shape[1]))):
        if isinstance(values.dtype, pd.StringDtype) and hasattr(values, "__arrow_array__"):
            values.__arrow_array__().validate(full=True)
    return frame


def require_columns(
    frame: pd.DataFrame, columns: Iterable[str], what: str, path: Path | str
) -> None:
    """Raises ``StreamError`` naming the first column that is absent.

    Example:
        >>> require_columns(pd.DataFrame({"y": []}), ["y"], "counts", "counts.csv")
    """
    for column in columns:
        if column not in frame.columns:
            found = ", ".join(map(str, frame.columns[:20]))
            raise StreamError(f"{what}: {path} has no column {column!r}. It has: {found}.")


def _require(path: Path, what: str) -> None:
    if path.is_dir():
        raise StreamError(f"{what}: {path} is a folder, not a table. Give the file, or rename it.")
    if path.is_symlink() and not path.exists():
        raise StreamError(f"{what}: {path} points to {path.readlink()}, which is not there.")
    if path.exists() and not path.is_file():
        raise StreamError(f"{what}: {path} is no ordinary file. Write what it gives to a file.")
    require_file(path, what)


def _check_header(header: list[str], path: Path, what: str, form: Form) -> None:
    if not header:
        raise StreamError(f"{what}: {path} is empty. Give a header line and one line per row.")
    form.check_nodes(len(header), f"{what}: {path}")
    if len(set(header)) < len(header):
        seen: set[str] = set()
        column = next(name for name in header if name in seen or seen.add(name))
        count = len(header) - len(set(header))
        raise StreamError(
            f"{what}: {path} has column {column!r} twice{_and_more(count)}. Give each id once."
        )


def _check_text(path: Path, what: str, form: Form, factor: int) -> None:
    """Refuses text that is too large before it is read."""
    size = path.stat().st_size
    if files.table_suffix(path) == ".csv.gz":
        size = _unpacked(path, int(form.memory_gib * (1 << 30)) // factor + 1)
    advice = f"{path} holds {'over ' * (size > path.stat().st_size)}{size:,} bytes of text."
    form.check_memory(size * factor, what, f"{advice} Give less at once, or Parquet.")


def _unpacked(path: Path, most: int) -> int:
    """Bytes in a compressed file, counted up to ``most``."""
    size = 0
    with gzip.open(path, "rb") as file:
        while size <= most and (part := file.read(1 << 20)):
            size += len(part)
    return size


def _schema(path: Path) -> pa.Schema:
    if not path.is_dir():
        return pq.read_schema(path)
    return pq.ParquetDataset(path).schema


def _check_parquet(path: Path, what: str, form: Form) -> None:
    parts = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    tables = [p for p in parts if not p.name.startswith(("_", "."))]
    if not tables:
        raise StreamError(f"{what}: {path} is empty. Give a folder of Parquet files.")
    found = [pq.read_metadata(part) for part in tables]
    form.check_nodes(max(meta.num_columns for meta in found), f"{what}: {path}")
    size = sum(meta.num_rows * meta.num_columns for meta in found) * 8
    rows = sum(meta.num_rows for meta in found)
    form.check_memory(size, what, f"{path} holds {rows:,} rows. Give less at once.")


def _and_more(count: int) -> str:
    return f" (and {count - 1:,} more repeat)" if count > 1 else ""


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 300 else f"{text[:300]}..."
