"""The first lines of a CSV file: its columns, what separates them, and its decimal sign."""

import csv
import gzip
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

from eac.data.parsing import files
from eac.data.parsing.cells import decimal_of, proves_comma, thousands_or_decimals
from eac.errors import StreamError

SEPARATORS = ",;\t|"
_LINE, _SAMPLE, _ROWS = 1 << 24, 1 << 18, 1000
_SEP_LINE = re.compile(r'"?sep=(.)"?')


@dataclass(frozen=True)
class Head:
    """What the first lines of a CSV file say.

    Attributes:
        names: Of the columns, without spaces around them.
        separator: Between two cells.
        skipped: Lines before the header: the ``sep=;`` of a spreadsheet.
        decimal: The decimal sign that some cell proves, or None.
        spaced: True where names have spaces around them.
        rows: Cells of the first lines, as text.

    Example:
        >>> head = Head(["unique_id", "y"], ";", 0, None, False, (("a", "4.800"), ("b", "312")))
        >>> head.in_doubt(["y"])
        '4.800'
    """

    names: list[str]
    separator: str
    skipped: int
    decimal: str | None
    spaced: bool
    rows: tuple[tuple[str, ...], ...]

    def options(self) -> dict[str, Any]:
        """For ``pandas.read_csv``."""
        plain: dict[str, Any] = {"sep": self.separator, "decimal": self.decimal or "."}
        if self.spaced:
            plain |= {"names": self.names, "header": 0}
        return plain | ({"skiprows": self.skipped} if self.skipped else {})

    def decimal_in(self, columns: Sequence[str]) -> str | None:
        """The decimal sign that cells of these columns prove; ids and other columns may differ."""
        return _decimal(self._cells(columns), self.separator)

    def in_doubt(self, columns: Sequence[str]) -> str | None:
        """A number of these columns that may be 4.8 or 4800, where separators hint at both."""
        if self.separator != ";" or self.decimal_in(columns) is not None:
            return None
        return thousands_or_decimals(self._cells(columns))

    def _cells(self, columns: Sequence[str]) -> list[str]:
        at = [i for i, name in enumerate(self.names) if name in columns]
        return [row[i].strip() for row in self.rows for i in at if i < len(row)]


def read_head(path: Path, what: str) -> Head:
    r"""Reads the first lines of a CSV file, which may be compressed.

    Raises:
        StreamError: If it is no text in UTF-8.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "counts.csv"
        ...     _ = path.write_text("sep=;\nunique_id;y\na;4,5\n")
        ...     head = read_head(path, "counts")
        >>> head.names, head.separator, head.decimal
        (['unique_id', 'y'], ';', ',')
    """
    opener = gzip.open if files.table_suffix(path) == ".csv.gz" else open
    with cast(io.BufferedIOBase, opener(path, "rb")) as file:
        raw = file.readline(_LINE)
        rest = file.read(_SAMPLE)
    _check_text(raw, path, what)
    first, lines = _decoded(raw, path, what), rest.decode("utf-8", "replace").splitlines()
    if raw.endswith(b"\n"):  # else the rest begins within a line
        _decoded(rest[: rest.find(b"\n") + 1], path, what)
    said, skipped = _SEP_LINE.fullmatch(first.strip()), 0
    if said is not None and lines:
        first, lines, skipped = lines[0], lines[1:], 1
    plain = re.sub(r'"[^"]*"', "", first)
    separator = max(SEPARATORS, key=lambda sign: (plain.count(sign), sign == ","))
    separator = said[1] if said is not None else separator
    limit = csv.field_size_limit(_LINE)
    try:
        names = next(csv.reader([first.rstrip("\r\n")], delimiter=separator), [])
        found = csv.reader(lines[:-1] if len(rest) == _SAMPLE else lines, delimiter=separator)
        rows = tuple(tuple(row) for row in islice(found, _ROWS))
    finally:
        csv.field_size_limit(limit)
    decimal = _decimal([cell.strip() for row in rows for cell in row], separator)
    stripped = [name.strip() for name in names]
    return Head(stripped, separator, skipped, decimal, stripped != names, rows)


def _decimal(cells: list[str], separator: str) -> str | None:
    if separator == ",":
        return None
    return "," if proves_comma(cells) else decimal_of(cells)


def _check_text(raw: bytes, path: Path, what: str) -> None:
    if raw[:2] == b"\x1f\x8b":
        raise StreamError(f"{what}: {path} is compressed. Rename it to end in .csv.gz.")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in raw:
        raise StreamError(
            f"{what}: {path} is not text in UTF-8 (it looks like UTF-16, or is no text). Save it "
            "as CSV in UTF-8."
        )


def _decoded(line: bytes, path: Path, what: str) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(line) == _LINE:
            return line.decode("utf-8-sig", "ignore")
        raise StreamError(
            f"{what}: {path} is not text in UTF-8: {error}. Save it as CSV in UTF-8."
        ) from error
