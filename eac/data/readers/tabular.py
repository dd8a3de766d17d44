"""Reading tables of a stream, with one clear message for whatever is wrong in them."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from eac.data.readers.files import require_file
from eac.errors import StreamError

MISSING = ("", "NaN", "nan", "NAN", "NA", "N/A", "n/a", "null", "NULL", "None", "-nan")


def read_table(path: Path, what: str, **csv_options: Any) -> pd.DataFrame:
    """A CSV or Parquet file as a frame; ``csv_options`` go to ``pandas.read_csv``."""
    require_file(path, what)
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        _check_header(path, what)
        return pd.read_csv(path, **(csv_options or {"low_memory": False}))
    except StreamError:
        raise
    except (ValueError, OSError) as error:
        raise StreamError(f"{what}: {path} cannot be read: {error}") from error


def read_text(path: Path, what: str) -> pd.DataFrame:
    """A CSV file whose every cell stays text, so that the ids ``007`` and ``NA`` survive."""
    return read_table(path, what, dtype=str, keep_default_na=False, skipinitialspace=True)


def read_long(path: Path, what: str) -> pd.DataFrame:
    """A long frame ``unique_id, ds, y`` whose ids stay text."""
    text = dict.fromkeys(("unique_id", "period"), str)
    return read_table(path, what, dtype=text, keep_default_na=False, na_values={"y": MISSING})


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
            f"{twice[0]} of {path}. Give each node once."
        )
    return nodes


def column_names(path: Path) -> list[str]:
    """Names of the columns of a CSV or Parquet file, without reading its rows."""
    if path.suffix == ".parquet":
        return pq.read_schema(path).names
    with path.open(newline="", encoding="utf-8-sig") as lines:
        return next(csv.reader(lines), [])


def require_columns(
    frame: pd.DataFrame, columns: Iterable[str], what: str, path: Path | str
) -> None:
    """Raises ``StreamError`` naming the first column that is absent."""
    for column in columns:
        if column not in frame.columns:
            found = ", ".join(map(str, frame.columns))
            raise StreamError(f"{what}: {path} has no column {column!r}. It has: {found}.")


def _check_header(path: Path, what: str) -> None:
    header = column_names(path)
    if not header:
        raise StreamError(f"{what}: {path} is empty. Give a header line and one line per row.")
    seen: set[str] = set()
    for column in header:
        if column in seen:
            raise StreamError(f"{what}: {path} has column {column!r} twice. Give each id once.")
        seen.add(column)
