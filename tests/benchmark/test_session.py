"""A grid survives what happens to its cells, and to itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from eac.benchmark.executors import RayExecutor
from eac.benchmark.grid import CELL_FILE, Cell, CellResult, read_result
from eac.benchmark.results import collect
from eac.benchmark.session import read_diary, run_grid
from eac.errors import ConfigError, RunError
from tests.benchmark.fake_runs import ENTRY, drive, grid

COSTS = ["cell_seconds", "peak_memory_mib"]


def _result(cell: Cell) -> CellResult:
    result = read_result(cell)
    assert result is not None
    return result


def _calls(out: Path) -> list[str]:
    return (out / "calls.txt").read_text().split()


def test_every_cell_runs_once_and_a_second_start_runs_none(tmp_path):
    assert len(drive(tmp_path)) == 6
    assert sorted(set(_calls(tmp_path))) == sorted(_calls(tmp_path))
    assert drive(tmp_path) == []
    assert len(_calls(tmp_path)) == 6
    assert all(_result(cell).done for cell in grid(tmp_path))
    assert [(s.finished, s.failed, s.workers) for s in read_diary(tmp_path)] == [(6, 0, 2)]


@pytest.mark.parametrize(
    ("fail", "words"),
    [
        ("error", "RunError: the stream is made of cheese"),
        ("exit", "error: no such key"),
        ("kill", "killed by signal 9"),
        ("half", "ended before every period of its stream was done"),
    ],
)
def test_a_cell_that_fails_is_recorded_with_its_error_and_the_rest_goes_on(tmp_path, fail, words):
    drive(tmp_path, fail=fail)
    results = {cell.name: _result(cell) for cell in grid(tmp_path, fail=fail)}
    failed = [name for name, result in results.items() if not result.done]
    assert failed == ["Odd, fake, seed 1", "Odd, fake, seed 2"]
    assert words in results["Odd, fake, seed 1"].error
    assert set(collect(grid(tmp_path, fail=fail)).strategy) >= {"Good", "Bad"}
    tried_again = drive(tmp_path, fail="")
    assert sorted(tried_again) == failed


def test_finished_cells_with_other_settings_are_refused(tmp_path):
    drive(tmp_path)
    with pytest.raises(RunError, match=r"was run with .*--sleep=0.0.*now says.*--sleep=0.1"):
        drive(tmp_path, sleep=0.1)


def test_a_cell_that_says_it_is_done_and_lacks_a_period_is_run_again(tmp_path):
    drive(tmp_path)
    cell = grid(tmp_path)[0]
    (cell.directory / "period-01-b" / "metrics.json").unlink()
    assert not _result(cell).done
    assert drive(tmp_path) == [cell.name]
    assert _result(cell).done


def _start(out: Path, repository: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmark.fake_runs", str(out), "0.3"], cwd=repository
    )


def test_after_a_kill_no_finished_cell_runs_again_and_the_table_is_the_same(tmp_path, repository):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = _start(killed, repository)
    while len(list(killed.rglob(CELL_FILE))) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.6)  # cells in progress end with the grid, they do not go on without it
    finished = {f"{p.parents[1].name}/{p.parent.name}" for p in killed.rglob(CELL_FILE)}
    assert 2 <= len(finished) < 6
    assert _start(killed, repository).wait() == 0
    assert all(_calls(killed).count(cell) == 1 for cell in finished)
    assert set(_calls(killed)) > finished
    assert _start(whole, repository).wait() == 0
    tables = [collect(grid(out, sleep=0.3)).drop(columns=COSTS) for out in (killed, whole)]
    pd.testing.assert_frame_equal(tables[0], tables[1])


def test_two_grids_cannot_share_a_directory(tmp_path, repository):
    process = _start(tmp_path, repository)
    while not (tmp_path / "calls.txt").is_file():
        time.sleep(0.02)
    with pytest.raises(RunError, match="another process is running the benchmark"):
        drive(tmp_path, sleep=0.3)
    assert process.wait() == 0


def test_ray_is_asked_for_when_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"eac\[ray\]"):
        run_grid(
            grid(tmp_path), RayExecutor(), ENTRY, out=tmp_path, command="", on_end=lambda *_: None
        )


@pytest.mark.slow
def test_ray_runs_the_same_grid(tmp_path):
    pytest.importorskip("ray", reason="needs the extra eac[ray]")
    ended = []
    run_grid(
        grid(tmp_path / "ray", fail="kill"),
        RayExecutor(workers=1),
        ENTRY,
        out=tmp_path / "ray",
        command="",
        on_end=lambda cell, result: ended.append((cell.strategy, result.done)),
    )
    assert sorted(set(ended)) == [("Bad", True), ("Good", True), ("Odd", False)]
    drive(tmp_path / "local", fail="kill")
    tables = [
        collect(grid(tmp_path / name, fail="kill")).drop(columns=COSTS) for name in ("ray", "local")
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1])


def test_what_cells_are_forked_from_is_told_their_threads(tmp_path):
    code = (
        "from eac.benchmark.checks import check_cells\n"
        "from eac.benchmark.grid import EntryPoint\n"
        "from tests.benchmark.fake_runs import ENTRY, grid\n"
        "from pathlib import Path\n"
        "if __name__ == '__main__':\n"
        "    check = EntryPoint('tests.benchmark.fake_runs', 'threads_seen')\n"
        f"    check_cells(grid(Path({str(tmp_path)!r})), check, ENTRY, threads=3)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert "threads: 3" in done.stderr
