"""Which slot of the day and which day of the week a step is."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from jaxtyping import Int
from torch import Tensor

from eac.errors import StreamError

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Calendar:
    """The clock of one period: a regular grid of steps, with or without real time stamps.

    Attributes:
        steps_per_day: Steps in one day; 24 for hourly readings.
        days_per_week: Days after which the week repeats; 5 when weekends were cut out.
        start_slot: Slot of the first step, counted from slot 0 of the first day of a week.
        start: Time stamp of the first step, when there are real time stamps.
        step: Time between two steps, when there are real time stamps.

    Example:
        >>> tuesday = datetime(2024, 1, 2, hour=3)
        >>> Calendar.from_timestamps(tuesday, timedelta(hours=1)).start_slot
        27
    """

    steps_per_day: int
    days_per_week: int = 7
    start_slot: int = 0
    start: datetime | None = None
    step: timedelta | None = None

    def __post_init__(self):
        if self.steps_per_day < 1 or self.days_per_week < 1 or self.start_slot < 0:
            raise StreamError(
                f"calendar with steps_per_day={self.steps_per_day}, days_per_week="
                f"{self.days_per_week}, start_slot={self.start_slot}: the first two must be at "
                "least 1 and the last at least 0."
            )

    @staticmethod
    def from_timestamps(start: datetime, step: timedelta) -> "Calendar":
        """A seven-day calendar from real time; steps longer than a day count as one slot a day."""
        if step <= timedelta(0):
            raise StreamError(f"the time between two steps is {step}; give a positive frequency.")
        steps_per_day = max(1, round(DAY / step))
        midnight = datetime.combine(start.date(), time(), start.tzinfo)
        slot_of_day = (start - midnight) * steps_per_day // DAY
        return Calendar(
            steps_per_day, 7, start.weekday() * steps_per_day + slot_of_day, start, step
        )

    @property
    def steps_per_week(self) -> int:
        """Steps after which slot of day and day of week repeat."""
        return self.steps_per_day * self.days_per_week

    def slot_of_day(self, steps: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        """Slot of the day of each step, from 0."""
        return (steps + self.start_slot) % self.steps_per_day

    def day_of_week(self, steps: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        """Day of the week of each step, from 0 (Monday, with real time stamps)."""
        return (steps + self.start_slot) // self.steps_per_day % self.days_per_week

    def time_of(self, step: int) -> datetime | None:
        """The time stamp of one step, or None without real time."""
        if self.start is None or self.step is None:
            return None
        return self.start + step * self.step
