import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from eac.errors import StreamError
from eac.server.board import Board
from eac.server.log import LOG_FILE, ObservationLog
from eac.server.readings import Readings

HOUR = timedelta(hours=1)
WRITER = """
import sys
from datetime import timedelta
from pathlib import Path
from eac.server.board import Board
from eac.server.log import ObservationLog
from eac.server.readings import Readings
board = Board(timedelta(hours=1), 10_000)
log = ObservationLog(Path(sys.argv[1]), board)
log.replay()
for step in range(10_000):
    log.append([Readings.of([("a", step, float(step))])])
    print(step, flush=True)
"""


def opened(directory: Path, length: int = 10_000) -> tuple[ObservationLog, Board, int]:
    board = Board(HOUR, length)
    log = ObservationLog(directory, board)
    return log, board, log.replay()


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    )
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(20)]
    writer.kill()
    acknowledged += [int(line) for line in writer.stdout.read().split()]
    writer.stdout.close()
    writer.wait()
    log, board, _ = opened(tmp_path)
    log.close()
    kept = set(board.readings().step.tolist())
    assert set(acknowledged) <= kept


def test_a_line_that_was_cut_short_is_left_out_and_removed(tmp_path):
    log, _, _ = opened(tmp_path)
    log.append([Readings.of([("a", 1, 1.0), ("ü", 2, float("nan"))])])
    log.close()
    with (tmp_path / LOG_FILE).open("a") as file:
        file.write('[["a", "2000-01-')
    log, board, count = opened(tmp_path)
    log.close()
    assert count == 2
    kept = board.readings()
    assert (kept.unique_id, kept.step.tolist()) == (["a", "ü"], [1, 2])
    assert (tmp_path / LOG_FILE).read_text() == ""


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    (tmp_path / LOG_FILE).write_text('[["a", "2000-01-03T01:00:00", 1]]\nwhat\n[]\n')
    with pytest.raises(StreamError, match="line 2 is damaged"):
        opened(tmp_path)


def test_a_start_drops_what_is_no_longer_kept(tmp_path):
    log, _, _ = opened(tmp_path)
    log.append([Readings.of([("a", step, 1.0)]) for step in range(50)])
    log.close()
    log, _, _ = opened(tmp_path, length=5)
    log.close()
    log, board, count = opened(tmp_path)
    log.close()
    assert count == 5
    assert board.readings().step.tolist() == [45, 46, 47, 48, 49]
