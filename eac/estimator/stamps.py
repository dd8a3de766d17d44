"""Time stamps of frames, which all calls read in one way."""

from datetime import timezone, tzinfo
from typing import cast

import numpy as np
import pandas as pd

from eac.data.core.calendar import DAY, zone_name
from eac.data.core.period import Period
from eac.data.core.stream import GraphStream
from eac.data.manage.convert import long_frame
from eac.data.parsing.day_order import dates_in, proven_order
from eac.data.parsing.form import Form
from eac.data.parsing.stamps import parse_stamps
from eac.data.parsing.zones import find_zone
from eac.errors import StreamError

READINGS = "the readings"


def with_stamps(frame: pd.DataFrame, dayfirst: bool | None = None) -> pd.DataFrame:
    """The frame with ``ds`` as time stamps, in the zone that they name.

    Args:
        frame: Readings or forecasts.
        dayfirst: Order of day and month where no date of the frame proves one.

    Raises:
        StreamError: If they cannot be read, or nothing says whether the day comes first.

    Example:
        >>> frame = pd.DataFrame({"unique_id": "a", "ds": ["01.02.2024 13:00"]})
        >>> with_stamps(frame, dayfirst=True)["ds"][0]
        Timestamp('2024-02-01 13:00:00')
    """
    if not len(frame):
        return frame
    values = pd.Index(frame["ds"], name="ds")
    dates = dates_in(values)
    proven = proven_order(dates)
    if dates and proven is None and dayfirst is None:
        raise StreamError(
            f"{READINGS}: {dates[0][0].strip()} may be day first or month first, and no date in "
            "the column decides it. Give time stamps: pd.to_datetime(df['ds'], dayfirst=True), or "
            "dayfirst=False."
        )
    form = Form(dayfirst=dayfirst if proven is None else None)
    moments = parse_stamps(values, READINGS, form).moments()
    return frame.assign(ds=moments if moments.tz is None else moments.tz_convert(_plain(moments)))


def on_clock_of(
    stream: GraphStream, zone: str | None, frame: pd.DataFrame, *, named: bool
) -> pd.DataFrame:
    """The frame with its time stamps by the clock of a stream.

    Where the stream has one offset alone and the frame others, the zone of the frame counts, if
    it is named and fits the stream.

    Args:
        stream: The periods so far.
        zone: Of the stream.
        frame: What ``with_stamps`` gave.
        named: Whether its zone was given as such, and not found from offsets.

    Raises:
        StreamError: If one of them has a zone and the other none, or offsets are new to the stream.

    Example:
        >>> from eac.data.readers.frame import FrameStream
        >>> noon = pd.DatetimeIndex(["2024-01-01 12:00", "2024-01-01 13:00"], tz="UTC")
        >>> frame = pd.DataFrame({"unique_id": "a", "ds": noon, "y": 1.0})
        >>> on_clock_of(FrameStream(frame), "Asia/Tokyo", frame, named=True)["ds"][0]
        Timestamp('2024-01-01 21:00:00+0900', tz='Asia/Tokyo')
    """
    stamps = frame["ds"]
    check_alike(stamps.dt.tz, zone)
    if zone is None:
        return frame
    own = find_zone(zone, READINGS)
    new = stamps[_offsets(stamps) != _offsets(stamps.dt.tz_convert(own))]
    if isinstance(own, timezone) and len(new):
        from eac.serving.run_clock import unseen_offset

        last = stream.load(len(stream) - 1)
        step = last.calendar.step or DAY / last.calendar.steps_per_day
        said = unseen_offset(own, step, new.iloc[-1].to_pydatetime())
        if said and named and _fits(stamps.dt.tz, stream.load(0), last):
            return frame
        if said:
            raise StreamError(
                f"{READINGS}: {said} Name the zone whose clock it is: pd.to_datetime(df['ds'], "
                "utc=True).dt.tz_convert('Europe/Oslo'), for example, if clocks change there, or "
                f".dt.tz_convert('{zone}') if they never do."
            )
    return frame.assign(ds=stamps.dt.tz_convert(own))


def check_alike(given: tzinfo | None, zone: str | None) -> None:
    """Refuses time stamps without a zone beside those with one, and the other way round.

    Example:
        >>> try:
        ...     check_alike(None, "Europe/Oslo")
        ... except StreamError as error:
        ...     print(str(error).partition(".")[0])
        the time stamps name no zone, but the earlier ones are in Europe/Oslo
    """
    if zone is not None and given is None:
        raise StreamError(
            f"the time stamps name no zone, but the earlier ones are in {zone}. If these are by "
            f"the same clock, say so: pd.to_datetime(df['ds']).dt.tz_localize('{zone}')."
        )
    if zone is None and given is not None:
        raise StreamError(
            f"the time stamps are in the zone {given}, but the earlier ones name none. Give those "
            "of the same clock, without a zone: df['ds'].dt.tz_convert(zone).dt.tz_localize(None)."
        )


def zone_of(stamps: pd.Series) -> str | None:
    """Name of the zone of time stamps, or its offset; None without one.

    Example:
        >>> zone_of(pd.Series(pd.DatetimeIndex(["2024-01-01"], tz="Europe/Oslo")))
        'Europe/Oslo'
    """
    return zone_name(stamps.iloc[0]) if len(stamps) else None


def on_wall(stamps: pd.Series) -> pd.Series:
    """What a clock on the wall of their zone shows.

    Example:
        >>> on_wall(pd.Series(pd.DatetimeIndex(["2024-01-01 12:00"], tz="Europe/Oslo")))[0]
        Timestamp('2024-01-01 12:00:00')
    """
    return stamps.dt.tz_localize(None)


def in_zone_of(answer: pd.DataFrame, given: pd.DataFrame) -> pd.DataFrame:
    """An answer in the zone of the frame that was given, where its type names one.

    Example:
        >>> answer = pd.DataFrame({"ds": pd.DatetimeIndex(["2024-01-01 12:00"], tz="UTC")})
        >>> given = pd.DataFrame({"ds": pd.DatetimeIndex(["2024-01-01"], tz="Asia/Tokyo")})
        >>> in_zone_of(answer, given)["ds"][0]
        Timestamp('2024-01-01 21:00:00+0900', tz='Asia/Tokyo')
    """
    kind = given["ds"].dtype
    if not isinstance(kind, pd.DatetimeTZDtype) or not len(answer):
        return answer
    converted = answer.assign(ds=answer["ds"].dt.tz_convert(kind.tz))
    converted.attrs = answer.attrs
    return converted


def zoned_frame(period: Period) -> pd.DataFrame:
    """The readings of a period as ``unique_id, ds, y``, with the zone of the period.

    Example:
        >>> from eac.data.readers.frame import FrameStream
        >>> hours = pd.date_range("2024-03-31 00:00", periods=4, freq="h", tz="Europe/Oslo")
        >>> period = FrameStream(pd.DataFrame({"unique_id": "a", "ds": hours, "y": 1.0}))[0]
        >>> [stamp.hour for stamp in zoned_frame(period)["ds"]]  # 2 is skipped
        [0, 1, 3, 4]
    """
    frame, start = long_frame(period), period.calendar.start
    if start is None or start.tzinfo is None:
        return frame
    first = np.ones(len(frame), dtype=bool)
    moments = pd.DatetimeIndex(frame["ds"]).tz_localize(
        start.tzinfo, ambiguous=first, nonexistent="NaT"
    )
    return frame.assign(ds=moments).dropna(subset="ds", ignore_index=True)


def is_repeated(wall: pd.Timestamp, zone: str | None) -> bool:
    """True for a time that the clock of a zone shows twice.

    Example:
        >>> is_repeated(pd.Timestamp("2024-10-27 02:00"), "Europe/Oslo")
        True
    """
    if zone is None:
        return False
    clock = find_zone(zone, READINGS)
    first, second = (
        wall.tz_localize(clock, ambiguous=early, nonexistent="shift_forward")
        for early in (True, False)
    )
    return first != second


def _fits(zone: tzinfo, first: Period, last: Period) -> bool:
    """True where a zone has the offset of the periods on all their days."""
    start, end = first.calendar.start, last.calendar.time_of(last.num_steps - 1)
    if start is None or end is None:
        return False
    days = pd.Series(pd.date_range(start, end, freq="D").append(pd.DatetimeIndex([end])))
    return bool((_offsets(days) == _offsets(days.dt.tz_convert(zone))).all())


def _offsets(stamps: pd.Series) -> pd.Series:
    return on_wall(stamps) - on_wall(stamps.dt.tz_convert("UTC"))


def _plain(moments: pd.DatetimeIndex) -> tzinfo:
    """Their zone; an offset as one of the standard library."""
    zone = cast(tzinfo, moments.tz)
    offset = zone.utcoffset(None)
    return zone if offset is None else timezone(offset)
