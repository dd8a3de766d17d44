"""Settings of a run beside those given for it now: what differs, key by key."""

import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eac.errors import ConfigError
from eac.records.jsonfile import StrPath
from eac.records.yamlfile import parse_yaml

CONFIG_FILE = "config.yaml"
FREE = (
    "stream",
    "run",
    "trainer.accelerator",
    "trainer.strategy",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.logger",
    "trainer.profiler",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "trainer.log_every_n_steps",
    "trainer.default_root_dir",
)
"""Keys that say where a run is computed, read and shown; a stream is known by its contents."""

SHOWN = 8


def has_settings(run_dir: Path, config: str) -> bool:
    """Whether these settings, stream and all, are what the directory holds.

    Example:
        >>> has_settings(Path("a folder without a run"), "seed: 1")
        False
    """
    path = run_dir / CONFIG_FILE
    return path.is_file() and path.read_text(encoding="utf-8", errors="replace") == config


def read_settings(text: str) -> dict[str, Any] | None:
    r"""The settings in the text of a configuration, or None where it holds none.

    Example:
        >>> read_settings("seed_everything: 42\n"), read_settings("- 1\n")
        ({'seed_everything': 42}, None)
    """
    try:
        settings = parse_yaml(text, "the configuration")
    except ConfigError:
        return None
    return settings if isinstance(settings, dict) else None


def data_setting(directory: StrPath, name: str) -> Any:
    """A setting of the data in the configuration of a run; None where it is not said.

    Example:
        >>> data_setting("a folder without a run", "window") is None
        True
    """
    path = Path(directory) / CONFIG_FILE
    if not path.is_file():
        return None
    settings = read_settings(path.read_text(encoding="utf-8", errors="replace")) or {}
    data = settings.get("data", settings)  # a run started from Python has them at the top
    return data.get(name) if isinstance(data, dict) else None


def differences(
    kept: Mapping[str, Any], given: Mapping[str, Any], owners: Mapping[str, type] | None = None
) -> list[str]:
    """What differs between two configurations, one line per key, in the order of the first.

    Comments, order and the module of a class of this package do not count, nor do keys in
    ``FREE``. A key that stands on one side only counts by its default, as the class says that
    takes it; at the top, one that ``kept`` lacks is younger than the run and does not count.

    Args:
        kept: Settings of the run.
        given: Those of now.
        owners: Classes that take the keys of a group, such as ``data``.

    Example:
        >>> differences({"data": {"window": 12}}, {"data": {"window": 24}})
        ['data.window: 12 in the run, 24 given']
    """
    owners = owners or {}
    lines: list[str] = []
    for key in [*kept, *(key for key in given if key not in kept)]:
        if key in kept and key not in FREE:
            defaults = _defaults(owners[key]) if key in owners else {}
            lines += _compare(kept[key], given.get(key), key, defaults)
    sizes = [line for line in lines if line.startswith("parameters.")]
    return [line for line in lines if line not in sizes] or sizes


def in_words(lines: list[str]) -> str:
    """The first few differences in one line.

    Example:
        >>> in_words(["rank is 6, was 4"])
        'rank is 6, was 4'
    """
    more = len(lines) - SHOWN
    return "; ".join(lines[:SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _compare(kept: Any, given: Any, where: str, defaults: Mapping[str, Any]) -> Iterator[str]:
    if where in FREE:
        return
    if not (isinstance(kept, dict) and isinstance(given, dict)):
        kept, given = (value if value != {} else None for value in (kept, given))
        if isinstance(kept, list) and isinstance(given, list) and len(kept) == len(given):
            for place, pair in enumerate(zip(kept, given, strict=True)):
                yield from _compare(pair[0], pair[1], f"{where}.{place}", {})
        elif kept != given:
            yield f"{where}: {_said(kept)} in the run, {_said(given)} given"
        return
    if "class_path" in kept or "class_path" in given:
        names = [_class_name(value.get("class_path")) for value in (kept, given)]
        if names[0] != names[1]:
            yield f"{where}: {names[0]} in the run, {names[1]} given"
            return
        defaults = _defaults(_found(given["class_path"]))
        kept, given = (value.get("init_args") or {} for value in (kept, given))
    for key in [*kept, *(key for key in given if key not in kept)]:
        before, now = (value.get(key, defaults.get(key)) for value in (kept, given))
        yield from _compare(before, now, f"{where}.{key}", {})


def _class_name(path: Any) -> str:
    """A name that survives a move inside this package."""
    path = str(path)
    found = _found(path)
    if found is not None:
        path = f"{found.__module__}.{found.__qualname__}"
    return path.rpartition(".")[2] if path.startswith("eac.") else path


def _found(path: str) -> type | None:
    """The class of a path, if it is loaded already: a run directory loads no code."""
    module, _, name = path.rpartition(".")
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) else None


def _defaults(owner: type | None) -> dict[str, Any]:
    if owner is None:
        return {}
    try:
        taken = inspect.signature(owner).parameters.values()
    except ValueError:  # a class written in C
        return {}
    return {p.name: _plain(p.default) for p in taken if p.default is not p.empty}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _said(value: Any) -> str:
    return "nothing" if value is None else str(value)
