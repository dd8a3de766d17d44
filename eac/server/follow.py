"""Takes up each artifact that a running ``eac run --watch`` leaves, and ``eac artifacts use``."""

import threading

from eac.artifacts.artifact import read_artifact
from eac.artifacts.kept import current_folder
from eac.errors import EACError
from eac.plain import logger
from eac.server.engine import Engine

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
        self._seen = engine.generation.name.artifact
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
        """Activates the artifact in use of the run where it is another than at the last look."""
        current = read_artifact(current_folder(self._engine.run_dir)).id
        if current != self._seen:
            if current != self._engine.generation.name.artifact:
                self._engine.activate(current)
            self._seen = current

    def _follow(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.look()
            except (EACError, OSError):  # half written, or gone: looked at again
                log.exception("a new artifact cannot be taken up yet")
