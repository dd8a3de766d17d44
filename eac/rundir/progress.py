"""Time left over all periods of a run."""

import time
from collections.abc import Callable


class Clock:
    """Says after each period how long the rest will take, if each takes as long as the last.

    Args:
        total: Periods asked for.
        now: Seconds, replaceable in tests.

    Example:
        >>> ticks = iter([0.0, 90.0])
        >>> clock = Clock(3, now=lambda: next(ticks))
        >>> clock.begin()
        >>> clock.end()
        ' (1 of 3) in 90 s; about 3 min left'
    """

    def __init__(self, total: int, now: Callable[[], float] = time.monotonic):
        self._total = total
        self._now = now
        self._done = 0
        self._begun = 0.0

    def skip(self) -> None:
        """Counts a period that was done before."""
        self._done += 1

    def begin(self) -> None:
        """Starts timing a period."""
        self._begun = self._now()

    def end(self) -> str:
        """How far the run is, now that the period is done."""
        self._done += 1
        seconds = self._now() - self._begun
        left = (self._total - self._done) * seconds
        rest = f"; about {in_words(left)} left" if self._done < self._total else ""
        return f" ({self._done} of {self._total}) in {in_words(seconds)}{rest}"


def in_words(seconds: float) -> str:
    """A duration for a person.

    Example:
        >>> in_words(42.4), in_words(600), in_words(9000)
        ('42 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
