import errno
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from eac.disk import watched
from eac.errors import RunError, StreamError, WriteError
from eac.server.board import Board
from eac.server.keeping.log import BASE_FILE, LOG_FILE, ObservationLog
from eac.server.readings import Readings

HOUR = timedelta(hours=1)
WRITER = """
import sys
from datetime import timedelta
from pathlib import Path
from eac.server.board import Board
from eac.server.keeping.log import ObservationLog
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


def put_in(directory: Path, *rows: tuple[str, int, float]) -> None:
    log, _, _ = opened(directory)
    log.append([Readings.of(rows)])
    log.close()


def test_a_directory_that_another_process_holds_is_left_alone(tmp_path):
    fcntl = pytest.importorskip("fcntl", reason="locks of this system")
    put_in(tmp_path, ("a", 1, 1.0))
    before = (tmp_path / LOG_FILE).read_bytes()
    with (tmp_path / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(RunError, match=r"another process is writing in .*--state"):
            opened(tmp_path)
    assert (tmp_path / LOG_FILE).read_bytes() == before != b""
    put_in(tmp_path)
    assert not (tmp_path / ".lock").exists()


def test_a_full_disk_leaves_no_half_line_and_later_readings_are_kept(tmp_path, monkeypatch):
    log, _, _ = opened(tmp_path)
    log.append([Readings.of([("a", 1, 1.0)])])
    before, write = (tmp_path / LOG_FILE).read_bytes(), os.write

    def full(handle: int, data: memoryview) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data[:20])

    with monkeypatch.context() as patched:
        patched.setattr("os.write", full)
        with pytest.raises(WriteError, match=rf"{LOG_FILE} cannot be written: the disk is full"):
            log.append([Readings.of([("b", 2, 2.0)])])
        assert (tmp_path / LOG_FILE).read_bytes() == before
        patched.setattr("os.ftruncate", lambda handle, length: full(handle, memoryview(b"")))
        with pytest.raises(WriteError):
            log.append([Readings.of([("b", 2, 2.0)])])
    log.append([Readings.of([("c", 3, 3.0)])])
    log.close()
    log, board, _ = opened(tmp_path)
    log.close()
    assert board.node_ids == ["a", "c"]


@pytest.mark.parametrize("name", [BASE_FILE, LOG_FILE])
def test_a_compaction_that_fails_leaves_a_log_that_is_used(tmp_path, name):
    log, board, _ = opened(tmp_path)

    def full(operation: str, path: Path) -> None:
        if path.name == name and operation in ("rename", "write"):
            raise OSError(errno.ENOSPC, "No space left on device")

    readings = Readings.of([("a", 1, 1.0)])
    log.append([readings])
    board.put(readings)
    with watched(full), pytest.raises(WriteError, match="the disk is full"):
        log.compact()
    log.append([Readings.of([("b", 2, 2.0)])])
    log.close()
    log, board, _ = opened(tmp_path)
    log.close()
    assert board.node_ids == ["a", "b"]


def test_ids_with_every_kind_of_line_break_survive_a_restart(tmp_path):
    ids = ["a\u2028b", "a\u0085b", "a\nb", "a\r", "a\x1cb"]
    put_in(tmp_path, *((node, 1, 1.0) for node in ids))
    log, board, _ = opened(tmp_path)
    log.close()
    assert board.node_ids == ids


@pytest.mark.parametrize("step", [-1, -400_000])
def test_readings_before_the_first_step_survive_restarts(tmp_path, step):
    put_in(tmp_path, ("a", step, 1.0), ("a", step - 1, 2.0))
    for _ in range(2):
        log, board, count = opened(tmp_path, length=3)
        log.close()
        assert count == 2
        assert board.readings().step.tolist() == [step - 1, step]


@pytest.mark.parametrize("line", ['[["a", "2000-01-', '[["a", "2000-01-03T01:00:00", 1e39]]'])
def test_a_damaged_last_line_that_was_acknowledged_is_named_and_kept(tmp_path, line):
    (tmp_path / LOG_FILE).write_text(f"{line}\n")
    with pytest.raises(StreamError, match="line 1 is damaged"):
        opened(tmp_path)
    assert (tmp_path / LOG_FILE).read_text() == f"{line}\n"


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "another"])
def test_a_damaged_board_is_named(tmp_path, damage):
    put_in(tmp_path, ("a", 1, 1.0))
    put_in(tmp_path)
    path = tmp_path / BASE_FILE
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2]}.get(damage, b"garbage" * 9))
    if damage == "another":
        with path.open("wb") as file:
            np.savez(file, values=np.zeros(2))
    with pytest.raises(StreamError, match=rf"{BASE_FILE} is damaged .*remove it"):
        opened(tmp_path)
    path.unlink()
    opened(tmp_path)[0].close()
