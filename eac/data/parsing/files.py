"""Reading the small files of a stream, with one clear message for whatever is wrong in them."""

import copy
import difflib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from eac.errors import StreamError
from eac.records.yamlfile import read_yaml

STREAM_FILE = "stream.yaml"
MOST_BYTES = 1 << 20
TABLE_SUFFIXES = (".parquet", ".csv", ".csv.gz", ".tsv", ".txt", ".xlsx")
FREE_NOTES = ("note", "notes", "comment", "description", "license", "url", "x-")
MAPPED_SERIES = "series.npy"
BY_NODE_SERIES = "series_by_node.npy"
"""The same readings, those of each node side by side; only there to be read faster."""


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts ``2`` before ``10``, numbers before text.

    Example:
        >>> sorted(["10", "2", "2b", "a"], key=natural_key)
        ['2', '2b', '10', 'a']
    """
    parts = [part for part in re.split(r"(\d+)", name) if part]
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def require_file(path: Path, what: str, advice: str = "Add it.") -> Path:
    """``path`` when it is a file; otherwise an error that says so, and what to do.

    Example:
        >>> try:
        ...     require_file(Path("runs/nodes.csv"), "period '0'")
        ... except StreamError as error:
        ...     print(error)
        period '0': the file runs/nodes.csv is missing. Add it.
    """
    if not path.is_file():
        raise StreamError(f"{what}: the file {path} is missing. {advice}")
    return path


def find_table(folder: Path, stem: str) -> Path | None:
    r"""``<stem>.parquet`` (perhaps a folder of parts) or another table of a folder, or None.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "series.csv").write_text("ds,a\n")
        ...     print(find_table(Path(folder), "series").name, find_table(Path(folder), "edges"))
        series.csv None
    """
    for suffix in TABLE_SUFFIXES:
        path = folder / (stem + suffix)
        if path.is_file() or (suffix == ".parquet" and path.is_dir()):
            return path
        if path.is_symlink() and not path.exists():
            raise StreamError(
                f"{path} points to {path.readlink()}, which is not there. Restore it."
            )
    return None


def table_suffix(path: Path) -> str | None:
    """Which kind of table a file is by its name, or None; ``x.csv.gz`` is ``.csv.gz``.

    Example:
        >>> table_suffix(Path("counts.csv.gz")), table_suffix(Path("counts.json")) is None
        ('.csv.gz', True)
    """
    name = path.name.lower()
    return next(
        (s for s in sorted(TABLE_SUFFIXES, key=len, reverse=True) if name.endswith(s)), None
    )


def stem_of(path: Path) -> str:
    """The name of a table without its ending.

    Example:
        >>> stem_of(Path("streams/counts.csv.gz"))
        'counts'
    """
    return path.name[: -len(table_suffix(path) or path.suffix)] or path.name


def find_series(folder: Path) -> Path | None:
    """``series.npy`` of a folder, which goes first, or what ``find_table`` finds.

    Example:
        >>> find_series(Path("an empty folder")) is None
        True
    """
    mapped = folder / MAPPED_SERIES
    return mapped if mapped.is_file() else find_table(folder, "series")


def read_settings(path: Path, known: Sequence[str] | None) -> dict[str, Any]:
    r"""The mapping in a YAML file; empty when there is no such file.

    Raises:
        StreamError: If it is no mapping, or has a key that is not ``known``.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "stream.yaml").write_text("unit: vehicles/h\n")
        ...     print(read_settings(Path(folder) / "stream.yaml", ["unit"]))
        {'unit': 'vehicles/h'}
    """
    if not path.is_file():
        if path.is_symlink() or path.exists():
            raise StreamError(f"{path} is no file that can be read. Restore it, or remove it.")
        return {}
    stamp = path.stat()
    if stamp.st_size > MOST_BYTES:
        raise StreamError(
            f"{path} has {stamp.st_size:,} bytes; settings have at most {MOST_BYTES:,}. "
            "Give `key: value` lines."
        )
    settings = copy.deepcopy(_parsed(path, stamp.st_mtime_ns, stamp.st_size))
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise StreamError(f"{path} must hold `key: value` lines, got {type(settings).__name__}.")
    if known is not None:
        check_keys(path, settings, known)
    return settings


@lru_cache(maxsize=16)
def _parsed(path: Path, modified: int, size: int) -> Any:
    """What a YAML file holds; a stream asks often, and whenever the file may have changed."""
    del modified, size
    return read_yaml(path, error=StreamError)


def check_keys(where: object, settings: Mapping[str, object], known: Sequence[str]) -> None:
    """Raises ``StreamError`` for a key that is not ``known``, with the nearest one that is.

    Example:
        >>> try:
        ...     check_keys("stream.yaml", {"unti": "h"}, ["unit", "name"])
        ... except StreamError as error:
        ...     print(str(error).partition(" Known")[0])
        stream.yaml: unknown key 'unti'. Did you mean 'unit'?
    """
    for key in settings:
        if key in known or str(key).lower().startswith(FREE_NOTES):
            continue
        nearest = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
        hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
        raise StreamError(
            f"{where}: unknown key {key!r}. {hint}Known keys: {', '.join(known)}; a key that "
            "begins with note is free."
        )


def whole_number(path: Path, settings: Mapping[str, Any], key: str, default: int) -> int:
    """A setting that must be a whole number.

    Example:
        >>> whole_number(Path("stream.yaml"), {"steps_per_day": 18}, "steps_per_day", 24)
        18
    """
    value = settings.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise StreamError(f"{path}: {key} is {value!r}. Give a whole number.")
    return value


def list_of(path: Path, settings: Mapping[str, Any], key: str) -> list[Any]:
    """A setting that must be a list; empty when it is absent.

    Example:
        >>> list_of(Path("stream.yaml"), {"covariates": ["rain"]}, "covariates")
        ['rain']
    """
    value = settings.get(key) or []
    if not isinstance(value, list):
        raise StreamError(f"{path}: {key} is {value!r}. Give a list, one `- item` per line.")
    return value


def check_unique_names(path: Path, names: Sequence[str]) -> None:
    """Raises ``StreamError`` when a period is listed twice.

    Example:
        >>> try:
        ...     check_unique_names(Path("stream.yaml"), ["2023", "2023"])
        ... except StreamError as error:
        ...     print(error)
        stream.yaml: period '2023' is listed twice. List it once.
    """
    for position, name in enumerate(names):
        if name in names[:position]:
            raise StreamError(f"{path}: period {name!r} is listed twice. List it once.")
