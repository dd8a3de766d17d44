"""What a benchmark compares, read from YAML."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Any

from eac.errors import ConfigError
from eac.recipes import SUFFIX, find_config, read_settings
from eac.records.horizon_table import METRICS
from eac.records.jsonfile import StrPath

SUMMARY = {"point": "mean", "cumulative": "avg"}


@dataclass(frozen=True)
class Choice:
    """A strategy or a backbone, as overlays on the configuration of a run.

    Attributes:
        name: As the tables show it.
        config: YAML files, later ones over earlier ones.
        options: Single settings, by their dotted name.
        backbones: Names of the backbones it runs on; empty means all.
        published: Names of the same method in the published numbers; of a backbone, what follows
            the name of the strategy in them.
    """

    name: str
    config: tuple[Path, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    backbones: tuple[str, ...] = ()
    published: tuple[str, ...] = ()


@dataclass(frozen=True)
class StreamChoice:
    """A stream to run on.

    Attributes:
        name: As the tables show it.
        path: Where its data are.
        options: Settings of the runs on it, by their dotted name.
        published: Names of the same stream in the published numbers.
        source: Whose data they are, where the stream itself does not say.
    """

    name: str
    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    published: tuple[str, ...] = ()
    source: str = ""

    @property
    def is_present(self) -> bool:
        """Whether there is more in the folder than the description of its data."""
        if not self.path.is_dir():
            return self.path.is_file()
        return any(entry.name not in _DESCRIPTIONS for entry in self.path.iterdir())


_DESCRIPTIONS = ("card.md", "stream.yaml", "expected.yaml")


@dataclass(frozen=True)
class TableSettings:
    """Which errors the tables show.

    Attributes:
        kind: Errors at single steps ("point") or over the steps up to one ("cumulative").
        metrics: One table for each.
        steps: Columns; the mean over all steps is added.

    Example:
        >>> TableSettings("cumulative", metrics=("MAE",)).summary
        'avg'
    """

    kind: str = "point"
    metrics: tuple[str, ...] = ("MAE",)
    steps: tuple[str, ...] = ("3", "6", "12")

    @property
    def summary(self) -> str:
        """Key of the mean over all steps."""
        return SUMMARY[self.kind]


@dataclass(frozen=True)
class Benchmark:
    """A grid of runs and how to show it.

    Attributes:
        name: Title of the tables.
        seeds: Each cell is run once with each.
        options: Settings of every run, by their dotted name.
        streams: What to run on.
        strategies: What to compare.
        backbones: What to compare each strategy on; one without overlays keeps that of the
            strategy's own configuration.
        tables: Which errors the tables show.
        published: Files of published numbers; they do not ship with the project.
    """

    name: str
    seeds: tuple[int, ...]
    streams: tuple[StreamChoice, ...]
    strategies: tuple[Choice, ...]
    backbones: tuple[Choice, ...] = (Choice(""),)
    options: Mapping[str, Any] = field(default_factory=dict)
    tables: TableSettings = TableSettings()
    published: tuple[Path, ...] = ()

    def changed(
        self,
        *,
        seeds: Sequence[int] = (),
        streams: Mapping[str, str] | None = None,
        strategies: Sequence[str] = (),
        on: Sequence[str] = (),
        options: Mapping[str, Any] | None = None,
    ) -> "Benchmark":
        """The same benchmark with other seeds, paths, settings, or only some strategies or streams.

        Raises:
            ConfigError: If a stream or strategy is named that the benchmark does not have.
        """
        paths = dict(streams or {})
        _check_names("stream", [*paths, *on], [stream.name for stream in self.streams])
        _check_names("strategy", strategies, [choice.name for choice in self.strategies])
        moved = [replace(s, path=Path(paths.get(s.name, s.path))) for s in self.streams]
        chosen = [c for c in self.strategies if not strategies or c.name in strategies]
        return replace(
            self,
            seeds=tuple(seeds) or self.seeds,
            streams=tuple(stream for stream in moved if not on or stream.name in on),
            strategies=tuple(chosen),
            options={**self.options, **(options or {})},
        )


def read_benchmark(path: StrPath) -> Benchmark:
    """Reads a benchmark; paths in it are relative to its own folder.

    Args:
        path: A file, or the name of a benchmark of the package. A ``config`` in it is a file beside
            it, or the name of a configuration of the package such as ``recipes/eac``.

    Raises:
        ConfigError: If the file is missing, is no YAML, or a key in it is unknown or missing.
    """
    source = find_config(path, ("benchmarks",))
    content = read_settings(source)
    known = ("name", "seeds", "streams", "strategies", "backbones", "set", "tables", "published")
    top = _Section(content, str(source), known, required=("streams", "strategies"))
    choices = ("name", "config", "set", "published")
    return Benchmark(
        name=str(top.content.get("name") or source.stem),
        seeds=_seeds(top.content.get("seeds", 42), source),
        streams=tuple(_stream(s, source.parent) for s in top.sections("streams", _STREAM_KEYS)),
        strategies=tuple(
            _choice(s, source.parent) for s in top.sections("strategies", (*choices, "backbones"))
        ),
        backbones=tuple(_choice(s, source.parent) for s in top.sections("backbones", choices))
        or (Choice(""),),
        options=dict(top.content.get("set") or {}),
        tables=_tables(top),
        published=tuple(source.parent / p for p in _texts(top.content.get("published"))),
    )


_STREAM_KEYS = ("name", "path", "set", "published", "source")


class _Section:
    """A mapping whose keys were checked."""

    def __init__(
        self, content: object, where: str, known: Sequence[str], required: Sequence[str] = ()
    ):
        if not isinstance(content, dict):
            raise ConfigError(f"{where}: expected a mapping with {', '.join(known)}.")
        for key in content:
            if key not in known:
                near = get_close_matches(str(key), known, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(known)}."
                raise ConfigError(f"{where}: key {key!r} is not known.{hint}")
        for key in required:
            if not content.get(key):
                raise ConfigError(f"{where}: {key!r} is missing. Add it.")
        self.content, self.where = content, where

    def sections(self, key: str, known: Sequence[str]) -> list["_Section"]:
        """The entries of a list, each a mapping with a name of its own."""
        entries = self.content.get(key) or []
        if not isinstance(entries, list):
            raise ConfigError(f"{self.where}: {key!r} must be a list.")
        found = [_Section(e, f"{self.where}: {key}[{i}]", known) for i, e in enumerate(entries)]
        names = [section.content.get("name") for section in found]
        for section, name in zip(found, names, strict=True):
            if not name or names.count(name) > 1:
                raise ConfigError(f"{section.where}: name {name!r} must be given and unique.")
            same = [n for n in names if n and folder_name(str(n)) == folder_name(str(name))]
            if len(same) > 1:
                raise ConfigError(
                    f"{section.where}: names {' and '.join(map(repr, same))} would share a "
                    "folder. Change more than capitals and spaces."
                )
        return found


def folder_name(name: str) -> str:
    """A folder for a name; a name of which it keeps too little is told apart by its digest.

    Example:
        >>> folder_name("EAC rank 6"), folder_name("EAC (rank 6)")
        ('eac-rank-6', 'eac-rank-6-16462e')
    """
    folder = former_folder_name(name)
    if folder == re.sub(r"\s+", "-", name.strip()).lower():
        return folder
    return f"{folder}-{sha256(name.encode()).hexdigest()[:6]}"


def former_folder_name(name: str) -> str:
    """The folder that earlier versions gave a name, in which two names may share one.

    Example:
        >>> former_folder_name("EAC (rank 6)")
        'eac-rank-6'
    """
    return re.sub(r"[^\w.+=]+", "-", name).strip("-").lower()


def _stream(section: _Section, folder: Path) -> StreamChoice:
    if not section.content.get("path"):
        raise ConfigError(f"{section.where}: 'path' is missing. Give the folder of the stream.")
    return StreamChoice(
        name=str(section.content["name"]),
        path=folder / section.content["path"],
        options=dict(section.content.get("set") or {}),
        published=_texts(section.content.get("published")),
        source=str(section.content.get("source") or ""),
    )


def _choice(section: _Section, folder: Path) -> Choice:
    return Choice(
        name=str(section.content["name"]),
        config=tuple(_overlay(folder, name) for name in _texts(section.content.get("config"))),
        options=dict(section.content.get("set") or {}),
        backbones=_texts(section.content.get("backbones")),
        published=_texts(section.content.get("published")),
    )


def _overlay(folder: Path, name: str) -> Path:
    """A file of the folder, or a configuration of the package."""
    path = folder / name
    if path.exists() or name.endswith(SUFFIX):
        return path
    return find_config(name, prefer="recipes")


def _tables(top: _Section) -> TableSettings:
    known = ("kind", "metrics", "steps")
    section = _Section(top.content.get("tables") or {}, f"{top.where}: tables", known)
    settings, given = TableSettings(), section.content
    kind = given.get("kind", settings.kind)
    if kind not in SUMMARY:
        raise ConfigError(f"{section.where}: kind {kind!r} must be one of {', '.join(SUMMARY)}.")
    metrics = _texts(given.get("metrics")) or settings.metrics
    _check_names("metric", metrics, [*METRICS])
    return TableSettings(kind, metrics, _texts(given.get("steps")) or settings.steps)


def _seeds(value: object, source: Path) -> tuple[int, ...]:
    seeds = value if isinstance(value, list) else [value]
    whole = tuple(seed for seed in seeds if isinstance(seed, int))
    if not seeds or len(whole) < len(seeds):
        raise ConfigError(f"{source}: seeds {value!r} must be whole numbers.")
    return whole


def _texts(value: object) -> tuple[str, ...]:
    entries = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(str(entry) for entry in entries)


def _check_names(what: str, given: Sequence[str], known: list[str]) -> None:
    for name in given:
        if name not in known:
            raise ConfigError(f"there is no {what} {name!r}. Known: {', '.join(known)}.")
