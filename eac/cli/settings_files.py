"""The files of settings that a command line names: found by name, checked before use."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from eac.errors import ConfigError
from eac.recipes import find_config

MOST_BYTES = 1 << 20
MOST_ENTRIES = 100_000
TABLES = (".csv", ".parquet", ".gz", ".xlsx", ".npz", ".npy")
FLAGS = ("-c", "--config")


def with_files(args: Sequence[str]) -> list[str]:
    """The arguments with each ``-c NAME`` as the path of a file that holds settings.

    A name that is both a recipe and a part of one is the recipe in the first ``-c``.

    Raises:
        ConfigError: If a file is missing, or is no YAML with settings.
    """
    given, first = list(args), True
    for position, flag, name in _named(args):
        path = find_config(name, prefer="recipes" if first else "")
        read_settings(path)
        given[position] = f"{flag}={path}" if flag else str(path)
        first = False
    return given


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a YAML file.

    Raises:
        ConfigError: If it cannot be read, is no YAML, holds no settings, or is too large.
    """
    if path.suffix in TABLES:
        raise ConfigError(
            f"-c {path}: settings are YAML. If these are readings, give them as --stream {path}."
        )
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"-c {path}: {path.stat().st_size} bytes are no file of settings.")
        text = path.read_text(encoding="utf-8")
        content = _bounded(text, path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"-c {path}: the file cannot be read: {error}.") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"-c {path}: this is no YAML: {_first_line(error)}.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        said = repr(content)
        raise ConfigError(
            f"-c {path}: settings are lines such as 'protocol: strict', found "
            f"{said if len(said) < 40 else said[:40] + '...'}."
        )
    return content


def _named(args: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Position, flag joined to it by ``=``, and name of every configuration."""
    for position, arg in enumerate(args):
        flag, separator, name = arg.partition("=")
        if flag in FLAGS and separator:
            yield position, flag, name
        elif arg in FLAGS and position + 1 < len(args):
            yield position + 1, "", args[position + 1]


def _bounded(text: str, path: Path) -> object:
    """The content, unless repeated references make it larger than settings can be."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None and _size(root, {}) > MOST_ENTRIES:
        raise ConfigError(f"-c {path}: more than {MOST_ENTRIES} entries are no settings.")
    return yaml.safe_load(text)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Entries of a node, those behind each reference counted again."""
    if id(node) not in known:
        known[id(node)] = MOST_ENTRIES  # of a node that holds itself
        inner = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = [
            part for entry in inner for part in (entry if isinstance(entry, tuple) else [entry])
        ]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}" if mark is not None else ""
    return f"{getattr(error, 'problem', None) or str(error).splitlines()[0]}{where}"
