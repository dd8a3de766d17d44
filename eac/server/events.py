"""What a server has to say of its network, in order of time."""

import threading
from collections import deque
from dataclasses import dataclass

MOST_EVENTS = 1000


@dataclass(frozen=True)
class Event:
    """Something to know of the network, in order of time.

    Attributes:
        number: Counts the events of this server.
        kind: Such as "new id", "generation" or those of the monitor.
        ds: Time stamp of the readings at which it was found.
        unique_id: The sensor; None concerns the network.
        detail: One sentence.
        action: What the policy does about it.

    Example:
        >>> Event(1, "silent", "2024-01-31T13:00:00", "a", "no reading for 26 steps").action
        'mark'
    """

    number: int
    kind: str
    ds: str | None
    unique_id: str | None
    detail: str
    action: str = "mark"


class Events:
    """The last events, numbered; older ones are forgotten. Threads may add and read at once.

    Example:
        >>> events = Events()
        >>> events.add("new id", "sensor a was never seen before", unique_id="a")
        >>> [event.number for event in events.after(0)], events.after(1)
        ([1], [])
    """

    def __init__(self, most: int = MOST_EVENTS):
        self._events: deque[Event] = deque(maxlen=most)
        self._number = 0
        self._lock = threading.Lock()

    def add(
        self,
        kind: str,
        detail: str,
        *,
        ds: str | None = None,
        unique_id: str | None = None,
        action: str = "mark",
    ) -> None:
        """Adds an event, with the next number."""
        with self._lock:
            self._number += 1
            self._events.append(Event(self._number, kind, ds, unique_id, detail, action))

    def after(self, number: int) -> list[Event]:
        """The events with higher numbers than this one, oldest first."""
        with self._lock:
            return [event for event in self._events if event.number > number]

    def __len__(self) -> int:
        return len(self._events)
