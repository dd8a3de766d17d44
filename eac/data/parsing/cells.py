"""Readings as people write them: 1.234,5 and 1,234.5, and which of the two it is."""

import re
from collections.abc import Iterable
from functools import cache
from numbers import Number

import numpy as np
import pandas as pd

from eac.errors import StreamError

_SIGNS = {".": ",", ",": "."}
_ASK = "Say which: --decimal , or --decimal . (decimal: ',' in stream.yaml)."


def decimal_of(cells: Iterable[str]) -> str | None:
    """The decimal sign that these cells prove; None where they prove none.

    Example:
        >>> decimal_of(["12", "1.234,5"]), decimal_of(["3,5"]), decimal_of(["1,234"])
        (',', ',', None)
    """
    texts = list(cells)
    proven = [sign for sign in _SIGNS if any(_proves(sign).fullmatch(text) for text in texts)]
    return proven[0] if len(proven) == 1 else None


def proves_comma(cells: Iterable[str]) -> bool:
    """True where some cell can only be a number with a decimal comma.

    Example:
        >>> proves_comma(["3,5"]), proves_comma(["1,234"])
        (True, False)
    """
    return any(_proves(",").fullmatch(cell) for cell in cells if "," in cell)


def thousands_or_decimals(cells: Iterable[str]) -> str | None:
    """A cell that is 4.8 or 4800 as one likes, where no other cell decides it; else None.

    Example:
        >>> thousands_or_decimals(["4.800", "312"]), thousands_or_decimals(["4.800", "4.85"])
        ('4.800', None)
    """
    texts = list(cells)
    either = re.compile(r"-?[1-9]\d{0,2}\.\d{3}")
    if decimal_of(texts) is not None:
        return None
    return next((text for text in texts if either.fullmatch(text)), None)


def as_numbers(values: pd.Series, decimal: str | None, what: str) -> pd.Series:
    """Readings with the signs of ``decimal``, or those that they prove, as plain numbers in text.

    Raises:
        StreamError: If numbers such as 1,234 may be one of two.

    Example:
        >>> as_numbers(pd.Series(["1.234,5", "7"]), None, "counts.csv").tolist()
        ['1234.5', '7']
    """
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values
    mixed = values if values.dtype == object else ()
    numbers = np.array([isinstance(value, Number) for value in mixed], dtype=bool)
    if numbers.any():  # cells of a spreadsheet, which have no signs
        read = values.to_numpy(dtype=object, copy=True)
        if not numbers.all():
            read[~numbers] = as_numbers(values[~numbers], decimal, what)
        return pd.Series(read, index=values.index)
    code, found = pd.factorize(values)
    texts = [str(text).strip() for text in found]
    signed = [text for text in texts if _SIGNED.fullmatch(text)]
    decimal = decimal or decimal_of(signed)
    if decimal is None:
        either = next((text for text in signed if "," in text), None)
        if either is None:
            return values
        point = either.replace(",", ".")
        raise StreamError(
            f"{what}: {either} may be {float(point):g} or {either.replace(',', '')}, and no "
            f"reading decides it. {_ASK}"
        )
    number = re.compile(rf"-?(\d{{1,3}}({re.escape(_SIGNS[decimal])}\d{{3}})+|\d+)?"
                        rf"({re.escape(decimal)}\d*)?(e[+-]?\d+)?", re.IGNORECASE)  # fmt: skip
    plain = [
        text.replace(_SIGNS[decimal], "").replace(decimal, ".") if number.fullmatch(text) else text
        for text in texts
    ]
    return pd.Series(np.array([*plain, ""], dtype=object)[code], index=values.index)


def ask_for_decimal(cell: str, what: str) -> StreamError:
    """The question that a cell such as 4.800 asks in a file with semicolons.

    Example:
        >>> str(ask_for_decimal("4.800", "counts.csv")).partition(",")[0]
        'counts.csv: 4.800 may be 4.8 or 4800'
    """
    return StreamError(
        f"{what}: {cell} may be {float(cell):g} or {cell.replace('.', '')}, and no reading "
        f"decides it. {_ASK}"
    )


@cache
def _proves(sign: str) -> re.Pattern[str]:
    """Numbers that can only have this decimal sign."""
    mark, other = re.escape(sign), re.escape(_SIGNS[sign])
    grouped = rf"\d{{1,3}}({other}\d{{3}})+{mark}\d+|\d{{1,3}}({other}\d{{3}}){{2,}}"
    return re.compile(rf"-?(\d*{mark}(\d{{1,2}}|\d{{4,}})|0{mark}\d+|\d{{4,}}{mark}\d+|{grouped})")


_SIGNED = re.compile(r"-?\d[\d.,]*")
