"""The project's own exceptions. A message names what was wrong, with its value, and what to do."""

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
