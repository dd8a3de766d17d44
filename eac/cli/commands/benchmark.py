"""``eac benchmark``: strategies x backbones x streams x seeds, and their tables."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from eac.benchmark.checks import check_cells, check_reference
from eac.benchmark.config import Benchmark, read_benchmark
from eac.benchmark.executors import Executor, LocalExecutor, RayExecutor
from eac.benchmark.grid import Cell, CellResult, EntryPoint, cells_of, left_to_run, read_result
from eac.benchmark.page import page_of
from eac.benchmark.results import collect, write_results
from eac.benchmark.session import read_diary, run_grid
from eac.errors import ConfigError, RunError
from eac.records.yamlfile import parse_yaml
from eac.report.benchmark.benchmark_page import PAGE_FILE, write_html, write_page, write_tables
from eac.report.common.page_parts import has_page_libraries
from eac.report.common.terminal import console as terminal
from eac.report.common.terminal import print_table

RUN_ENTRY = EntryPoint("eac.cli.commands.run")
CHECK_ENTRY = EntryPoint("eac.cli.dry_run", "mistake")


def main(argv: Sequence[str]) -> int:
    """Runs what is left of a grid and writes its tables; 1 when a cell failed."""
    arguments = make_parser().parse_args(list(argv), argparse.Namespace(given=list(argv)))
    out, console = Path(arguments.out), Console()
    benchmark = _with_data(_benchmark(arguments), console)
    cells = cells_of(benchmark, out)
    check_reference(arguments.reference, cells)
    if not arguments.tables_only:
        _run(cells, arguments, out, console)
    _tables(benchmark, cells, arguments, console)
    failed = [cell for cell in cells if (r := read_result(cell)) is not None and not r.done]
    for cell in failed:
        print(f"failed: {cell.name} (see {cell.directory})", file=sys.stderr)
    return 1 if failed else 0


def _run(cells: list[Cell], arguments: argparse.Namespace, out: Path, console: Console) -> None:
    left = left_to_run(cells)
    console.print(f"{len(cells)} cells, {len(cells) - len(left)} of them done already")
    if not left:
        return
    executor = _executor(arguments)
    console.print("looking at every strategy, backbone and stream before the first cell")
    check_cells(left, CHECK_ENTRY, RUN_ENTRY, threads=arguments.threads)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("cells", total=len(cells), completed=len(cells) - len(left))

        def on_end(cell: Cell, result: CellResult) -> None:
            how = f"{result.seconds:.0f} s" if result.done else f"FAILED: {result.error}"
            progress.console.print(escape(f"{cell.name}: {how}"), highlight=False)
            progress.advance(task)

        command = shlex.join(["eac", "benchmark", *arguments.given])
        run_grid(cells, executor, RUN_ENTRY, out=out, command=command, on_end=on_end)


def _tables(
    benchmark: Benchmark, cells: list[Cell], arguments: argparse.Namespace, console: Console
) -> None:
    frame = collect(cells)
    if frame.empty:
        raise RunError(f"no cell in {arguments.out} is finished yet. Run the benchmark first.")
    out = Path(arguments.out)
    path = write_results(frame, out)
    page = page_of(benchmark, frame, cells, read_diary(out), arguments.reference)
    write_tables(page, out)
    for table in page.tables():
        print_table(table, terminal())
    console.print(f"wrote {path} and {out}/tables.md, .tex and .csv")
    if has_page_libraries():
        write_html(page, out / PAGE_FILE)
        console.print(f"wrote {out / PAGE_FILE}")
    if arguments.docs:
        write_page(page, Path(arguments.docs))
        console.print(f"wrote {arguments.docs}")


def _benchmark(arguments: argparse.Namespace) -> Benchmark:
    return read_benchmark(arguments.config).changed(
        seeds=arguments.seeds,
        streams=_pairs("--stream", arguments.stream),
        strategies=arguments.only,
        on=arguments.on,
        options=_settings(arguments.set),
    )


def _with_data(benchmark: Benchmark, console: Console) -> Benchmark:
    """The benchmark on the streams whose data are there; the others are named."""
    absent = [stream for stream in benchmark.streams if not stream.is_present]
    for stream in absent:
        console.print(f"left out: {stream.name}, whose data are not in {stream.path}")
    if len(absent) == len(benchmark.streams):
        raise ConfigError(
            "there are no data for any stream of the benchmark. Fetch them as their card says, or "
            "give --stream NAME=PATH."
        )
    return replace(benchmark, streams=tuple(s for s in benchmark.streams if s.is_present))


def _executor(arguments: argparse.Namespace) -> Executor:
    if arguments.executor == "ray":
        return RayExecutor(arguments.workers, arguments.address, arguments.threads)
    return LocalExecutor(arguments.workers, arguments.threads)


def _settings(given: Sequence[str]) -> dict[str, Any]:
    """What ``--set`` says, each value as YAML."""
    pairs = _pairs("--set", given)
    return {key: parse_yaml(value, f"--set {key}={value}") for key, value in pairs.items()}


def _pairs(option: str, given: Sequence[str]) -> dict[str, Any]:
    pairs = {}
    for text in given:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise ConfigError(f"{option} {text}: give it as NAME=VALUE.")
        pairs[key] = value
    return pairs


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = argparse.ArgumentParser(
        "eac benchmark",
        description="Run strategies x backbones x streams x seeds and make their tables. Started "
        "again, it goes on where it was; a failed cell is tried again.",
    )
    add = parser.add_argument
    add("-c", "--config", required=True, help="name of a benchmark, or a YAML file")
    add("--out", required=True, help="directory that receives everything")
    add("--executor", choices=("local", "ray"), default="local", help="where cells run")
    add("--workers", type=int, help="cells at a time (default: one per core)")
    add("--threads", type=int, default=1, help="threads of each cell (default: 1)")
    add("--address", help="address of a Ray cluster, such as auto (default: this machine)")
    add("--seeds", type=int, nargs="+", default=[], help="seeds instead of those of the file")
    add("--only", nargs="+", default=[], metavar="STRATEGY", help="only these strategies")
    add("--on", nargs="+", default=[], metavar="STREAM", help="only these streams")
    add("--stream", action="append", default=[], metavar="NAME=PATH", help="where a stream is")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of every run")
    add("--tables-only", action="store_true", help="make the tables of what is there")
    add("--reference", default="", metavar="NAME", help="the row that p is against")
    add("--docs", metavar="PATH", help="also write a page of the tables to PATH")
    return parser
