"""Temporary names that say who uses them, and files that end with their process."""

import itertools
import os
import platform
import re
import secrets
import shutil
import tempfile
import time
from functools import cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from eac.errors import WriteError

if TYPE_CHECKING:
    from numpy import ndarray

ABANDONED = 24 * 3600.0
"""Seconds after which a temporary file of another machine counts as left by a dead process."""

_HOST = re.sub(r"[^A-Za-z0-9]", "_", platform.node())[:40] or "_"
_TOKEN = secrets.token_hex(4)
_COUNT = itertools.count()
_TEMPORARY = re.compile(
    r"\.tmp-(?P<host>[A-Za-z0-9_]+)-(?P<pid>\d+)-(?P<token>[0-9a-f]{8})-\d+-", re.ASCII
)


def temporary_name(target: Path) -> Path:
    """A new name beside ``target`` that ends as its name does and says host and process.

    Example:
        >>> temporary_name(Path("runs/run.json")).parent
        PosixPath('runs')
    """
    end = target.name.encode()[-60:].decode(errors="ignore")
    return target.with_name(f".tmp-{_HOST}-{os.getpid()}-{_TOKEN}-{next(_COUNT)}-{end}")


def working_array(shape: tuple[int, ...]) -> "ndarray":
    """Numbers of float32 in a nameless file, which is gone with the array or the process.

    Raises:
        WriteError: If the folder for temporary files has no room for it.

    Example:
        >>> working_array((2, 3)).shape
        (2, 3)
    """
    import numpy as np  # which reading a record does not need

    size = max(1, 4 * prod(shape))
    with tempfile.TemporaryFile() as file:
        try:
            reserve(file.fileno(), size)
        except OSError as error:
            raise WriteError(
                f"{tempfile.gettempdir()} has no room for {size / 2**30:.1f} GiB of working files "
                f"({error.strerror}). Set TMPDIR to a folder on a larger disk."
            ) from error
        return np.memmap(file, np.float32, "r+", shape=shape)


def reserve(file: int, size: int) -> None:
    """Makes a file this long, where the system can with all its room on the disk.

    Example:
        >>> with tempfile.TemporaryFile() as file:
        ...     reserve(file.fileno(), 100)
        ...     print(os.fstat(file.fileno()).st_size)
        100
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)


def remove_leftovers(folder: Path) -> None:
    """Removes temporary files of processes that are dead, once in each folder and process.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     remove_leftovers(Path(folder))
    """
    _sweep(folder.absolute())


@cache
def _sweep(folder: Path) -> None:
    with os.scandir(folder) as entries:
        left = [entry for entry in entries if _is_left(entry)]
    for entry in left:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            Path(entry.path).unlink(missing_ok=True)


def _is_left(entry: "os.DirEntry[str]") -> bool:
    found = _TEMPORARY.match(entry.name)
    if found is None:
        return False
    if found["host"] == _HOST and not _is_alive(int(found["pid"]), found["token"]):
        return True
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > ABANDONED


def _is_alive(pid: int, token: str) -> bool:
    if pid == os.getpid():
        return token == _TOKEN
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
