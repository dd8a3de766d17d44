"""The project's own exceptions. A message names what was wrong, with its value, and what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eac.plain import plain


class EACError(Exception):
    """Base class of every error raised on purpose by this package.

    Messages name sensors, periods and files. What a terminal would obey in such a name is written
    out, wherever the message is printed.
    """

    def __str__(self) -> str:
        return plain(super().__str__())


class StreamError(EACError, ValueError):
    """The input data are not a valid stream: names the period, node, row or file."""


class ConfigError(EACError, ValueError):
    """A setting, or a combination of settings, cannot work."""


class PlanError(EACError, RuntimeError):
    """A strategy asked for something the period cannot give, such as an empty set of nodes."""


class CheckpointError(EACError, RuntimeError):
    """A saved state is missing, damaged, or belongs to another run or format version."""


class RunError(EACError, RuntimeError):
    """A run directory and the stream do not fit together."""


class DivergedError(EACError, ArithmeticError):
    """A training whose numbers grew beyond all bounds: names period, batch, node and rate."""


class WriteError(EACError, OSError):
    """A file cannot be written: the disk is full, the folder is read-only, a link is in the way."""


_REASONS = {
    errno.ENOSPC: "the disk is full. Free some space and try again",
    errno.EDQUOT: "the disk quota is used up. Free some space and try again",
    errno.EROFS: "the file system is read-only. Give a path that can be written",
    errno.EACCES: "there is no permission. Give a path that you may write",
    errno.EPERM: "there is no permission. Give a path that you may write",
    errno.ENOTDIR: "a file stands where a folder is needed. Give another path",
    errno.EEXIST: "a file stands where a folder is needed. Give another path",
    errno.ENAMETOOLONG: "the name is too long. Give a shorter one",
    errno.EIO: "the disk reports an error. Check the disk and try again",
}


@contextmanager
def explain_write(target: Path) -> Iterator[None]:
    """Says in one sentence why ``target`` cannot be written.

    Raises:
        WriteError: In place of the system's own error.
    """
    try:
        yield
    except EACError:
        raise
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}. Try another path")
        raise WriteError(f"{target} cannot be written: {reason}.") from error
