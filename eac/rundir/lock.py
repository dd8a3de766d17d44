"""One writer in a run directory: a lock that says who holds it, and that the dead do not hold."""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from eac.errors import RunError
from eac.files import open_in_place, remove

LOCK_FILE = ".lock"
ENDED = "ZXx"
"""States of a process that has ended, whether or not its parent has taken notice."""
_HELD: dict[Path, int] = {}
"""Directories that this process holds, and how often."""


@dataclass(frozen=True)
class Holder:
    """The process that writes in a run.

    Attributes:
        host: Name of its machine.
        pid: Its number there.
        started: When it started, as that machine counts; tells it from a later one of the same
            number. Empty where the system does not say.
        since: When it took the lock, in UTC.

    Example:
        >>> import os
        >>> Holder.me().pid == os.getpid()
        True
    """

    host: str
    pid: int
    started: str
    since: str

    @staticmethod
    def me() -> "Holder":
        """This process."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Holder(platform.node(), os.getpid(), _started(os.getpid()), now)


@contextmanager
def only_writer(run_dir: Path) -> Iterator[None]:
    """Holds a run directory for this process, which may ask again while it does.

    The system gives the lock back when the process ends, however it ends.

    Raises:
        RunError: If another process holds it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, only_writer(Path(folder)):
        ...     with only_writer(Path(folder)):  # the same process may ask again
        ...         print("held")
        held
    """
    key = run_dir.absolute()
    if _HELD.get(key):
        _HELD[key] += 1
        try:
            yield
        finally:
            _HELD[key] -= 1
        return
    file = _take(key / LOCK_FILE, run_dir)
    _HELD[key] = 1
    try:
        yield
    finally:
        del _HELD[key]
        remove(key / LOCK_FILE)
        file.close()


def writer(run_dir: Path) -> str:
    """Who is writing in a run directory, in a sentence; "" where nobody is. Writes nothing.

    Example:
        >>> writer(Path("runs/that/is/not/there"))
        ''
    """
    path = run_dir.absolute() / LOCK_FILE
    if _HELD.get(path.parent) or not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        free, holder = _system_lock(file), _read(file)
    held = not free or (holder is not None and _may_live(holder))
    return _held_by(holder, run_dir).partition(". ")[0] if held else ""


def _take(path: Path, run_dir: Path) -> IO[str]:
    while True:
        file = open_in_place(path, append=False)
        try:
            free = _system_lock(file)
            holder = _read(file)
            if not free or (holder is not None and _may_live(holder)):
                raise RunError(_held_by(holder, run_dir))
            if not _is_still(file, path):  # its holder removed it just now
                file.close()
                continue
            file.seek(0)
            file.truncate()
            file.write(json.dumps(asdict(Holder.me())) + "\n")
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            file.close()
            raise
        return file


def _system_lock(file: IO[str]) -> bool:
    """Whether the system gives this file to this process alone; True where it knows no locks."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _is_still(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _read(file: IO[str]) -> Holder | None:
    """Who is written in the lock; None where nobody is, or only half a line."""
    try:
        return Holder(**json.loads(file.read()))
    except (ValueError, TypeError):
        return None


def _may_live(holder: Holder) -> bool:
    """Whether the process may still run; of another machine this cannot be known."""
    if holder.host != platform.node():
        return True
    if holder.pid == os.getpid():
        return False
    return _started(holder.pid) == holder.started and _exists(holder.pid)


def _exists(pid: int) -> bool:
    if os.name == "nt":  # a signal would end the process there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _started(pid: int) -> str:
    """Start of a process in ticks since the machine started; "" where the system does not tell.

    One that has ended, and that nobody has asked how, does not run either.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in ENDED else fields[19]


def _held_by(holder: Holder | None, run_dir: Path) -> str:
    if holder is None:
        return f"another process is writing in {run_dir}. Wait for it, or give another directory."
    who = f"process {holder.pid} on {holder.host}"
    if holder.host != platform.node():
        return (
            f"{who} took {run_dir} at {holder.since}, and whether it still runs cannot be seen "
            f"from {platform.node()}. If it does not, remove {run_dir / LOCK_FILE} and start again."
        )
    return (
        f"{who} is writing in {run_dir} since {holder.since}. Wait for it, or give another "
        "directory."
    )
