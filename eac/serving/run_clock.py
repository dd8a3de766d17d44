"""The clock of a run beside that of readings: one that was seen with one offset alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from eac.artifacts.saved_data import SavedData
from eac.calibration.clock import MONDAY, moment_step
from eac.data.parsing.zones import find_zone
from eac.errors import StreamError

HOUR = timedelta(hours=1)
_YEAR = 366


def on_clock(data: SavedData, zone: str | None) -> SavedData:
    """The data of a run whose steps follow the clock of a zone that fits what it was trained on.

    Steps that a change of an hour would move off their grid follow a clock that never changes.

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
    once = seen_offset(own) is not None or rules.zone == "UTC"
    if once and HOUR % rules.step:  # a change would move steps off their grid
        return data
    if ended is None or ended.tzinfo is None:
        raise StreamError(
            f"--time-zone {zone}: the run follows the clock of {rules.zone}. Leave it out."
        )
    days = range(1 if once else _YEAR)
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


def unseen_offset(own: tzinfo | None, step: timedelta, moment: datetime) -> str:
    """That the offset of a time stamp is not the one that a run saw; "" of any other.

    The clock there may have changed, which the run cannot know, or the stamp is of elsewhere. Where
    a change would move steps off their grid, the clock of a run is one that never changes.

    Args:
        own: Zone of the run.
        step: Of the run.
        moment: With the offset in question.

    Example:
        >>> summer, winter = (timezone(timedelta(hours=hours)) for hours in (2, 1))
        >>> said = unseen_offset(summer, timedelta(hours=1), datetime(2024, 11, 1, tzinfo=winter))
        >>> said.partition(",")[0]
        'the offset +01:00 of 2024-11-01T00:00:00+01:00 is not +02:00'
    """
    seen, given = seen_offset(own), moment.utcoffset()
    if seen is None or given is None or given == seen or (given - seen) % step:
        return ""
    return (
        f"the offset {moment.isoformat()[-6:]} of {moment.isoformat()} is not "
        f"{_shown(own, moment)}, the only one that the run was trained on."
    )


def other_offset(own: tzinfo | None, step: timedelta, moment: datetime) -> str:
    """The same, and which flag says whose clock it is.

    Example:
        >>> summer, winter = (timezone(timedelta(hours=hours)) for hours in (2, 1))
        >>> said = other_offset(summer, timedelta(hours=1), datetime(2024, 11, 1, tzinfo=winter))
        >>> said.partition(". ")[2].partition(",")[0]
        'Say whose clock it is: --time-zone Europe/Oslo'
    """
    said = unseen_offset(own, step, moment)
    if not said:
        return ""
    return (
        f"{said} Say whose clock it is: --time-zone Europe/Oslo, for example, if clocks change "
        f"there, or --time-zone {_shown(own, moment)} if they never do."
    )


def _shown(own: tzinfo | None, moment: datetime) -> str:
    return moment.astimezone(own).isoformat()[-6:]


class StepClock:
    """Steps of time stamps that come one by one, by the clock of a run.

    Args:
        step: Time between two steps.
        zone: Whose clock counts the steps; time stamps then have an offset.
        ended: Last step that the run was trained on; the steps are in line with it.
        named: Whether somebody named that zone, so that stamps of any offset are meant.

    Example:
        >>> StepClock(timedelta(hours=1)).step_of("2000-01-03T05:00:00")
        5
    """

    def __init__(
        self,
        step: timedelta,
        zone: tzinfo | None = None,
        ended: datetime | None = None,
        *,
        named: bool = False,
    ):
        self._step, self._zone, self._named = step, zone, named
        self._origin = MONDAY
        if ended is not None:
            last = ended.replace(tzinfo=None)
            self._origin = last - moment_step(last, step) * step

    def step_of(self, ds: str, *, kept: bool = False) -> int:
        """The step of a time stamp; one that was kept has been accepted before.

        Raises:
            StreamError: If it is no time stamp of the grid, or has a time zone where the run has
                none, or the other way round.
        """
        try:
            return self._step_of(ds, datetime.fromisoformat(ds), self._named or kept)
        except StreamError:
            raise
        except (ValueError, OverflowError):
            raise StreamError(
                f"ds {ds!r} is no time stamp. Give ISO 8601, such as 2024-01-31T13:00:00."
            ) from None

    def time_of(self, step: int) -> datetime:
        """The time stamp of a step, in the zone of the run."""
        return self._wall(step).replace(tzinfo=self._zone)

    def from_clock_of(self, zone: tzinfo | None, step: int) -> int:
        """The step here of one that was counted by the clock of another zone."""
        if zone is None or self._zone is None or zone == self._zone:
            return step
        when = self._wall(step).replace(tzinfo=zone).astimezone(self._zone)
        return moment_step(when, self._step)

    def _step_of(self, ds: str, when: datetime, meant: bool) -> int:
        if self._zone is None and when.tzinfo is not None:
            raise StreamError(f"ds {ds!r} has a time zone. Give the local time of the run's data.")
        if self._zone is not None and when.tzinfo is None:
            raise StreamError(
                f"ds {ds!r} has no time zone, but the run is in {self._zone}. Give it with its "
                f"offset, such as {when.replace(tzinfo=self._zone).isoformat()}."
            )
        if self._zone is not None:
            said = "" if meant else other_offset(self._zone, self._step, when)
            if said:
                raise StreamError(f"ds {ds!r}: {said}")
            when = when.astimezone(self._zone).replace(tzinfo=None)
        step = moment_step(when, self._step)
        if self._wall(step) != when:
            raise StreamError(
                f"ds {ds!r} is between two steps of {self._step}. Give {self.time_of(step)}."
            )
        return step

    def _wall(self, step: int) -> datetime:
        return self._origin + step * self._step
