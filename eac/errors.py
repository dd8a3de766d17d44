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

    Example:
        >>> try:
        ...     raise StreamError("period '3' has no readings. Add them.")
        ... except EACError as error:
        ...     print(error)
        period '3' has no readings. Add them.
    """

    def __str__(self) -> str:
        return plain(super().__str__())


class StreamError(EACError, ValueError):
    """The input data are not a valid stream: names the period, node, row or file.

    Example:
        >>> issubclass(StreamError, EACError), issubclass(StreamError, ValueError)
        (True, True)
    """


class ConfigError(EACError, ValueError):
    """A setting, or a combination of settings, cannot work.

    Example:
        >>> try:
        ...     raise ConfigError("rank=0: give a positive number.")
        ... except ValueError as error:
        ...     print(error)
        rank=0: give a positive number.
    """


class PlanError(EACError, RuntimeError):
    """A strategy asked for something the period cannot give, such as an empty set of nodes.

    Example:
        >>> issubclass(PlanError, RuntimeError)
        True
    """


class CheckpointError(EACError, RuntimeError):
    """A saved state is missing, damaged, or belongs to another run or format version.

    Example:
        >>> issubclass(CheckpointError, RuntimeError)
        True
    """


class RunError(EACError, RuntimeError):
    """A run directory and the stream do not fit together.

    Example:
        >>> issubclass(RunError, RuntimeError)
        True
    """


class DivergedError(EACError, ArithmeticError):
    """A training whose numbers grew beyond all bounds: names period, batch, node and rate.

    Example:
        >>> issubclass(DivergedError, ArithmeticError)
        True
    """


class WriteError(EACError, OSError):
    """A file cannot be written: the disk is full, the folder is read-only, a link is in the way.

    Example:
        >>> issubclass(WriteError, OSError)
        True
    """


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

    Example:
        >>> try:
        ...     with explain_write(Path("out.csv")):
        ...         raise OSError(28, "no space")
        ... except WriteError as error:
        ...     print(str(error).partition(":")[0])
        out.csv cannot be written
    """
    try:
        yield
    except EACError:
        raise
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}. Try another path")
        raise WriteError(f"{target} cannot be written: {reason}.") from error
