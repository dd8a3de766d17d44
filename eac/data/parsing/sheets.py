"""Excel files: which sheet holds the readings."""

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd

from eac.data.parsing.form import Form
from eac.errors import StreamError

_TAKEN = ("dtype", "nrows", "keep_default_na", "na_values")
_SHEETS = re.compile(r"xl/worksheets/sheet(\d+)\.xml")
_NO_RESULT = re.compile(
    rb'<c r="([A-Z]+[0-9]+)"(?:(?! t="str")[^>])*>'
    rb"(?:<f[^>]*/>|<f[^>]*>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>|</c>)"
)
"""A cell whose formula was never computed; an empty text is a result."""
CELL_BYTES = 4
"""Bytes that a table in memory takes for each byte of the unpacked file."""


def read_excel(path: Path, what: str, form: Form, options: dict[str, Any]) -> pd.DataFrame:
    """The table in an Excel file: its one sheet, the named one, or all where they are alike.

    Args:
        path: The file.
        what: Begins the message of an error.
        form: Names the sheet, if it must be named.
        options: ``dtype``, ``nrows`` and what is missing go to ``pandas.read_excel``.

    Raises:
        StreamError: If openpyxl is missing, sheets differ and none is named, or a formula has no
            result.

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
    taken = {key: options[key] for key in _TAKEN if key in options}
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        form.check_memory(size * CELL_BYTES, what, f"{path} unpacks to {size:,} bytes. Give CSV.")
        _check_results(archive, f"{what}: {path}")
    with pd.ExcelFile(path) as book:
        names = [str(name) for name in book.sheet_names]
        if form.sheet is not None:
            _check_sheet(form.sheet, names, f"{what}: {path}")
            names = [form.sheet]
        heads = {name: list(_parse(book, name, {"nrows": 0}).columns) for name in names}
        filled = [name for name in names if heads[name]]
        if len({tuple(map(str, heads[name])) for name in filled}) > 1:
            raise StreamError(
                f"{what}: {path} holds the sheets {_listed(filled)}, which have other columns. Say "
                f"which one: --sheet {filled[-1]!r} (sheet in stream.yaml)."
            )
        for name in filled[:1]:
            check_once(_header(book, name), f"{what}: {path}")
        parts = [_parse(book, name, taken) for name in filled or names[:1]]
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def check_once(names: Sequence[str], where: str) -> None:
    """Refuses a header that names a column twice.

    Example:
        >>> check_once(["ds", "a"], "counts.csv")
    """
    seen: set[str] = set()
    twice = [name for name in names if name in seen or seen.add(name)]
    if twice:
        more = f" (and {len(twice) - 1:,} more repeat)" if len(twice) > 1 else ""
        advice = "Give each id once." if twice[0] else "Name each column, or remove it."
        raise StreamError(f"{where} has column {twice[0]!r} twice{more}. {advice}")


def _check_sheet(sheet: str, names: list[str], what: str) -> None:
    if sheet not in names:
        raise StreamError(f"{what} has no sheet {sheet!r}. It has: {_listed(names)}.")


def _check_results(archive: zipfile.ZipFile, where: str) -> None:
    """Refuses a formula without a result, which would be read as a missing reading."""
    for entry in archive.namelist():
        sheet = _SHEETS.fullmatch(entry)
        found = sheet and _NO_RESULT.search(archive.read(entry))
        if sheet and found:
            raise StreamError(
                f"{where}: cell {found[1].decode()} of sheet {sheet[1]} holds a formula whose "
                "result was never saved. Open the file in a spreadsheet program and save it, or "
                "give CSV."
            )


def _header(book: pd.ExcelFile, sheet: str) -> list[str]:
    """The names in the first row as they stand there; pandas makes ``a.1`` of a second ``a``."""
    first = _parse(book, sheet, {"header": None, "nrows": 1, "dtype": object})
    return [str(name).strip() for name in first.to_numpy().ravel() if not pd.isna(name)]


def _parse(book: pd.ExcelFile, sheet: str, options: dict[str, Any]) -> pd.DataFrame:
    return cast(pd.DataFrame, pd.read_excel(book, sheet_name=sheet, **options))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(repr, names[:10])) + more
