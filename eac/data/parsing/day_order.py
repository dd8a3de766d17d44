"""Dates such as 03/04/2024: whether the day comes first."""

import re
from collections.abc import Sequence

import pandas as pd

from eac.data.parsing.form import Form
from eac.errors import StreamError

_DAY_MONTH = re.compile(
    r"\s*(?:[A-Za-z]{2,9}\.?,?\s+)?(\d{1,2})([/.\-])(\d{1,2})\2(\d{4}|\d{2})(?!\d)"
)


def dates_of(texts: Sequence[str]) -> list[re.Match[str]]:
    """The dates that begin these texts, with the year last; none where some text has no such date.

    Example:
        >>> dates_of(["31.01.2024 13:00"])[0].group(1, 3, 4), dates_of(["2024-01-31"])
        (('31', '01', '2024'), [])
    """
    found = [_DAY_MONTH.match(text) for text in texts]
    dates = [date for date in found if date is not None]
    return dates if len(dates) == len(texts) else []


def dates_in(values: pd.Index) -> list[re.Match[str]]:
    """The same of a column of any kind.

    Example:
        >>> len(dates_in(pd.Index(["1.2.2024", "1.2.2024", "2.2.2024"]))), dates_in(pd.Index([7]))
        (2, [])
    """
    texts = pd.api.types.is_object_dtype(values.dtype) or pd.api.types.is_string_dtype(values.dtype)
    return dates_of([str(value) for value in values.unique()]) if texts else []


def proven_order(dates: Sequence[re.Match[str]]) -> bool | None:
    """Whether the day comes first, as some date proves; None where none does.

    Example:
        >>> proven_order(dates_of(["31.01.2024"])), proven_order(dates_of(["01.02.2024"]))
        (True, None)
    """
    day_first, month_first = _proofs(dates)
    proof = day_first or month_first
    return None if proof is None else proof is day_first


def _proofs(
    dates: Sequence[re.Match[str]],
) -> tuple[re.Match[str] | None, re.Match[str] | None]:
    """A date that can only have its day first, and one that can only have its month first."""
    day_first = next((d for d in dates if int(d[1]) > 12), None)
    month_first = next((d for d in dates if int(d[3]) > 12), None)
    return day_first, month_first


def check_year_last(dates: list[re.Match[str]], form: Form, what: str) -> None:
    """Refuses dates such as 24-01-31, whose year of two digits may come first.

    What changes most often is the day. Where neither does, points say that the day is first.

    Example:
        >>> try:
        ...     check_year_last(dates_of(["24-01-30", "24-01-31"]), Form(), "counts")
        ... except StreamError as error:
        ...     print(str(error).partition(".")[0])
        counts: 24-01-30 may begin with its day or with its year
    """
    could = all(len(d[4]) == 2 and int(d[3]) <= 12 and 1 <= int(d[4]) <= 31 for d in dates)
    first, last = ({d[part] for d in dates} for part in (1, 4))
    if not could or form.dayfirst is not None or len(first) > len(last):
        return
    if len(first) < len(last) or dates[0][2] != ".":
        sign = dates[0][2]
        forms = (sign.join(part) for part in (("%d", "%m", "%y"), ("%y", "%m", "%d")))
        raise StreamError(
            f"{what}: {dates[0][0].strip()} may begin with its day or with its year. Say which: "
            "date_format, such as {!r} or {!r}, with ' %H:%M' where a time follows.".format(*forms)
        )


def is_day_first(dates: list[re.Match[str]], form: Form, what: str) -> bool:
    """Whether the day comes first, as some date proves or the person says.

    Raises:
        StreamError: If nothing decides it, or dates contradict each other or the person.

    Example:
        >>> is_day_first(dates_of(["31.01.2024", "01.02.2024"]), Form(), "counts")
        True
    """
    day_first, month_first = _proofs(dates)
    if day_first and month_first:
        raise StreamError(
            f"{what}: {day_first[0].strip()} can only have its day first, {month_first[0].strip()} "
            "only its month. Write all dates the same way."
        )
    proof = day_first or month_first
    proven = None if proof is None else proof is day_first
    if proven is None and form.dayfirst is None:
        raise StreamError(
            f"{what}: {dates[0][0].strip()} may be day first or month first, and no date in the "
            "column decides it. Say which: --dayfirst true or --dayfirst false (dayfirst: true in "
            "stream.yaml), or give date_format, such as '%d/%m/%Y %H:%M'."
        )
    if proof is not None and form.dayfirst not in (None, proven):
        raise StreamError(
            f"{what}: dayfirst is {str(form.dayfirst).lower()}, but {proof[0].strip()} has its "
            f"{'day' if proven else 'month'} first. Correct one of them."
        )
    return bool(form.dayfirst if proven is None else proven)
