"""The files of settings that a command line names: found by name, checked before use."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from eac.errors import ConfigError
from eac.recipes import find_config, read_settings

FLAGS = ("-c", "--config")
GROUPS = ("data", "metrics", "model", "run", "trainer")


def with_files(args: Sequence[str]) -> list[str]:
    """The arguments with each ``-c NAME`` as the path of a file that holds settings.

    A name that is both a recipe and a part of one is the recipe in the first ``-c``.

    Raises:
        ConfigError: If a file is missing, or is no YAML with settings.
    """
    given, first = list(args), True
    for position, flag, name in _named(args):
        path = find_config(name, prefer="recipes" if first else "")
        _check_groups(path)
        given[position] = f"{flag}={path}" if flag else str(path)
        first = False
    return given


def _check_groups(path: Path) -> None:
    """Refuses a file in which a group of settings is something else."""
    for key, value in read_settings(path).items():
        if key in GROUPS and not isinstance(value, dict):
            raise ConfigError(
                f"-c {path}: {key} is a group of settings, found {key}: {str(value)[:40]}. "
                "Indent its "
                "settings below it, or leave it out."
            )


def _named(args: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Position, flag joined to it by ``=``, and name of every configuration."""
    for position, arg in enumerate(args):
        flag, separator, name = arg.partition("=")
        if flag in FLAGS and separator:
            yield position, flag, name
        elif arg in FLAGS and position + 1 < len(args):
            yield position + 1, "", args[position + 1]
