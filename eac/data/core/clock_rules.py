"""What is kept of a clock so that the same one can be set going from another time on."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from eac.data.core.calendar import DAY, Calendar, zone_name
from eac.data.core.hours import OpenHours

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class ClockRules:
    """How a clock runs, whenever it starts.

    Attributes:
        steps_per_day: Slots of a day.
        days_per_week: Days of a week.
        step: Time between two steps; of slots without time stamps, their share of a day.
        counted: True where steps are counted, without time stamps.
        zone: Whose clock it is, where that is known.
        hours: The open slots, when only those are steps.
        months: Months in a step, or 0.

    Example:
        >>> rules = ClockRules.of(Calendar(steps_per_day=24))
        >>> ClockRules.of_card(rules.card()) == rules
        True
    """

    steps_per_day: int
    days_per_week: int
    step: timedelta
    counted: bool = False
    zone: str | None = None
    hours: OpenHours | None = None
    months: int = 0

    @staticmethod
    def of(clock: Calendar) -> "ClockRules":
        """The rules of a clock."""
        step = DAY / clock.steps_per_day if clock.step is None else clock.step
        return ClockRules(
            clock.steps_per_day,
            clock.days_per_week,
            step // _TICK * _TICK,
            clock.step is None,
            None if clock.start is None else zone_name(clock.start),
            clock.hours,
            clock.months,
        )

    def card(self) -> dict[str, Any]:
        """The same as JSON."""
        hours = None if self.hours is None else dict(vars(self.hours))
        return vars(self) | {"step": self.step // _TICK, "hours": hours}

    @staticmethod
    def of_card(card: dict[str, Any]) -> "ClockRules":
        """The rules that ``card`` gave."""
        hours = card["hours"]
        if hours is not None:
            never = tuple((int(day), int(slot)) for day, slot in hours["never"])
            lists = tuple(hours["slots"]), hours["slots_of_day"], tuple(hours["days"])
            hours = OpenHours(*lists, never)
        return ClockRules(**card | {"step": card["step"] * _TICK, "hours": hours})
