"""Time zones as people write them: names, offsets, and the zone that offsets belong to."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd
from numpy import ndarray

from eac.errors import StreamError

_OFFSET = re.compile(r":\d{2}.*?(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)\s*$")
_FROM_UTC = re.compile(
    r"(?<=\d)\s*(?:GMT|UTC)(?:\s*([+-])(\d{1,2})(?::?(\d{2}))?)?\s*(?:\([^()]*\))?\s*$"
)
_LIKELY_ZONES = (
    *("Europe/Berlin", "Europe/London", "Europe/Helsinki", "America/New_York", "America/Chicago"),
    *("America/Denver", "America/Los_Angeles", "Australia/Sydney", "Pacific/Auckland"),
    *("America/Santiago", "America/Sao_Paulo", "America/Mexico_City", "America/Havana"),
    *("America/Asuncion", "America/Halifax", "America/St_Johns", "America/Anchorage"),
    *("America/Nuuk", "Atlantic/Azores", "Europe/Moscow", "Europe/Istanbul", "Europe/Chisinau"),
    *("Asia/Jerusalem", "Asia/Beirut", "Asia/Tehran", "Africa/Cairo", "Africa/Casablanca"),
)
"""Where several zones fit, the first of these is meant: widely used, and one for its rules."""
_LATER_WEEKS = 5 * 52
"""Weeks after the last time stamp over which zones that fit are compared."""
HALF_A_YEAR = timedelta(days=200)


def with_plain_offset(text: str) -> str:
    """``GMT+1`` at the end of a time stamp as ``+01:00``: libraries read its sign the other way.

    Example:
        >>> with_plain_offset("Wed Jan 31 2024 00:00:00 GMT+0100 (CET)")
        'Wed Jan 31 2024 00:00:00+01:00'
    """
    return _FROM_UTC.sub(lambda m: f"{m[1] or '+'}{int(m[2] or 0):02d}:{m[3] or '00'}", text)


def offset_of(text: str) -> int | None:
    """Minutes ahead of UTC that a time stamp names; None where it names none.

    Example:
        >>> offset_of("2024-01-31 13:00+0530"), offset_of("2024-01-31 13:00")
        (330, None)
    """
    found = _OFFSET.search(text)
    return None if found is None else _minutes(found[1])


def find_zone(name: str, what: str) -> tzinfo:
    """The time zone of this name, or a fixed offset such as ``+02:00``.

    Raises:
        StreamError: If it is neither.

    Example:
        >>> find_zone("+02:00", "counts").utcoffset(None)
        datetime.timedelta(seconds=7200)
    """
    if re.fullmatch(r"[+-]\d{2}:?\d{2}", name.strip()):
        return timezone(timedelta(minutes=_minutes(name.strip())))
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise StreamError(
            f"{what}: time_zone {name!r} is not known. Give a name such as Europe/Oslo, or an "
            "offset such as +02:00 (in quotes in stream.yaml)."
        ) from error


def one_offset(zone: tzinfo, span: timedelta) -> tuple[str, ...]:
    """What to say of stamps of one offset, over too short a time to show that it never changes.

    Example:
        >>> [said] = one_offset(timezone(timedelta(hours=2)), timedelta(days=90))
        >>> said.partition(":")[0]
        'all time stamps have the offset UTC+02'
    """
    if not (isinstance(zone, timezone) and zone.utcoffset(None)) or span > HALF_A_YEAR:
        return ()
    return (
        f"all time stamps have the offset {zone}: where clocks change, say whose it is "
        "(--time-zone Europe/Oslo, or time_zone in stream.yaml), or forecasts after a change are "
        "an hour off",
    )


def zone_of(
    stamps: pd.DatetimeIndex, minutes: ndarray, what: str
) -> tuple[tzinfo, tuple[str, ...]]:
    """The zone whose clock has these offsets, and the names of others that differ from it later.

    Args:
        stamps: Moments.
        minutes: Ahead of UTC, of each.
        what: Begins the message of an error.

    Raises:
        StreamError: If there is none.

    Example:
        >>> moments = pd.DatetimeIndex(["2024-01-01", "2024-07-01"], tz="UTC")
        >>> zone, others = zone_of(moments, np.array([60, 120]), "counts")
        >>> str(zone), others
        ('Europe/Berlin', ())
    """
    offsets = sorted(set(minutes.tolist()))
    if len(offsets) == 1:
        return timezone(timedelta(minutes=offsets[0])) if offsets[0] else UTC, ()
    order = stamps.argsort()
    sorted_minutes = minutes[order]
    edge = np.flatnonzero(np.diff(sorted_minutes) != 0)
    places = np.unique(np.concatenate([edge, edge + 1, [0, len(order) - 1]]))
    moments = tuple(stamps[order[place]].to_pydatetime() for place in places)
    zones = _fitting_zones(moments, tuple(int(sorted_minutes[place]) for place in places))
    if not zones:
        shown = ", ".join(f"{_sign(value)}" for value in offsets)
        raise StreamError(
            f"{what}: the time stamps have the offsets {shown}, which change as in no one time "
            "zone. Name the one whose clock counts: time_zone: Europe/Oslo."
        )
    later = [moments[-1] + timedelta(weeks=week) for week in range(_LATER_WEEKS)]
    expected = _offsets(zones[0], later)
    return zones[0], tuple(z.key for z in zones[1:] if _offsets(z, later) != expected)


@lru_cache(maxsize=16)
def _fitting_zones(moments: tuple[datetime, ...], minutes: tuple[int, ...]) -> tuple[ZoneInfo, ...]:
    """The time zones with these offsets at these moments; those that are widely used first."""
    wanted = [timedelta(minutes=offset) for offset in minutes]
    names = dict.fromkeys((*_LIKELY_ZONES, *sorted(available_timezones())))
    return tuple(zone for zone in map(ZoneInfo, names) if _offsets(zone, moments) == wanted)


def _offsets(zone: ZoneInfo, moments: Sequence[datetime]) -> list[timedelta | None]:
    return [moment.astimezone(zone).utcoffset() for moment in moments]


def _minutes(offset: str) -> int:
    """Minutes ahead of UTC."""
    if offset[0] not in "+-":
        return 0
    digits = offset[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return -minutes if offset[0] == "-" else minutes


def _sign(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
