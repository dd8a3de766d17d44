"""Reading tables of a stream, with one clear message for whatever is wrong in them."""

import csv
import gzip
import io
import re
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
from eac.errors import StreamError

MISSING = ("", "NaN", "nan", "NAN", "NA", "N/A", "n/a", "null", "NULL", "None", "-nan")
SEPARATORS = ",;\t|"
TEXT_BYTES = 4
"""Bytes that a table in memory takes for each byte of its text."""
EDGE_BYTES = 15
"""The same of a table whose every cell stays text."""
_LINE = 1 << 20
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+\Z")
_UNREADABLE = (
    *(ValueError, OSError, KeyError, IndexError, TypeError, OverflowError, EOFError),
    *(csv.Error, zlib.error, zipfile.BadZipFile, pa.ArrowException, NotImplementedError),
)


def read_table(
    path: Path, what: str, *, form: Form | None = None, **csv_options: Any
) -> pd.DataFrame:
    """A table as a frame: CSV (also compressed, or with other separators), Parquet or Excel.

    ``csv_options`` go to ``pandas.read_csv``.

    Raises:
        StreamError: If the file is missing, damaged, or larger than ``form`` allows.
    """
    form = form or Form()
    kind = files.table_suffix(path)
    if not (kind == ".parquet" and path.is_dir()):
        _require(path, what)
    try:
        if kind == ".parquet":
            _check_parquet(path, what, form)
            return cast(pd.DataFrame, pd.read_parquet(path))
        if kind == ".xlsx":
            return _read_excel(path, what, csv_options)
        _check_text(path, what, form, EDGE_BYTES if csv_options.get("dtype") is str else TEXT_BYTES)
        header, separator, decimal = _header(path, what)
        _check_header(header, path, what, form)
        options = csv_options or {"low_memory": False}
        return pd.read_csv(path, sep=separator, decimal=decimal, encoding="utf-8-sig", **options)
    except StreamError:
        raise
    except _UNREADABLE as error:
        raise StreamError(f"{what}: {path} cannot be read: {_short(error)}") from error


def read_text(path: Path, what: str, form: Form | None = None) -> pd.DataFrame:
    """A CSV file whose every cell stays text, so that the ids ``007`` and ``NA`` survive."""
    options = {"dtype": str, "keep_default_na": False, "skipinitialspace": True}
    return read_table(path, what, form=form, **options)


def read_nodes(path: Path, what: str) -> pd.DataFrame:
    """The list of nodes, one id per row, none empty or repeated."""
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


def column_names(path: Path) -> list[str]:
    """Names of the columns of a table, without reading its rows.

    Raises:
        StreamError: If the file cannot be read.
    """
    kind, what = files.table_suffix(path), "the table"
    if not (kind == ".parquet" and path.is_dir()):
        _require(path, what)
    try:
        if kind == ".parquet":
            return _schema(path).names
        if kind == ".xlsx":
            return [str(name) for name in _read_excel(path, what, {"nrows": 0}).columns]
        return _header(path, what)[0]
    except StreamError:
        raise
    except _UNREADABLE as error:
        raise StreamError(f"{path} cannot be read: {_short(error)}") from error


def require_columns(
    frame: pd.DataFrame, columns: Iterable[str], what: str, path: Path | str
) -> None:
    """Raises ``StreamError`` naming the first column that is absent."""
    for column in columns:
        if column not in frame.columns:
            found = ", ".join(map(str, frame.columns[:20]))
            raise StreamError(f"{what}: {path} has no column {column!r}. It has: {found}.")


def _require(path: Path, what: str) -> None:
    if path.is_dir():
        raise StreamError(f"{what}: {path} is a folder, not a table. Give the file, or rename it.")
    if path.is_symlink() and not path.exists():
        raise StreamError(f"{what}: {path} points to {path.readlink()}, which is not there.")
    require_file(path, what)


def _header(path: Path, what: str) -> tuple[list[str], str, str]:
    """Names of the columns of a CSV file, what separates them, and its decimal sign."""
    opener = gzip.open if files.table_suffix(path) == ".csv.gz" else open
    with cast(io.BufferedIOBase, opener(path, "rb")) as file:
        raw = file.readline(_LINE)
        following = file.readline(_LINE)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in raw:
        raise StreamError(
            f"{what}: {path} is not text in UTF-8 (it looks like UTF-16, or is no text). Save it "
            "as CSV in UTF-8."
        )
    try:
        first, second = raw.decode("utf-8-sig"), following.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(raw) == _LINE or len(following) == _LINE:
            first, second = raw.decode("utf-8-sig", "ignore"), following.decode("utf-8", "ignore")
        else:
            raise StreamError(
                f"{what}: {path} is not text in UTF-8: {error}. Save it as CSV in UTF-8."
            ) from error
    plain = re.sub(r'"[^"]*"', "", first)
    separator = max(SEPARATORS, key=lambda sign: (plain.count(sign), sign == ","))
    limit = csv.field_size_limit(_LINE)
    try:
        names = next(csv.reader([first.rstrip("\r\n")], delimiter=separator), [])
    finally:
        csv.field_size_limit(limit)
    cells = second.strip().split(separator)
    comma = separator != "," and any(_DECIMAL_COMMA.match(cell.strip()) for cell in cells)
    return [name.strip() if separator != "," else name for name in names], separator, ".,"[comma]


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


def _read_excel(path: Path, what: str, options: dict[str, Any]) -> pd.DataFrame:
    try:
        import openpyxl  # noqa: F401
    except ImportError as error:
        raise StreamError(
            f"{what}: {path} is an Excel file, which needs the library openpyxl: pip install "
            "'eac[excel]'. Or save the sheet as CSV."
        ) from error
    taken = {key: options[key] for key in ("dtype", "nrows") if key in options}
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    Form().check_memory(size * TEXT_BYTES, what, f"{path} unpacks to {size:,} bytes. Give CSV.")
    return cast(pd.DataFrame, pd.read_excel(path, **taken))


def _and_more(count: int) -> str:
    return f" (and {count - 1:,} more repeat)" if count > 1 else ""


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 300 else f"{text[:300]}..."
