"""What a server has learned from observations, kept from one start to the next."""

from abc import ABC
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from eac.calibration.store import load_calibrator, save_calibrator
from eac.errors import CheckpointError, WriteError
from eac.files import remove
from eac.plain import logger
from eac.records.tensorfile import read_state, write_state
from eac.server.generation import Generation

log = logger()


class _Kept(ABC):
    """One file of the artifact in use, in the directory of the state of the server."""

    PATTERN: ClassVar[str]

    def __init__(self, directory: Path):
        self._directory = directory

    def path(self, artifact: str) -> Path:
        """The file of an artifact."""
        return self._directory / self.PATTERN.replace("*", artifact[:16])

    def _remove_others(self, artifact: str) -> None:
        for other in set(self._directory.glob(self.PATTERN)) - {self.path(artifact)}:
            remove(other)


class KeptMemory(_Kept):
    """What forecasts go on from, saved after each.

    So a server that was killed forecasts what it would have without. Where the file is damaged,
    forecasts begin with what the run left.

    Args:
        directory: Of the state of the server.

    Example:
        >>> KeptMemory(Path("serving")).path("0123456789abcdef0123").name
        'memory-0123456789abcdef.safetensors'
    """

    PATTERN = "memory-*.safetensors"

    def resume(self, generation: Generation) -> None:
        """Lets a predictor that has not forecast yet go on from what was kept, if anything."""
        path, predictor = self.path(generation.name.artifact), generation.predictor
        if predictor.memory is not None or not path.is_file():
            return
        try:
            tensors, values = read_state(path)
            memory = {**values, **tensors}
            predictor.forecaster.strategy.resume_forecasts(memory)
        except (CheckpointError, KeyError, ValueError, TypeError):
            log.warning("%s is damaged: forecasts begin as the run left them, not as here", path)
        else:
            predictor.memory = memory

    def keep(self, generation: Generation) -> None:
        """Saves what the forecasts of a generation go on from, if anything."""
        memory, artifact = generation.predictor.memory, generation.name.artifact
        if memory is None:
            return
        tensors = {name: one for name, one in memory.items() if isinstance(one, Tensor)}
        values = {name: one for name, one in memory.items() if name not in tensors}
        try:
            write_state(self.path(artifact), tensors, values)
            self._remove_others(artifact)
        except (WriteError, OSError) as error:
            log.warning("what forecasts have learned cannot be kept: %s", error)


class KeptCalibration(_Kept):
    """The calibration of the artifact in use, saved once a day of steps and at the end.

    It is worth less than observations are: a server that is killed learns at most a day of steps
    again from what comes, and one whose file is damaged begins with what the artifact had learned.

    Args:
        directory: Of the state of the server.

    Example:
        >>> KeptCalibration(Path("serving")).path("0123456789abcdef0123").name
        'calibration-0123456789abcdef.safetensors'
    """

    PATTERN = "calibration-*.safetensors"

    def __init__(self, directory: Path):
        super().__init__(directory)
        self._saved: tuple[str, int] = ("", 0)

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
            self._remove_others(artifact)
        except (WriteError, OSError) as error:
            log.warning("what intervals have learned cannot be kept: %s", error)
        self._saved = (artifact, self._saved[1] if now is None else now)
