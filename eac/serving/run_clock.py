"""The clock of a run beside that of readings: one that was seen with one offset alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from eac.artifacts.saved_data import SavedData
from eac.data.parsing.zones import find_zone
from eac.errors import StreamError

_YEAR = 366


def on_clock(data: SavedData, zone: str | None) -> SavedData:
    """The data of a run whose steps follow the clock of a zone that fits what it was trained on.

    Args:
        data: What the run kept of its data.
        zone: As ``--time-zone`` names it; None leaves the clock as it is.

    Raises:
        StreamError: If the zone is not known, or its clock is not that of the run.
    """
    rules = data.clock
    if zone is None or rules is None or rules.zone is None or zone == rules.zone:
        return data
    own, named, ended = find_zone(rules.zone, "the run"), find_zone(zone, "--time-zone"), data.ended
    if ended is None or ended.tzinfo is None:
        raise StreamError(
            f"--time-zone {zone}: the run follows the clock of {rules.zone}. Leave it out."
        )
    days = range(1 if seen_offset(own) is not None else _YEAR)
    moments = [ended.astimezone(UTC) + timedelta(days=day) for day in days]
    for moment in moments:
        if moment.astimezone(named).utcoffset() != moment.astimezone(own).utcoffset():
            raise StreamError(
                f"--time-zone {zone}: the run follows the clock of {rules.zone}, which differs "
                f"from it on {moment.date()}. Give stamps with their offset and leave --time-zone "
                f"out, or train with time_zone: {zone} in stream.yaml."
            )
    return replace(data, clock=replace(rules, zone=zone))


def seen_offset(zone: tzinfo | None) -> timedelta | None:
    """The one offset that a run saw, other than 0; None where its zone has a name or is none.

    Example:
        >>> seen_offset(timezone(timedelta(hours=2)))
        datetime.timedelta(seconds=7200)
    """
    return (zone.utcoffset(None) or None) if isinstance(zone, timezone) else None


def other_offset(own: tzinfo | None, step: timedelta, moment: datetime) -> str:
    """What to say of a time stamp whose offset is not the one that a run saw; "" of any other.

    The clock there may have changed, which the run cannot know, or the stamp is of elsewhere. Where
    a change would move steps off their grid, the clock of a run is one that never changes.

    Args:
        own: Zone of the run.
        step: Of the run.
        moment: With the offset in question.

    Example:
        >>> summer, winter = (timezone(timedelta(hours=hours)) for hours in (2, 1))
        >>> said = other_offset(summer, timedelta(hours=1), datetime(2024, 11, 1, tzinfo=winter))
        >>> said.partition(",")[0]
        'the offset +01:00 of 2024-11-01T00:00:00+01:00 is not +02:00'
    """
    seen, given = seen_offset(own), moment.utcoffset()
    if seen is None or given is None or given == seen or (given - seen) % step:
        return ""
    mine = moment.astimezone(own).isoformat()[-6:]
    return (
        f"the offset {moment.isoformat()[-6:]} of {moment.isoformat()} is not {mine}, the only "
        f"one that the run was trained on. Say whose clock it is: --time-zone Europe/Oslo, for "
        f"example, if clocks change there, or --time-zone {mine} if they never do."
    )
