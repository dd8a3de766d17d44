"""Operations on the disk: each is told to the hooks of a test before it happens."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

Operation: TypeAlias = Literal[
    "folder", "create", "write", "sync", "rename", "sync folder", "remove"
]
Hook: TypeAlias = Callable[[Operation, Path], None]

_HOOKS: list[Hook] = []


@contextmanager
def watched(hook: Hook) -> Iterator[None]:
    """Calls ``hook`` before every operation on a file, with its kind and path; for tests.

    A hook may raise, as a full disk does, or end the process, as a kill does.

    Example:
        >>> import tempfile
        >>> from eac.files import write_text
        >>> seen = []
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with watched(lambda operation, path: seen.append(operation)):
        ...         _ = write_text(Path(folder) / "a.txt", "x")
        >>> seen
        ['create', 'write', 'sync', 'rename', 'sync folder']
    """
    _HOOKS.append(hook)
    try:
        yield
    finally:
        _HOOKS.remove(hook)


def tell(operation: Operation, path: Path) -> None:
    """Tells the hooks what is about to happen to a file.

    Example:
        >>> seen = []
        >>> with watched(lambda operation, path: seen.append((operation, path.name))):
        ...     tell("create", Path("runs/x/run.json"))
        >>> seen
        [('create', 'run.json')]
    """
    for hook in tuple(_HOOKS):
        hook(operation, path)


def sync(path: Path) -> None:
    """Waits until the content of a file is on the disk.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile() as file:
        ...     sync(Path(file.name))
    """
    tell("sync", path)
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     sync_folder(Path(folder))
    """
    tell("sync folder", folder)
    if os.name == "nt":  # a folder cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems have no such call
            raise
    finally:
        os.close(handle)
