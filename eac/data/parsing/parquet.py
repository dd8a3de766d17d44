"""Parquet files: their columns, and an index that pandas wrote as such."""

from pathlib import Path
from typing import cast

import pandas as pd
import pyarrow.parquet as pq

from eac.data.parsing.form import Form
from eac.errors import StreamError


def read_parquet(path: Path, what: str, form: Form) -> pd.DataFrame:
    """The table in a file or in a folder of parts; an index of ids is a column.

    Raises:
        StreamError: If it is larger than ``form`` allows.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "counts.parquet"
        ...     pd.DataFrame({"unique_id": ["a"], "y": [3]}).set_index("unique_id").to_parquet(path)
        ...     print(list(read_parquet(path, "counts", Form()).columns), parquet_names(path))
        ['unique_id', 'y'] ['unique_id', 'y']
    """
    _check_size(path, what, form)
    return _checked_text(_with_levels(cast(pd.DataFrame, pd.read_parquet(path))))


def parquet_names(path: Path) -> list[str]:
    """Names of the columns; the levels of an index come first where they have names."""
    schema = pq.ParquetDataset(path).schema if path.is_dir() else pq.read_schema(path)
    described = schema.pandas_metadata or {}
    levels = [name for name in described.get("index_columns", ()) if isinstance(name, str)]
    named = [name for name in levels if len(levels) > 1 or not name.startswith("__index_level_")]
    return named + [name for name in schema.names if name not in named]


def _with_levels(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with an index in columns of their own, as the file names them.

    A clock stays the index, as does a numbering without a name.
    """
    index = frame.index
    if isinstance(index, pd.DatetimeIndex) or (index.nlevels == 1 and index.name is None):
        return frame
    names = [
        f"__index_level_{i}__" if name is None else str(name) for i, name in enumerate(index.names)
    ]
    frame = frame.set_axis(index.set_names(names))
    twice = [name for name in names if name in frame.columns]
    return frame.reset_index(twice, drop=True).reset_index() if twice else frame.reset_index()


def _checked_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame, after a look that its text is text: that of a damaged file need not be."""
    for values in (frame.index.array, *(frame.iloc[:, i].array for i in range(frame.shape[1]))):
        if isinstance(values.dtype, pd.StringDtype) and hasattr(values, "__arrow_array__"):
            values.__arrow_array__().validate(full=True)
    return frame


def _check_size(path: Path, what: str, form: Form) -> None:
    parts = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    tables = [p for p in parts if not p.name.startswith(("_", "."))]
    if not tables:
        raise StreamError(f"{what}: {path} is empty. Give a folder of Parquet files.")
    found = [pq.read_metadata(part) for part in tables]
    form.check_nodes(max(meta.num_columns for meta in found), f"{what}: {path}")
    size = sum(meta.num_rows * meta.num_columns for meta in found) * 8
    rows = sum(meta.num_rows for meta in found)
    form.check_memory(size, what, f"{path} holds {rows:,} rows. Give less at once.")
