"""The hours in which sensors read anything at all: which slots of a week are open."""

from dataclasses import dataclass

from eac.errors import StreamError


@dataclass(frozen=True)
class OpenHours:
    """Slots of the day and days of the week in which readings exist; all others are closed.

    A clock with open hours counts open slots only: the step after the last slot of a day is the
    first slot of the next open day.

    Attributes:
        slots: Open slots of the day, ascending, counted from midnight.
        slots_of_day: Slots in a whole day.
        days: Open days of the week, ascending; 0 is Monday.
        never: Pairs of day and slot that are open by the two above, but never read all the same,
            such as a Sunday that begins later.

    Example:
        >>> OpenHours((5, 6, 7), 24).in_words()
        '05:00 to 08:00'
    """

    slots: tuple[int, ...]
    slots_of_day: int
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    never: tuple[tuple[int, int], ...] = ()

    def __post_init__(self):
        in_day = all(0 <= slot < self.slots_of_day for slot in self.slots)
        in_week = all(0 <= day < DAYS for day in self.days)
        rising = all(sorted(set(part)) == list(part) for part in (self.slots, self.days))
        if not (self.slots and self.days and in_day and in_week and rising):
            raise StreamError(
                f"hours with slots {self.slots} of {self.slots_of_day} and days {self.days}: give "
                "slots of a day and days from 0 (Monday) to 6, ascending, at least one of each."
            )

    def times(self) -> str:
        """Such as ``05:00 to 22:00``."""
        known = set(self.slots)
        starts = [s for s in self.slots if s == 0 or s - 1 not in known]
        ends = [s + 1 for s in self.slots if s + 1 not in known]
        if starts[0] == 0 and ends[-1] == self.slots_of_day and len(starts) > 1:
            starts, ends = starts[1:], [*ends[1:-1], ends[0]]
        pairs = zip(starts, ends, strict=True)
        return " and ".join(f"{self._clock(a)} to {self._clock(b)}" for a, b in pairs)

    def in_words(self) -> str:
        """Such as ``05:00 to 22:00``, with the days that are closed."""
        closed = days_in_words([day for day in range(DAYS) if day not in self.days])
        return self.times() + (f", never on {closed}" if closed else "")

    def _clock(self, slot: int) -> str:
        minutes = slot * MINUTES // self.slots_of_day
        return f"{minutes // 60:02d}:{minutes % 60:02d}"


def days_in_words(days: list[int]) -> str:
    """Days of the week for people, three or more in a row as a span.

    Example:
        >>> days_in_words([5, 6]), days_in_words([0, 1, 2, 3, 4])
        ('Saturday and Sunday', 'Monday to Friday')
    """
    if len(days) > 2 and days == list(range(days[0], days[-1] + 1)):
        return f"{NAMES[days[0]]} to {NAMES[days[-1]]}"
    return " and ".join(NAMES[day] for day in days)


DAYS = 7
MINUTES = 24 * 60
NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
