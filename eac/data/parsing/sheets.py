"""Excel files: which sheet holds the readings."""

import zipfile
from pathlib import Path
from typing import Any, cast

import pandas as pd

from eac.data.parsing.form import Form
from eac.errors import StreamError

CELL_BYTES = 4
"""Bytes that a table in memory takes for each byte of the unpacked file."""


def read_excel(path: Path, what: str, form: Form, options: dict[str, Any]) -> pd.DataFrame:
    """The table in an Excel file: its one sheet, the named one, or all where they are alike.

    Args:
        path: The file.
        what: Begins the message of an error.
        form: Names the sheet, if it must be named.
        options: ``dtype`` and ``nrows`` of these go to ``pandas.read_excel``.

    Raises:
        StreamError: If openpyxl is missing, or sheets differ and none is named.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "counts.xlsx"
        ...     pd.DataFrame({"ds": ["2024-01-01"], "a": [3]}).to_excel(path, index=False)
        ...     print(read_excel(path, "counts", Form(), {})["a"].tolist())
        [3]
    """
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
    form.check_memory(size * CELL_BYTES, what, f"{path} unpacks to {size:,} bytes. Give CSV.")
    with pd.ExcelFile(path) as book:
        names = [str(name) for name in book.sheet_names]
        if form.sheet is not None:
            return _named(book, form.sheet, names, f"{what}: {path}", taken)
        heads = {name: list(_parse(book, name, {"nrows": 0}).columns) for name in names}
        filled = [name for name in names if heads[name]]
        if len({tuple(map(str, heads[name])) for name in filled}) > 1:
            raise StreamError(
                f"{what}: {path} holds the sheets {_listed(filled)}, which have other columns. Say "
                f"which one: --sheet {filled[-1]!r} (sheet in stream.yaml)."
            )
        parts = [_parse(book, name, taken) for name in filled or names[:1]]
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def _named(
    book: pd.ExcelFile, sheet: str, names: list[str], what: str, options: dict[str, Any]
) -> pd.DataFrame:
    if sheet not in names:
        raise StreamError(f"{what} has no sheet {sheet!r}. It has: {_listed(names)}.")
    return _parse(book, sheet, options)


def _parse(book: pd.ExcelFile, sheet: str, options: dict[str, Any]) -> pd.DataFrame:
    return cast(pd.DataFrame, pd.read_excel(book, sheet_name=sheet, **options))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(repr, names[:10])) + more
