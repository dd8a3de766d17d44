"""What was observed, in a file that only grows: an acknowledged reading survives a kill."""

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from eac.disk import tell
from eac.errors import RunError, StreamError, WriteError, explain_write
from eac.files import open_in_place, write_arrays
from eac.rundir.lock import only_writer
from eac.server.board import Board
from eac.server.readings import Readings, too_large

LOG_FILE = "observations.jsonl"
BASE_FILE = "board.npz"
LARGE = 64 << 20
"""Bytes of a log that is compacted."""


class ObservationLog:
    """Readings by line, each synchronised with the disk before it is acknowledged.

    At every start, and when the log has grown, the board is saved whole beside it and the log
    begins anew; a kill between the two leaves readings in both, which changes nothing. A line that
    a kill cut short is the last one and was never acknowledged; it is left out. The directory is
    held for this process from ``replay`` to ``close``.

    Args:
        directory: Holds log and board; made where it is missing.
        board: Gives time stamps.

    Example:
        >>> from datetime import timedelta
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     log = ObservationLog(Path(folder), Board(timedelta(hours=1), 24))
        ...     _ = log.replay()
        ...     log.append([Readings.of([("a", 7, 1.0)])])
        ...     log.close()
        ...     again = ObservationLog(Path(folder), Board(timedelta(hours=1), 24))
        ...     print(again.replay())
        ...     again.close()
        1
    """

    def __init__(self, directory: Path, board: Board):
        self.path = directory / LOG_FILE
        self._base = directory / BASE_FILE
        self._board = board
        self._held = ExitStack()
        self._file: IO[str] | None = None
        self._length = 0

    def replay(self) -> int:
        """Puts everything that was observed on the board, and opens the log.

        Returns:
            Readings found.

        Raises:
            RunError: If another process writes here.
            StreamError: If what was kept is damaged.
        """
        try:
            self._held.enter_context(only_writer(self.path.parent))
        except RunError as error:
            raise RunError(f"{error} Observations are kept in the directory of --state.") from error
        try:
            self._file = open_in_place(self.path)
            count = self._take_base() if self._base.is_file() else 0
            for readings in self._lines():
                count += len(readings)
                self._board.put(readings)
            self.compact()
        except BaseException:
            self.close()
            raise
        return count

    def compact(self) -> None:
        """Saves the board whole, and begins the log anew; where that fails, the log goes on.

        Raises:
            WriteError: If the board cannot be saved.
        """
        handle = self._handle()
        write_arrays(self._base, **self._board.arrays())
        with explain_write(self.path):
            tell("write", self.path)
            os.ftruncate(handle, 0)
            self._length = 0
            os.fsync(handle)

    def append(self, batches: Iterable[Readings]) -> None:
        """Writes batches of readings, and returns when the disk has them.

        Raises:
            WriteError: If the disk does not take them; then the log holds none of them.
        """
        handle, data = self._handle(), b"".join(map(self._line, batches))
        with explain_write(self.path):
            if os.fstat(handle).st_size != self._length:  # an append failed, and so did its removal
                os.ftruncate(handle, self._length)
            try:
                tell("write", self.path)
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(handle, rest) :]
                os.fsync(handle)
            except BaseException:
                with suppress(OSError):  # tried again before the next append
                    os.ftruncate(handle, self._length)
                raise
        self._length += len(data)

    @property
    def grown(self) -> bool:
        """True where the log is so long that it should be compacted."""
        return self._length > LARGE

    def close(self) -> None:
        """Closes the file, and lets others have the directory."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._held.close()

    def _handle(self) -> int:
        if self._file is None:
            raise WriteError(
                f"{self.path} is closed: the server is stopping. Send the readings again when it "
                "has started."
            )
        return self._file.fileno()

    def _take_base(self) -> int:
        try:
            with self._base.open("rb") as file, np.load(file) as arrays:
                return self._board.take({name: arrays[name] for name in arrays.files})
        except (StreamError, MemoryError):
            raise
        except Exception as error:  # each damage has its own kind of error, from three libraries
            raise StreamError(
                f"{self._base} is damaged ({type(error).__name__}: {error}). Put a copy in its "
                f"place; or remove it, and begin with what {self.path.name} holds and --input FILE."
            ) from error

    def _lines(self) -> Iterator[Readings]:
        *whole, _torn = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(whole, start=1):
            try:
                yield self._read(line)
            except (ValueError, TypeError, StreamError) as error:
                raise StreamError(
                    f"{self.path}: line {number} is damaged ({error}). Correct or remove that line."
                ) from error

    def _read(self, line: bytes) -> Readings:
        readings = Readings.of(
            (str(node), self._board.step_of(ds, kept=True), math.nan if y is None else float(y))
            for node, ds, y in msgspec.json.decode(line)
        )
        if len(row := too_large(readings.y)):
            raise StreamError(f"y {readings.y[row[0]]:g} is beyond 3.4e38")
        return readings

    def _line(self, readings: Readings) -> bytes:
        distinct = {step: self._board.time_of(step) for step in set(readings.step.tolist())}
        stamps = {step: when.isoformat() for step, when in distinct.items()}
        times = [stamps[step] for step in readings.step.tolist()]
        rows = list(zip(readings.unique_id, times, readings.y.tolist(), strict=True))
        return msgspec.json.encode(rows) + b"\n"  # NaN becomes null
