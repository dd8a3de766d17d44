"""Running what is left of a grid, and the diary of the times it was run."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from eac.benchmark.executors import Executor
from eac.benchmark.grid import (
    AGAIN,
    LOG_FILE,
    Cell,
    CellResult,
    EntryPoint,
    left_to_run,
    read_result,
    tail,
    write_result,
)
from eac.errors import RunError
from eac.files import open_in_place, remove, write_json
from eac.records.jsonfile import format_header, read_as

DIARY_FILE = "benchmark.json"
DIARY_FORMAT = "eac.benchmark"


@dataclass(frozen=True)
class Session:
    """One time the grid was run.

    Attributes:
        command: As it was given.
        started: Date and time in UTC.
        executor: What ran the cells.
        workers: Cells at a time; None when the executor decided.
        seconds: Wall time until the last cell ended.
        finished: Cells that were finished in it.
        failed: Cells that failed in it.

    Example:
        >>> result = CellResult((), error="", seconds=3.0, peak_memory_mib=None)
        >>> session = Session("eac benchmark", "2024-01-31 12:00", "local", workers=2)
        >>> session.after(result, 3.0).finished
        1
    """

    command: str
    started: str
    executor: str
    workers: int | None
    seconds: float = 0.0
    finished: int = 0
    failed: int = 0

    def after(self, result: CellResult, seconds: float) -> "Session":
        """The session once another cell has ended."""
        done = int(result.done)
        return replace(
            self,
            seconds=round(seconds, 1),
            finished=self.finished + done,
            failed=self.failed + 1 - done,
        )


@dataclass(frozen=True)
class _Diary:
    sessions: tuple[Session, ...]


def run_grid(
    cells: Sequence[Cell],
    executor: Executor,
    entry: EntryPoint,
    *,
    out: Path,
    command: str,
    on_end: Callable[[Cell, CellResult], None],
) -> None:
    """Runs every cell that is not finished; a cell that fails is recorded and the rest goes on.

    Args:
        cells: The whole grid.
        executor: Where cells are run.
        entry: Runs one stream, as ``eac run`` does.
        out: Directory of the benchmark.
        command: Kept for the reader of the tables.
        on_end: Called with each cell that ended.

    Raises:
        RunError: If another process works on ``out``, or a finished cell had other settings.

    Example:
        >>> from eac.benchmark.executors import LocalExecutor
        >>> from tempfile import TemporaryDirectory
        >>> entry, said = EntryPoint("eac.cli.commands.run"), {"command": "eac benchmark ours"}
        >>> with TemporaryDirectory() as folder:
        ...     run_grid([], LocalExecutor(1), entry, out=Path(folder), on_end=print, **said)
    """
    with _alone_in(out):
        left = left_to_run(cells)
        for cell in left:
            _forget(cell)
        session = _new_session(executor, command)
        earlier, begin = read_diary(out), time.perf_counter()
        for cell, death in executor.run(left, entry):
            result = read_result(cell)
            if result is None:
                result = _killed(cell, death)
                write_result(cell, result)
            session = session.after(result, time.perf_counter() - begin)
            _write_diary(out, [*earlier, session])
            on_end(cell, result)


def read_diary(out: Path) -> list[Session]:
    """The times the grid was run, oldest first.

    Example:
        >>> read_diary(Path("a folder without a benchmark"))
        []
    """
    path = out / DIARY_FILE
    if not path.is_file():
        return []
    return list(read_as(_Diary, path, DIARY_FORMAT, advice=AGAIN).sessions)


def _write_diary(out: Path, sessions: Sequence[Session]) -> None:
    content = {"sessions": [asdict(session) for session in sessions]}
    write_json(out / DIARY_FILE, format_header(DIARY_FORMAT) | content)


def _new_session(executor: Executor, command: str) -> Session:
    name = type(executor).__name__.removesuffix("Executor").lower()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return Session(command, started, name, getattr(executor, "workers", None))


def _forget(cell: Cell) -> None:
    """Removes the record of a failure, and the log, of a cell that is tried again."""
    for name in ("cell.json", LOG_FILE):
        remove(cell.directory / name)


def _killed(cell: Cell, death: str) -> CellResult:
    log = tail(cell.directory / LOG_FILE)
    error = f"{death or 'its process ended without a word'}. Last lines of its log:\n{log}"
    return CellResult(cell.arguments, error, 0.0, None)


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """Holds a lock on the directory, which the system gives back when this process ends."""
    with open_in_place(out / ".lock", append=False) as file:
        try:
            import fcntl
        except ImportError:  # no such locks on this system
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(
                f"another process is running the benchmark in {out}. Wait for it, or give "
                "another --out."
            ) from error
        yield
