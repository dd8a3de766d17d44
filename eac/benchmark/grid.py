"""The cells of a benchmark, what became of each, and running those that are left."""

import importlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eac.benchmark.config import Benchmark, Choice, StreamChoice
from eac.errors import ConfigError, RunError
from eac.files import write_json
from eac.records.jsonfile import Fields, format_header, read_json

CELL_FILE = "cell.json"
LOG_FILE = "log.txt"
CELL_FORMAT = "eac.cell"


@dataclass(frozen=True)
class EntryPoint:
    """A function that runs one stream from the arguments of ``eac run``; returns the exit status.

    It is imported only where it is called, so that the process that watches over a grid stays
    small.

    Attributes:
        module: Where the function is.
        function: Its name.
    """

    module: str
    function: str = "main"

    def __call__(self, arguments: list[str]) -> int:
        """Imports the function and calls it."""
        return getattr(importlib.import_module(self.module), self.function)(arguments)


@dataclass(frozen=True)
class Cell:
    """One run of the grid.

    Attributes:
        stream: Name of the stream.
        strategy: Name of the strategy.
        backbone: Name of the backbone, or "" for that of the strategy's configuration.
        seed: Of the run.
        directory: Where it is written.
        arguments: Of ``eac run``, without the directory.
    """

    stream: str
    strategy: str
    backbone: str
    seed: int
    directory: Path
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """One line that tells this cell from all others."""
        model = f"{self.strategy} on {self.backbone}" if self.backbone else self.strategy
        return f"{model}, {self.stream}, seed {self.seed}"


@dataclass(frozen=True)
class CellResult:
    """What became of a cell.

    Attributes:
        arguments: Of ``eac run``.
        error: What went wrong; "" when it was finished.
        seconds: Wall time of the last attempt.
        peak_memory_mib: Most memory its process held, when the system tells.
    """

    arguments: tuple[str, ...]
    error: str
    seconds: float
    peak_memory_mib: float | None

    @property
    def done(self) -> bool:
        """Whether the run was finished."""
        return not self.error


def cells_of(benchmark: Benchmark, out: Path) -> list[Cell]:
    """Every cell, stream by stream, in the order of the benchmark.

    Raises:
        ConfigError: If a strategy asks for a backbone that the benchmark does not have.
    """
    cells = []
    for stream in benchmark.streams:
        for strategy in benchmark.strategies:
            for backbone in _backbones(strategy, benchmark):
                for seed in benchmark.seeds:
                    cells.append(_cell(benchmark, stream, strategy, backbone, seed, out))
    return cells


def read_result(cell: Cell) -> CellResult | None:
    """What became of the cell, or None while it is neither finished nor failed."""
    path = cell.directory / CELL_FILE
    if not path.is_file():
        return None
    fields = Fields.of_format(read_json(path), CELL_FORMAT, str(path))
    return CellResult(
        arguments=tuple(fields.take("arguments", list)),
        error=fields.take("error", str),
        seconds=fields.take("seconds", (int, float)),
        peak_memory_mib=fields.take("peak_memory_mib", (int, float, type(None))),
    )


def write_result(cell: Cell, result: CellResult) -> None:
    """Writes ``cell.json``, whose existence says that the cell has ended."""
    write_json(cell.directory / CELL_FILE, format_header(CELL_FORMAT) | asdict(result))


def left_to_run(cells: Iterable[Cell]) -> list[Cell]:
    """The cells that are not finished; those that failed are tried again.

    Raises:
        RunError: If a finished cell was run with other settings.
    """
    left = []
    for cell in cells:
        result = read_result(cell)
        if result is None or not result.done:
            left.append(cell)
        elif result.arguments != cell.arguments:
            raise RunError(
                f"{cell.directory} was run with {' '.join(result.arguments)}, but the benchmark "
                f"now says {' '.join(cell.arguments)}. Give another --out, or remove that "
                "directory."
            )
    return left


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log; "" when there is none."""
    if not path.is_file():
        return ""
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    return "\n".join(text.splitlines()[-lines:])


def _backbones(strategy: Choice, benchmark: Benchmark) -> Sequence[Choice]:
    known = {backbone.name: backbone for backbone in benchmark.backbones}
    for name in strategy.backbones:
        if name not in known:
            raise ConfigError(
                f"strategy {strategy.name!r} asks for backbone {name!r}, but the benchmark has "
                f"{', '.join(known)}. Add it to backbones, or correct the name."
            )
    return [known[name] for name in strategy.backbones] or benchmark.backbones


def _cell(
    benchmark: Benchmark,
    stream: StreamChoice,
    strategy: Choice,
    backbone: Choice,
    seed: int,
    out: Path,
) -> Cell:
    configs = [*strategy.config, *backbone.config]
    options = {
        **benchmark.options,
        **stream.options,
        **backbone.options,
        **strategy.options,
        "stream": os.path.relpath(stream.path),
        "seed_everything": seed,
    }
    arguments = [f"--config={os.path.relpath(path)}" for path in configs]
    arguments += [f"--{key}={_text(value)}" for key, value in options.items()]
    model = _slug(strategy.name) + (f"--{_slug(backbone.name)}" if backbone.name else "")
    directory = out / "cells" / _slug(stream.name) / model / f"seed-{seed}"
    return Cell(stream.name, strategy.name, backbone.name, seed, directory, tuple(arguments))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _slug(name: str) -> str:
    return re.sub(r"[^\w.+=]+", "-", name).strip("-").lower()
