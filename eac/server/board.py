"""Recent readings on the grid of a run, by sensor and step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray

from eac.calibration.clock import moment_step
from eac.data.core.calendar import zone_name
from eac.data.parsing.zones import find_zone
from eac.errors import StreamError
from eac.server.readings import Readings, layers
from eac.serving.run_clock import StepClock

EARLIEST = datetime(1911, 1, 1)
"""Stands for the end of a run that does not say when it ended."""
LONG_BEFORE = timedelta(days=3652)
"""Readings that begin so long before the end of a run have a wrong time stamp."""


@dataclass
class Placed:
    """What became of some readings.

    Attributes:
        accepted: Readings that were not known before, or have another value now.
        duplicate: Readings that were known with the same value.
        too_old: Readings of steps that are no longer kept.
        known: Values by step that have become known, for those who learn from them; one for each
            sensor of the board, NaN where there is nothing new.
        new_ids: Sensors never seen before.

    Example:
        >>> board = Board(timedelta(hours=1), 3, ["a"])
        >>> placed = board.put(Readings.of([("a", 7, 1.0), ("b", 7, 2.0)]))
        >>> placed.accepted, placed.new_ids
        (2, ['b'])
    """

    accepted: int = 0
    duplicate: int = 0
    too_old: int = 0
    known: dict[int, Float[ndarray, " node"]] = field(default_factory=dict)
    new_ids: list[str] = field(default_factory=list)


class Board:
    """The last ``length`` steps of every sensor; what is older is forgotten.

    Args:
        step: Time between two steps.
        length: Steps kept.
        node_ids: Sensors to begin with.
        zone: Whose clock counts the steps; time stamps then have an offset.
        unsaid: Zone of what was kept by servers that did not say theirs; that of the run.
        named: Whether somebody named that zone, so that stamps of any offset are meant.
        ended: Last step that the run was trained on; the steps of the board are in line with it.

    Example:
        >>> board = Board(timedelta(hours=1), 3, ["a"])
        >>> placed = board.put(Readings.of([("a", 7, 1.0), ("b", 8, 2.0)]))
        >>> placed.accepted, board.now, board.series(2).tolist()
        (2, 8, [[1.0, nan], [nan, 2.0]])
    """

    def __init__(
        self,
        step: timedelta,
        length: int,
        node_ids: Iterable[str] = (),
        zone: tzinfo | None = None,
        ended: datetime | None = None,
        unsaid: tzinfo | None = None,
        *,
        named: bool = False,
    ):
        self.step, self.zone, self._unsaid = step, zone, unsaid or zone
        self._clock = StepClock(step, zone, ended, named=named)
        self._ended = (ended or EARLIEST).replace(tzinfo=None)
        self.length = length
        self.node_ids = list(node_ids)
        self.now: int | None = None
        self._row = {node: i for i, node in enumerate(self.node_ids)}
        self._values = np.full((length, len(self.node_ids)), np.nan, dtype=np.float32)
        self._given = np.zeros((length, len(self.node_ids)), dtype=bool)

    def step_of(self, ds: str, *, kept: bool = False) -> int:
        """The step of a time stamp; one that was kept has been accepted before.

        Raises:
            StreamError: If it is no time stamp of the grid, or has a time zone where the board has
                none, or the other way round.
        """
        return self._clock.step_of(ds, kept=kept)

    def time_of(self, step: int) -> datetime:
        """The time stamp of a step, in the zone of the board."""
        return self._clock.time_of(step)

    def check(self, step: int) -> None:
        """Refuses a step whose readings would push everything known off the board.

        Raises:
            StreamError: If it is further ahead than readings are kept, or the first and wrong.
        """
        if self.now is None:
            self.check_first(step)
        elif step - self.now >= self.length:
            raise StreamError(
                f"{self.time_of(step)} is {step - self.now} steps after the last "
                f"reading ({self.time_of(self.now)}), more than the {self.length} kept. Correct "
                "the time stamp, or start anew with --input."
            )

    def check_first(self, step: int) -> None:
        """Refuses a step after which, or before which, right readings could not be kept.

        Raises:
            StreamError: If it is far from the clock of this machine and from the end of the run.
        """
        clock = datetime.now(self.zone).replace(tzinfo=None, microsecond=0)
        first, last = self._ended - LONG_BEFORE, max(clock, self._ended) + timedelta(days=1)
        if not moment_step(first, self.step) <= step < moment_step(last, self.step) + self.length:
            raise StreamError(
                f"{self.time_of(step)} cannot be the time of a first reading: the clock of this "
                f"machine says {clock}, and the run ended at {self._ended}. Correct the time stamp."
            )

    def put(self, readings: Readings) -> Placed:
        """Places readings, in any order; a later value of the same sensor and step counts."""
        placed = Placed()
        if not len(readings):
            return placed
        self._advance(int(readings.step.max()))
        kept = np.flatnonzero(readings.step > self._oldest)
        placed.too_old = len(readings) - len(kept)
        if placed.too_old:
            readings = readings.some(kept)
        column = self._columns(readings.unique_id, placed)
        for rows in layers(readings.step * (1 + len(self.node_ids)) + column):
            self._put(readings.step[rows], column[rows], readings.y[rows], placed)
        return placed

    def _put(
        self,
        step: Int[ndarray, " reading"],
        column: Int[ndarray, " reading"],
        y: Float[ndarray, " reading"],
        placed: Placed,
    ) -> None:
        """Places readings of which no two are of the same sensor and step."""
        y, slot = y.astype(np.float32), step % self.length
        before, missing = self._values[slot, column], np.isnan(y)
        same = (before == y) | (np.isnan(before) & missing)
        fresh = ~(self._given[slot, column] & same)
        placed.accepted += int(fresh.sum())
        placed.duplicate += int((~fresh).sum())
        self._given[slot[fresh], column[fresh]] = True
        self._values[slot[fresh], column[fresh]] = y[fresh]
        first = fresh & np.isnan(before) & ~missing
        for at in np.unique(step[first]).tolist():
            nothing = np.full(len(self.node_ids), np.nan, dtype=np.float32)
            mine = first & (step == at)
            placed.known.setdefault(at, nothing)[column[mine]] = y[mine]

    def series(self, steps: int) -> NDArray[np.float32]:
        """The last steps, ``[time, node]``, NaN where there is no reading."""
        if self.now is None:
            return np.empty((0, len(self.node_ids)), dtype=np.float32)
        slots = np.arange(self.now - steps + 1, self.now + 1) % self.length
        return self._values[slots]

    def laid_out(
        self, values: Float[ndarray, "time board_node"], node_ids: Sequence[str]
    ) -> Float[ndarray, "time node"]:
        """Columns of the board for these sensors; NaN where one is not on it."""
        columns = np.array([self._row.get(node, -1) for node in node_ids], dtype=np.int64)
        laid = values[:, columns]
        laid[:, columns < 0] = np.nan
        return laid

    def filled(self) -> int:
        """Steps from the first one with a reading up to now."""
        if self.now is None:
            return 0
        any_reading = np.isfinite(self.series(self.length)).any(1)
        return int(self.length - any_reading.argmax()) if any_reading.any() else 0

    def readings(self) -> Readings:
        """Everything kept, in order of time."""
        steps = np.arange(0) if self.now is None else np.arange(self._oldest + 1, self.now + 1)
        at, column = np.nonzero(self._given[steps % self.length])
        ids = [self.node_ids[i] for i in column.tolist()]
        return Readings(ids, steps[at], self._values[steps[at] % self.length, column].astype(float))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything kept, to be saved."""
        return {
            "values": self._values,
            "given": self._given,
            "node_ids": np.array(self.node_ids, dtype=np.str_),
            "now": np.array(-1 if self.now is None else self.now),
            "seconds": np.array(self.step.total_seconds()),
            "zone": np.array(zone_name(self.time_of(0)) or "", dtype=np.str_),
        }

    def take(self, arrays: Mapping[str, NDArray[Any]]) -> int:
        """Puts what ``arrays`` gave on an empty board, and returns how many readings that were.

        Raises:
            StreamError: If it is of other steps.
        """
        if float(arrays["seconds"]) != self.step.total_seconds():
            raise StreamError(
                f"observations were kept in steps of {float(arrays['seconds']):g} s, the run has "
                f"{self.step}. Give another --state."
            )
        now, ids = int(arrays["now"]), [str(node) for node in arrays["node_ids"]]
        if not arrays["given"].any():
            return 0
        length = len(arrays["values"])
        columns, zone = self._columns(ids, Placed()), self._unsaid
        if said := str(arrays.get("zone", "")):
            zone = find_zone(said, "what was kept")
        self.now = self._clock.from_clock_of(zone, now)
        for before in range(now - min(length, self.length) + 1, now + 1):
            step, given = self._clock.from_clock_of(zone, before), arrays["given"][before % length]
            if step > self._oldest:
                values = arrays["values"][before % length][given]
                self._values[step % self.length, columns[given]] = values
                self._given[step % self.length, columns[given]] = True
        return int(self._given.sum())

    def last_steps(self) -> list[int | None]:
        """Step of the last reading of each sensor, None where none is kept."""
        if self.now is None:
            return [None] * len(self.node_ids)
        present = np.isfinite(self.series(self.length))
        step = np.arange(self.now - self.length + 1, self.now + 1)[:, None]
        last = np.where(present, step, step[0] - 1).max(axis=0).tolist()
        return [at if at > self.now - self.length else None for at in last]

    def _advance(self, step: int) -> None:
        if self.now is None:
            self.now = step
        for gone in range(max(self.now + 1, step - self.length + 1), step + 1):
            self._values[gone % self.length] = np.nan
            self._given[gone % self.length] = False
        self.now = max(self.now, step)

    @property
    def _oldest(self) -> int:
        """The last step that is no longer kept."""
        return (self.now or 0) - self.length

    def _columns(self, ids: Sequence[str], placed: Placed) -> Int[ndarray, " reading"]:
        """Columns of sensors; those never seen get one."""
        fresh = [node for node in dict.fromkeys(ids) if node not in self._row]
        if fresh:
            self._row.update({node: len(self.node_ids) + i for i, node in enumerate(fresh)})
            self.node_ids += fresh
            empty = np.full((self.length, len(fresh)), np.nan, dtype=np.float32)
            self._values = np.concatenate([self._values, empty], axis=1)
            self._given = np.concatenate([self._given, np.zeros_like(empty, dtype=bool)], axis=1)
            placed.new_ids += fresh
        return np.array([self._row[node] for node in ids], dtype=np.int64)
