"""One cell in a process of its own."""

import multiprocessing
import os
import sys
import threading
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout

from eac.benchmark.grid import (
    LOG_FILE,
    UNFINISHED,
    Cell,
    CellResult,
    EntryPoint,
    has_all_periods,
    tail,
    write_result,
)
from eac.files import open_in_place

KIB_PER_MIB = 1024


def run_cell(cell: Cell, entry: EntryPoint) -> None:
    """Runs the cell and writes what became of it beside what it printed.

    Args:
        cell: What to run.
        entry: Runs one stream, as ``eac run`` does.
    """
    end_with_parent()
    path = cell.directory / LOG_FILE
    begin = time.perf_counter()
    with open_in_place(path) as log, redirect_stdout(log), redirect_stderr(log):
        failed, error = _attempt([*cell.arguments, f"--run.dir={cell.directory}"], entry)
    if failed:
        error = error or tail(path) or "it ended without a word"
    elif not has_all_periods(cell):
        error = f"{UNFINISHED}. Last lines of its log:\n{tail(path)}"
    seconds = round(time.perf_counter() - begin, 3)
    write_result(cell, CellResult(cell.arguments, error, seconds, _peak_memory_mib()))


def _peak_memory_mib() -> float | None:
    """Most memory this process ever held, in MiB; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (KIB_PER_MIB**2 if sys.platform == "darwin" else KIB_PER_MIB), 1)


def _attempt(arguments: list[str], entry: EntryPoint) -> tuple[bool, str]:
    """Whether it failed, and why if more than the log is known."""
    try:
        return entry(arguments) != 0, ""
    except SystemExit as stop:
        return stop.code not in (None, 0), ""
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the result of this cell
        traceback.print_exc()
        return True, f"{type(error).__name__}: {error}"


def end_with_parent() -> None:
    """Ends this process when the one that asked for it is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def wait() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=wait, daemon=True).start()
