"""A run directory has one writer; a dead process holds nothing."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eac.errors import RunError
from eac.rundir.lock import LOCK_FILE, Holder, _started, only_writer

HOLD = """
import sys
from pathlib import Path
from eac.rundir.lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(directory) -> subprocess.Popen:
    """Another process that holds the directory until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_by_name_until_the_first_is_killed(tmp_path):
    process = hold(tmp_path)
    with (
        pytest.raises(RunError, match=f"process {process.pid} on .* is writing in"),
        only_writer(tmp_path),
    ):
        pass
    process.kill()
    with process:
        pass
    assert (tmp_path / LOCK_FILE).is_file()
    with only_writer(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()
    assert not (tmp_path / LOCK_FILE).exists()


def test_one_process_may_ask_twice(tmp_path):
    with only_writer(tmp_path), only_writer(tmp_path):
        pass
    assert not (tmp_path / LOCK_FILE).exists()


def test_a_holder_on_another_machine_is_named_with_how_to_break_its_lock(tmp_path):
    path = tmp_path / LOCK_FILE
    other = vars(Holder.me()) | {"host": "elsewhere"}
    path.write_text(json.dumps(other))
    with (
        pytest.raises(RunError, match=r"on elsewhere .* remove .*lock and start again"),
        only_writer(tmp_path),
    ):
        pass
    path.unlink()  # as the message says
    with only_writer(tmp_path):
        pass


def test_a_later_process_of_the_same_number_holds_nothing(tmp_path):
    parent = vars(Holder.me()) | {"pid": os.getppid(), "started": "1"}
    (tmp_path / LOCK_FILE).write_text(json.dumps(parent))
    with only_writer(tmp_path):
        pass


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system shows no states")
def test_a_process_that_was_killed_holds_nothing_though_nobody_took_notice(tmp_path):
    killed = subprocess.Popen(["sleep", "60"])
    try:
        holder = vars(Holder.me()) | {"pid": killed.pid, "started": _started(killed.pid)}
        (tmp_path / LOCK_FILE).write_text(json.dumps(holder))
        with pytest.raises(RunError, match="is writing in"), only_writer(tmp_path):
            pass
        killed.kill()
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # ended, and left as it is
        with only_writer(tmp_path):
            pass
    finally:
        killed.kill()
        killed.wait()


@pytest.mark.parametrize("text", ["", '{"host": "el', "[]"])
def test_half_a_line_holds_nothing(tmp_path, text):
    (tmp_path / LOCK_FILE).write_text(text)
    with only_writer(tmp_path):
        pass


TRY = """
import sys
from pathlib import Path
from eac.errors import RunError
from eac.rundir.lock import only_writer
print("ready", flush=True)
for line in sys.stdin:
    try:
        with only_writer(Path(line.strip())):
            print("in", flush=True)
            sys.stdin.readline()
            print("out", flush=True)
    except RunError:
        print("refused", flush=True)
        sys.stdin.readline()
"""


def _pairs(tmp_path, count):
    """Two processes that ask for one directory after another at the same time."""
    pair = [
        subprocess.Popen(
            [sys.executable, "-c", TRY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]

    def ask(process, text):
        process.stdin.write(f"{text}\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    with ThreadPoolExecutor(2) as pool:
        assert [process.stdout.readline() for process in pair] == ["ready\n"] * 2
        for number in range(count):
            directory = tmp_path / str(number)
            answers = list(pool.map(ask, pair, [directory] * 2))
            yield sorted(answers)
            for process, answer in zip(pair, answers, strict=True):
                process.stdin.write("\n")
                process.stdin.flush()
                assert answer != "in" or process.stdout.readline() == "out\n"
    for process in pair:
        process.communicate()
        assert process.returncode == 0


@pytest.mark.parametrize(
    "count", [3, pytest.param(1000, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_of_two_at_the_same_time_one_goes_in_and_one_is_refused(tmp_path, count):
    assert list(_pairs(tmp_path, count)) == [["in", "refused"]] * count
