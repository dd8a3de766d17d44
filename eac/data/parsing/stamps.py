"""Time stamps as people write them: formats, time zones, and what must be asked for."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal, TypeAlias, cast

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy import ndarray

from eac.data.parsing.day_order import check_year_last, dates_of, is_day_first
from eac.data.parsing.form import Form
from eac.data.parsing.zones import find_zone, offset_of, one_offset, with_plain_offset, zone_of
from eac.errors import StreamError

EXAMPLE = "Give time stamps such as 2024-01-31 13:00."
_ISO = re.compile(r"\s*\d{4}[-/.]\d{1,2}|\s*\d{8}(?:[T ]|$)")
_WORDS = re.compile(r"[A-Za-z]{3}.*\d{4}|\d{4}.*[A-Za-z]{3}")
_YEARS = (1700, 2260)
_Noted: TypeAlias = tuple[pd.DatetimeIndex, tuple[str, ...]]
"""Time stamps, and what a person should know of how they were read."""


@dataclass(frozen=True, eq=False)
class Stamps:
    """Time stamps, one per row, as a clock on the wall shows them.

    Attributes:
        wall: Without a zone, in the order of the rows.
        zone: Whose clock it is, where that is known.
        again: True in the hour that a clock change repeats, the second time.
        notes: What a person should know of how they were read.
    """

    wall: pd.DatetimeIndex
    zone: tzinfo | None
    again: Bool[ndarray, " row"]
    notes: tuple[str, ...] = ()

    @staticmethod
    def none() -> "Stamps":
        """No time stamp."""
        return Stamps(pd.DatetimeIndex([]), None, np.zeros(0, dtype=bool))

    def moments(self) -> pd.DatetimeIndex:
        """The time stamps with their zone, where they have one."""
        if self.zone is None:
            return self.wall
        return self.wall.tz_localize(self.zone, ambiguous=~self.again, nonexistent="shift_forward")

    def localised(self, stamp: pd.Timestamp) -> pd.Timestamp:
        """A time stamp of this clock, with its zone."""
        if self.zone is None:
            return stamp
        return stamp.tz_localize(self.zone, ambiguous=True, nonexistent="shift_forward")


def parse_stamps(values: pd.Series | pd.Index, what: str, form: Form | None = None) -> Stamps:
    """Reads a column of time stamps.

    Raises:
        StreamError: If a value is no time stamp, if some have a time zone and some have none, or if
            the order of day and month is not certain.

    Example:
        >>> dates = pd.Index(["31.01.2024 13:00", "01.02.2024 13:00"], name="ds")
        >>> parse_stamps(dates, "counts").wall[1]
        Timestamp('2024-02-01 13:00:00')
    """
    form = form or Form()
    values = pd.Index(values)
    if isinstance(values, pd.DatetimeIndex):
        _check_years(values, values, what)
        return _on_the_wall(values, form, what)
    if form.date_format is not None:
        found, notes = _by_format(values, form, what)
        return _on_the_wall(found, form, what, notes)
    if pd.api.types.is_numeric_dtype(values.dtype):
        raise StreamError(
            f"{what}: the time column {str(values.name)!r} holds numbers, first "
            f"{_plain(values[0])}. {EXAMPLE} Or say what they are: date_format: unix for seconds "
            "since 1970, '%Y%m%d' for days such as 20240131, or steps_per_day: 24 where they "
            "count steps."
        )
    code, unique = pd.factorize(values)
    found, notes = _parsed(pd.Index(unique).astype(str), values, code, form, what)
    return _on_the_wall(found, form, what, notes)


def _parsed(unique: pd.Index, values: pd.Index, code: ndarray, form: Form, what: str) -> _Noted:
    """The time stamps of texts, each of which is read once."""
    if (code < 0).any() or len(unique) == 0:
        _refuse(values, np.flatnonzero(code < 0), what)
    texts = [with_plain_offset(str(text).strip()) for text in unique]
    offsets = [offset_of(text) for text in texts]
    zoned = np.array([offset is not None for offset in offsets])
    if zoned.any() and not zoned.all():
        some, none = texts[int(zoned.argmax())], texts[int((~zoned).argmax())]
        raise StreamError(
            f"{what}: {int(zoned[code].sum())} time stamps name a time zone, such as {some}, and "
            f"{int((~zoned)[code].sum())} name none, such as {none}. Give all of them a zone, or "
            "none."
        )
    stamps = _of_texts(texts, form, zoned=bool(zoned.any()), what=what)
    bad = np.flatnonzero(stamps.isna()[code])
    if len(bad):
        _refuse(values, bad, what)
    _check_years(stamps[code], values, what)
    if not zoned.any():
        return stamps[code], ()
    found, notes = _by_their_clock(stamps, texts, form, what)
    return found[code], notes


def _by_their_clock(
    stamps: pd.DatetimeIndex, texts: Sequence[str], form: Form, what: str
) -> _Noted:
    """Moments by the clock of the offsets in their texts; of the zone that is named, if one is."""
    offsets = [offset_of(text) for text in texts]
    if form.time_zone is not None or None in offsets:
        return stamps, ()
    zone, others = zone_of(stamps, np.array(offsets), what)
    shown = ", ".join(others[:3]) + ", ..." * (len(others) > 3)
    note = (
        f"time stamps are read by the clock of {zone}, one of several that have their offsets and "
        f"differ later ({shown}): --time-zone NAME (time_zone in stream.yaml) says which",
    )
    return stamps.tz_convert(zone), note if others else ()


def _of_texts(texts: list[str], form: Form, *, zoned: bool, what: str) -> pd.DatetimeIndex:
    """Time stamps in UTC where they name a zone; NaT where a text is none."""
    dates = dates_of(texts)
    column = pd.Series(texts, dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dates:
            check_year_last(dates, form, what)
            first = is_day_first(dates, form, what)
            read = pd.to_datetime(
                column, format="mixed", dayfirst=first, errors="coerce", utc=zoned
            )
        elif all(_ISO.match(text) for text in texts):
            read = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=zoned)
        else:
            known = column.where(np.array([bool(_ISO.match(t) or _WORDS.search(t)) for t in texts]))
            read = pd.to_datetime(known, format="mixed", errors="coerce", utc=zoned)
    if read.dtype == object:
        read = pd.to_datetime(column.where(column.isna()), errors="coerce", utc=zoned)
    return pd.DatetimeIndex(read)


def _by_format(values: pd.Index, form: Form, what: str) -> _Noted:
    """Time stamps in the format that a person gave."""
    pattern = str(form.date_format)
    units: dict[str, Literal["s", "ms"]] = {"unix": "s", "unix_ms": "ms"}
    texts = pd.Series(values.astype(str) if pattern not in units else values)
    try:
        if pattern in units:
            numbers = pd.to_numeric(texts, errors="coerce")
            stamps = pd.to_datetime(numbers, unit=units[pattern], errors="coerce", utc=True)
        else:
            stamps = pd.to_datetime(
                texts.str.removesuffix(".0"), format=pattern, errors="coerce", utc="%z" in pattern
            )
    except ValueError as error:
        raise StreamError(f"{what}: date_format {pattern!r} cannot be used: {error}.") from error
    found = pd.DatetimeIndex(stamps)
    bad = np.flatnonzero(found.isna())
    if len(bad):
        raise StreamError(
            f"{what}: {len(bad)} time stamps are not of the form {pattern!r}, first "
            f"{_plain(values[bad[0]])} in row {bad[0]}. Correct them, or the format."
        )
    _check_years(found, values, what)
    return _by_their_clock(found, texts.tolist(), form, what) if "%z" in pattern else (found, ())


def _on_the_wall(
    stamps: pd.DatetimeIndex, form: Form, what: str, noted: tuple[str, ...] = ()
) -> Stamps:
    """Time stamps by the clock of their zone, or of the zone that a person names."""
    named = None if form.time_zone is None else find_zone(form.time_zone, what)
    none = np.zeros(len(stamps), dtype=bool)
    stamps = stamps.as_unit("us")
    if stamps.tz is None:
        return Stamps(stamps, named, none, () if named is None else _skipped(stamps, named))
    zone = named or cast(tzinfo, stamps.tz)
    local = stamps.tz_convert(zone)
    wall = local.tz_localize(None)
    first = wall.tz_localize(
        zone, ambiguous=np.ones(len(wall), dtype=bool), nonexistent="shift_forward"
    )
    again = np.asarray(first != local)
    notes = ()
    if named is not None and str(named) != str(stamps.tz):
        notes = (f"time stamps in {stamps.tz} are read by the clock of {named}",)
    elif again.any():
        notes = (f"time stamps are read by the clock of {zone}, across its changes",)
    elif named is None and len(wall):
        notes = one_offset(zone, wall.max() - wall.min())
    return Stamps(wall, zone, again, (*notes, *noted))


def _skipped(stamps: pd.DatetimeIndex, zone: tzinfo) -> tuple[str, ...]:
    """A note where the clock of the zone never shows some of these times."""
    times = stamps.unique()
    never = times[times.tz_localize(zone, ambiguous=True, nonexistent="NaT").isna()]
    if not len(never):
        return ()
    return (
        f"{len(never)} time stamps are skipped by the clock of {zone}, first {never[0]}: the clock "
        "of the file does not seem to change. Give its offset as time_zone, such as '+01:00'.",
    )


def _check_years(stamps: pd.DatetimeIndex, values: pd.Index, what: str) -> None:
    if stamps.hasnans:
        _refuse(values, np.flatnonzero(stamps.isna()), what)
    if len(stamps) == 0:
        return
    years = np.asarray(stamps.year)
    bad = np.flatnonzero((years < _YEARS[0]) | (years > _YEARS[1]))
    if len(bad):
        raise StreamError(
            f"{what}: {len(bad)} time stamps lie outside the years {_YEARS[0]} to {_YEARS[1]}, "
            f"first {_plain(values[bad[0]])} in row {bad[0]}. Correct them."
        )


def _refuse(values: pd.Index, bad: ndarray, what: str) -> None:
    first = bad[0] if len(bad) else 0
    shown = _plain(values[first]) if len(values) else "none"
    how = "Or say how they are written: date_format, such as '%d.%m.%Y %H:%M'."
    if not any(sign.isdigit() for sign in shown):
        how = "Remove the row where it is none, such as a sum or a line of units."
    if "24:00" in shown:
        how = "Write 24:00 as 00:00 of the next day."
    raise StreamError(
        f"{what}: {len(bad)} time stamps cannot be read, first {shown} in row {first}. {EXAMPLE} "
        f"{how}"
    )


def _plain(value: object) -> str:
    """A value as a person would write it."""
    plain = value.item() if isinstance(value, np.generic) else value
    return str(plain) if isinstance(plain, int | float | pd.Timestamp) else repr(plain)
