"""Takes up each artifact that a running ``eac run --watch`` leaves."""

import threading

from eac.errors import EACError
from eac.plain import logger
from eac.server.engine import Engine
from eac.server.generation import artifact_ids

log = logger()


class Follower:
    """Looks for new artifacts of the run from time to time.

    Args:
        engine: Activates what is found.
        every: Seconds between two looks.
    """

    def __init__(self, engine: Engine, every: float = 5.0):
        self._engine = engine
        self._every = every
        self._seen = set(artifact_ids(engine.run_dir))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="eac-follow")

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Activates the newest artifact where it was not there at the last look."""
        found = artifact_ids(self._engine.run_dir)
        fresh = [key for key in found if key not in self._seen]
        if fresh:
            self._engine.activate(fresh[-1])
            self._seen.update(fresh)

    def _follow(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.look()
            except (EACError, OSError):  # half written, or gone: looked at again
                log.exception("a new artifact cannot be taken up yet")
