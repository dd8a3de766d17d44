"""What was observed, in a file that only grows: an acknowledged reading survives a kill."""

import json
import math
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from eac.errors import StreamError
from eac.files import open_in_place, write_text
from eac.server.board import Board, Reading

LOG_FILE = "observations.jsonl"
ROWS_PER_LINE = 5000


class ObservationLog:
    """Readings by line, each synchronised with the disk before it is acknowledged.

    A line that a kill cut short is the last one and was never acknowledged; it is left out when
    the log is read and removed when the log is compacted, which happens at every start.

    Args:
        directory: Holds the log; made where it is missing.
        board: Gives time stamps.
    """

    def __init__(self, directory: Path, board: Board):
        self.path = directory / LOG_FILE
        self._board = board

    def replay(self) -> int:
        """Puts everything that was observed on the board, compacts the file, opens it.

        Returns:
            Readings found.
        """
        count = 0
        for readings in self._lines():
            count += len(readings)
            self._board.put(readings)
        self._compact()
        self._file = open_in_place(self.path)
        return count

    def append(self, batches: Iterable[list[Reading]]) -> None:
        """Writes batches of readings, and returns when the disk has them."""
        for readings in batches:
            self._file.write(self._line(readings))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _lines(self) -> Iterator[list[Reading]]:
        if not self.path.is_file():
            return
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                yield [
                    Reading(str(node), self._board.step_of(ds), math.nan if y is None else float(y))
                    for node, ds, y in json.loads(line)
                ]
            except (ValueError, TypeError, StreamError) as error:
                if number == len(lines):
                    return
                raise StreamError(
                    f"{self.path}: line {number} is damaged ({error}). Correct or remove that line."
                ) from error

    def _compact(self) -> None:
        readings, lines = iter(self._board.readings()), []
        while rows := list(islice(readings, ROWS_PER_LINE)):
            lines.append(self._line(rows))
        write_text(self.path, "".join(lines))

    def _line(self, readings: list[Reading]) -> str:
        rows = [
            [r.unique_id, self._board.time_of(r.step).isoformat(), None if math.isnan(r.y) else r.y]
            for r in readings
        ]
        return json.dumps(rows, ensure_ascii=False) + "\n"
