"""The cells of a benchmark, what became of each, and running those that are left."""

import importlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from eac.benchmark.config import (
    Benchmark,
    Choice,
    StreamChoice,
    folder_name,
    former_folder_name,
)
from eac.errors import CheckpointError, ConfigError, RunError
from eac.files import write_json
from eac.records.jsonfile import format_header, read_as
from eac.rundir.opening import is_complete

CELL_FILE = "cell.json"
LOG_FILE = "log.txt"
CELL_FORMAT = "eac.cell"
AGAIN = "Remove the file and start the benchmark again."
UNFINISHED = "it ended before every period of its stream was done"


@dataclass(frozen=True)
class EntryPoint:
    """A function of the arguments of ``eac run``, such as one that runs a stream.

    It is imported only where it is called, so that the process that watches over a grid stays
    small.

    Attributes:
        module: Where the function is.
        function: Its name.

    Example:
        >>> EntryPoint("eac.cli.commands.run").function
        'main'
    """

    module: str
    function: str = "main"

    def __call__(self, arguments: list[str]) -> Any:
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

    Example:
        >>> cell = Cell("pm10", "EAC", "", 42, Path("out/pm10/eac/42"), ("--stream", "pm10"))
        >>> cell.name, cell.model
        ('EAC, pm10, seed 42', 'EAC')
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
        return f"{self.model}, {self.stream}, seed {self.seed}"

    @property
    def model(self) -> str:
        """Strategy and, where there are several, backbone."""
        return f"{self.strategy} on {self.backbone}" if self.backbone else self.strategy


@dataclass(frozen=True)
class CellResult:
    """What became of a cell.

    Attributes:
        arguments: Of ``eac run``.
        error: What went wrong; "" when it was finished.
        seconds: Wall time of the last attempt.
        peak_memory_mib: Most memory its process held, when the system tells.

    Example:
        >>> CellResult(("--stream", "pm10"), error="", seconds=12.5, peak_memory_mib=310.0).done
        True
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
        ConfigError: If a strategy asks for a backbone that the benchmark does not have, or a seed
            is given twice.

    Example:
        >>> one = Benchmark("ours", (1, 2), (StreamChoice("pm10", Path("pm10")),), (Choice("EAC"),))
        >>> [cell.seed for cell in cells_of(one, Path("out"))]
        [1, 2]
    """
    for seed in benchmark.seeds:
        if (times := benchmark.seeds.count(seed)) > 1:
            raise ConfigError(
                f"seeds: {seed} is given {times} times, which is one and the same run. Give each "
                "seed once."
            )
    cells = []
    for stream in benchmark.streams:
        for strategy in benchmark.strategies:
            for backbone in _backbones(strategy, benchmark):
                for seed in benchmark.seeds:
                    cells.append(_cell(benchmark, stream, strategy, backbone, seed, out))
    return cells


def read_result(cell: Cell) -> CellResult | None:
    """What became of the cell, or None while it is neither finished nor failed.

    A cell whose run lacks a period has failed, whatever its process said.

    Example:
        >>> read_result(Cell("pm10", "EAC", "", 42, Path("a folder without a run"), ())) is None
        True
    """
    path = cell.directory / CELL_FILE
    if not path.is_file():
        return None
    result = read_as(CellResult, path, CELL_FORMAT, advice=AGAIN)
    ended = result.error or has_all_periods(cell)
    return result if ended else replace(result, error=UNFINISHED)


def has_all_periods(cell: Cell) -> bool:
    """Whether every period that the run of a cell was asked for is done, as its record says.

    Example:
        >>> has_all_periods(Cell("pm10", "EAC", "", 42, Path("a folder without a run"), ()))
        False
    """
    try:
        return is_complete(cell.directory)
    except CheckpointError:  # a record that is damaged says nothing; the run writes it again
        return False


def write_result(cell: Cell, result: CellResult) -> None:
    """Writes ``cell.json``, whose existence says that the cell has ended.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     cell = Cell("pm10", "EAC", "", 42, Path(folder), ())
        ...     write_result(cell, CellResult((), "out of memory", 12.5, None))
        ...     print(read_result(cell).error)
        out of memory
    """
    write_json(cell.directory / CELL_FILE, format_header(CELL_FORMAT) | asdict(result))


def left_to_run(cells: Iterable[Cell]) -> list[Cell]:
    """The cells that are not finished; those that failed are tried again.

    Raises:
        RunError: If a finished cell was run with other settings.

    Example:
        >>> left_to_run([Cell("pm10", "EAC", "", 42, Path("a folder without a run"), ())])[0].seed
        42
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
    r"""The last lines of a log; "" when there is none.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "run.log").write_text("one\ntwo\nthree\n")
        ...     print(tail(Path(folder, "run.log"), lines=2))
        two
        three
    """
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
    names = (stream.name, strategy.name, backbone.name)
    new, old = (_folder(out, names, seed, named) for named in (folder_name, former_folder_name))
    cell = Cell(*names, seed, new, tuple(arguments))
    before = replace(cell, directory=old)
    return before if old != new and _is_of(before) else cell


def _folder(out: Path, names: tuple[str, str, str], seed: int, named: Callable[[str], str]) -> Path:
    stream, strategy, backbone = (name and named(name) for name in names)
    model = f"{strategy}--{backbone}" if backbone else strategy
    return out / "cells" / stream / model / f"seed-{seed}"


def _is_of(cell: Cell) -> bool:
    """Whether this very cell ended in a folder that an older version named."""
    result = read_result(cell)
    return result is not None and result.arguments == cell.arguments


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
