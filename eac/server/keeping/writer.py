"""The thread that keeps observations: on the disk first, then on the board."""

import queue
from collections.abc import Callable
from concurrent.futures import Future
from threading import RLock

from eac.errors import WriteError
from eac.plain import logger
from eac.server.board import Placed
from eac.server.keeping.log import ObservationLog
from eac.server.readings import Readings

log = logger()


class Writer:
    """Writes what was observed to the log, several requests with one synchronisation.

    Args:
        kept: The log.
        place: Puts readings on the board.
        failed: Is told of a fault nobody expected.
        lock: Of the board.

    Attributes:
        error: Why the disk does not take observations; None since it took the last ones.
    """

    def __init__(
        self,
        kept: ObservationLog,
        place: Callable[[Readings], Placed],
        failed: Callable[[str], None],
        lock: "RLock",
    ):
        self.error: str | None = None
        self._log, self._place, self._failed, self._lock = kept, place, failed, lock
        self._queue: queue.Queue[tuple[Readings, Future[Placed]] | None] = queue.Queue()

    def take(self, readings: Readings) -> Future[Placed]:
        """Takes readings; the future is done when they are on the disk and on the board."""
        done: Future[Placed] = Future()
        self._queue.put((readings, done))
        return done

    def end(self) -> None:
        """Lets ``run`` return when all that was taken is written."""
        self._queue.put(None)

    def run(self, written: Callable[[], None]) -> None:
        """Writes until the end, and calls ``written`` after each time."""
        while True:
            items = [self._queue.get()]
            while not self._queue.empty():
                items.append(self._queue.get_nowait())
            batches = [item for item in items if item is not None]
            if batches:
                self._write(batches)
                written()
            if None in items:
                return

    def _write(self, batches: list[tuple[Readings, Future[Placed]]]) -> None:
        try:
            self._log.append(readings for readings, _ in batches)
            for readings, done in batches:
                done.set_result(self._place(readings))
            if self._log.grown:
                with self._lock:
                    self._log.compact()
            self.error = None
        except Exception as error:  # whoever waits must hear of it, and the next is written
            said = f"observations cannot be kept: {error}"
            if isinstance(error, WriteError):
                self.error = said
            else:
                self._failed(said)
            log.exception("observations cannot be kept")
            for _, done in batches:
                if not done.done():
                    done.set_exception(error)
