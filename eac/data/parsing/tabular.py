"""Reading tables of a stream, with one clear message for whatever is wrong in them."""

import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from eac.data.parsing import files
from eac.data.parsing.cells import as_numbers, ask_for_decimal
from eac.data.parsing.files import require_file
from eac.data.parsing.form import Form
from eac.data.parsing.head import Head, read_head
from eac.data.parsing.parquet import parquet_names, read_parquet
from eac.data.parsing.sheets import check_once, read_excel
from eac.errors import StreamError
from eac.files import write_frame

MISSING = (
    *("", "NaN", "nan", "NAN", "-NaN", "-nan", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA"),
    *("#N/A N/A", "null", "NULL", "None", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)
"""Words for a missing reading."""
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
    with _reading(path, what):
        if kind == ".parquet":
            return read_parquet(path, what, form)
        if kind == ".xlsx":
            return read_excel(path, what, form, csv_options)
        _check_text(path, what, form, EDGE_BYTES if csv_options.get("dtype") is str else TEXT_BYTES)
        head = _checked_head(path, what, form)
        options = head.options() | (csv_options or {"low_memory": False})
        return pd.read_csv(path, encoding="utf-8-sig", **options)


def sign_of(path: Path, what: str, form: Form, beside: Sequence[str] = ()) -> str | None:
    r"""The decimal sign that is said, or that the numbers of a text file prove.

    Args:
        path: The table.
        what: Begins the message of an error.
        form: May say the sign.
        beside: Columns that hold no numbers; the first one when empty.

    Raises:
        StreamError: If a number may be one of two; the message asks.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "counts.csv"
        ...     _ = path.write_text("time;a;b\n2024-01-01;1.100;2,5\n")
        ...     print(sign_of(path, "counts", Form()))
        ,
    """
    if form.decimal or files.table_suffix(path) in (".parquet", ".xlsx"):
        return form.decimal
    _require(path, what)
    with _reading(path, what):
        head = read_head(path, what)
    names = [name for name in head.names if name not in (beside or head.names[:1])]
    doubt = head.in_doubt(names)
    if doubt:
        raise ask_for_decimal(doubt, f"{what}: {path}")
    return head.decimal_in(names)


def read_text(path: Path, what: str, form: Form | None = None) -> pd.DataFrame:
    r"""A CSV file whose every cell stays text, so that the ids ``007`` and ``NA`` survive.

    Numbers in the columns ``weight``, ``latitude`` and ``longitude`` have a decimal point then;
    degrees have no thousands, so that a comma is a decimal sign in them.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "nodes.csv"
        ...     _ = path.write_text("node_id\n007\nNA\n")
        ...     print(read_text(path, "nodes")["node_id"].tolist())
        ['007', 'NA']
    """
    options = {"dtype": str, "keep_default_na": False, "skipinitialspace": True}
    table = read_table(path, what, form=form, **options)
    if "weight" in table.columns:
        beside = table.columns.drop("weight").tolist()
        sign = sign_of(path, what, form, beside) if form else None  # who cannot say is not asked
        table["weight"] = as_numbers(table["weight"], sign, f"{what}: {path}")
    for name in {"latitude", "longitude"} & set(table.columns):
        if not _is_number(table[name]):
            table[name] = table[name].astype(str).str.replace(",", ".")
    return table


def write_text_table(path: Path, frame: pd.DataFrame) -> None:
    r"""Writes what ``read_text`` reads: blanks and line ends within an id are kept by quotes.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "nodes.csv"
        ...     write_text_table(path, pd.DataFrame({"node_id": [" a", "a\rb"]}))
        ...     print(read_text(path, "nodes")["node_id"].tolist())
        [' a', 'a\rb']
    """
    texts = [frame[name] for name in frame.columns if not _is_number(frame[name])]
    cells = (str(cell) for column in texts for cell in column.unique())
    odd = any(cell != cell.strip() or "\r" in cell for cell in cells)
    quoting = csv.QUOTE_NONNUMERIC if odd else csv.QUOTE_MINIMAL
    write_frame(path, frame, index=False, quoting=quoting)


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
    with _reading(path, what):
        if kind == ".parquet":
            return parquet_names(path)
        if kind == ".xlsx":
            frame = read_excel(path, what, form or Form(), {"nrows": 0})
            return [str(name).strip() for name in frame.columns]
        return _checked_head(path, what, form or Form()).names


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    """One sentence for whatever is wrong in a file."""
    try:
        yield
    except StreamError:
        raise
    except _UNREADABLE as error:
        raise StreamError(f"{what}: {path} cannot be read: {_short(error)}") from error


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype)


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


def _checked_head(path: Path, what: str, form: Form) -> Head:
    """The first lines, whose header must name each column once."""
    head = read_head(path, what)
    if not head.names:
        raise StreamError(f"{what}: {path} is empty. Give a header line and one line per row.")
    form.check_nodes(len(head.names), f"{what}: {path}")
    check_once(head.names, f"{what}: {path}")
    rows, width = [row for row in head.rows if row], len(head.names)
    numbered = all(row[0].strip() == str(i) and row[-1] for i, row in enumerate(rows, 1))
    if rows and len(rows[0]) > width + numbered:  # R numbers rows in a column without a name
        raise StreamError(
            f"{what}: the header of {path} names {width} columns, but its first row has "
            f"{len(rows[0])} cells. Name every column, and end no row with {head.separator!r}; "
            "numbers with a decimal comma need quotes or another separator."
        )
    return head


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


def _and_more(count: int) -> str:
    return f" (and {count - 1:,} more repeat)" if count > 1 else ""


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 300 else f"{text[:300]}..."
