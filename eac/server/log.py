"""What was observed, in a file that only grows: an acknowledged reading survives a kill."""

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from eac.errors import StreamError
from eac.files import open_in_place, write_arrays, write_text
from eac.server.board import Board
from eac.server.readings import Readings

LOG_FILE = "observations.jsonl"
BASE_FILE = "board.npz"
LARGE = 64 << 20
"""Bytes of a log that is compacted."""


class ObservationLog:
    """Readings by line, each synchronised with the disk before it is acknowledged.

    At every start, and when the log has grown, the board is saved whole beside it and the log
    begins anew; a kill between the two leaves readings in both, which changes nothing. A line that
    a kill cut short is the last one and was never acknowledged; it is left out.

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
        self._file: IO[str] | None = None

    def replay(self) -> int:
        """Puts everything that was observed on the board, and opens the log.

        Returns:
            Readings found.
        """
        count = 0
        if self._base.is_file():
            with np.load(self._base) as arrays:
                count = self._board.take(arrays)
        for readings in self._lines():
            count += len(readings)
            self._board.put(readings)
        self.compact()
        return count

    def compact(self) -> None:
        """Saves the board whole, and begins the log anew."""
        self.close()
        write_arrays(self._base, **self._board.arrays())
        write_text(self.path, "")
        self._file = open_in_place(self.path)

    def append(self, batches: Iterable[Readings]) -> None:
        """Writes batches of readings, and returns when the disk has them."""
        if self._file is None:
            raise StreamError("the log of observations is closed.")
        for readings in batches:
            self._file.write(self._line(readings))
        self._file.flush()
        os.fsync(self._file.fileno())

    @property
    def grown(self) -> bool:
        """True where the log is so long that it should be compacted."""
        return self._file is not None and os.fstat(self._file.fileno()).st_size > LARGE

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _lines(self) -> Iterator[Readings]:
        if not self.path.is_file():
            return
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                yield Readings.of(
                    (str(node), self._board.step_of(ds), math.nan if y is None else float(y))
                    for node, ds, y in msgspec.json.decode(line)
                )
            except (ValueError, TypeError, StreamError) as error:
                if number == len(lines):
                    return
                raise StreamError(
                    f"{self.path}: line {number} is damaged ({error}). Correct or remove that line."
                ) from error

    def _line(self, readings: Readings) -> str:
        distinct = {step: self._board.time_of(step) for step in set(readings.step.tolist())}
        stamps = {step: when.isoformat() for step, when in distinct.items()}
        times = [stamps[step] for step in readings.step.tolist()]
        rows = list(zip(readings.unique_id, times, readings.y.tolist(), strict=True))
        return msgspec.json.encode(rows).decode() + "\n"  # NaN becomes null
