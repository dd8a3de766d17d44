"""What the intervals of a server have learned, kept from one start to the next."""

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from eac.calibration.store import load_calibrator, save_calibrator
from eac.errors import CheckpointError, WriteError
from eac.files import remove
from eac.plain import logger
from eac.server.generation import Generation

log = logger()

PATTERN = "calibration-*.safetensors"


class KeptCalibration:
    """The calibration of the artifact in use, saved once a day of steps and at the end.

    It is worth less than observations are: a server that is killed learns at most a day of steps
    again from what comes, and one whose file is damaged begins with what the artifact had learned.

    Args:
        directory: Of the state of the server.

    Example:
        >>> KeptCalibration(Path("serving")).path("0123456789abcdef0123").name
        'calibration-0123456789abcdef.safetensors'
    """

    def __init__(self, directory: Path):
        self._directory = directory
        self._saved: tuple[str, int] = ("", 0)

    def path(self, artifact: str) -> Path:
        """The file of an artifact."""
        return self._directory / PATTERN.replace("*", artifact[:16])

    def resumed(self, generation: Generation) -> Generation:
        """A generation whose intervals go on from what was kept of its artifact, if anything."""
        path, fresh = self.path(generation.name.artifact), generation.calibrator
        try:
            kept = None if fresh is None else load_calibrator(path.parent, path.name)
        except CheckpointError:
            log.warning("%s is damaged: intervals begin as the run left them, not as here", path)
            return generation
        if kept is None or fresh is None:
            return generation
        kept.remember(fresh)
        return replace(generation, calibrator=kept)

    def keep(
        self, generation: Generation, now: int | None, lock: AbstractContextManager[object]
    ) -> None:
        """Saves what was learned where a day has passed since it was; ``now`` None: in any case."""
        artifact, calibrator = generation.name.artifact, generation.calibrator
        if calibrator is None or not calibrator.node_ids:
            return
        if now is not None and self._saved[0] != artifact:
            self._saved = (artifact, now)
        if now is not None and now - self._saved[1] < calibrator.steps_per_day:
            return
        with lock:
            learned = calibrator.copy()
        try:
            save_calibrator(self._directory, learned, self.path(artifact).name)
            for other in set(self._directory.glob(PATTERN)) - {self.path(artifact)}:
                remove(other)
        except (WriteError, OSError) as error:
            log.warning("what intervals have learned cannot be kept: %s", error)
        self._saved = (artifact, self._saved[1] if now is None else now)
