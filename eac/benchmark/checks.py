"""Looks at every strategy, backbone and stream of a grid before its first cell is run."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from eac.benchmark.executors import limited_threads, process_context
from eac.benchmark.grid import Cell, EntryPoint
from eac.errors import ConfigError
from eac.report.common.summary import BASELINES


def check_cells(
    cells: Sequence[Cell], check: EntryPoint, entry: EntryPoint, *, threads: int = 1
) -> None:
    """Refuses a grid in which a cell cannot be run, whatever its seed.

    Each strategy on each backbone is looked at once, and each stream once, in a process of its
    own that ends with the check.

    Args:
        cells: Those to run.
        check: Says in one sentence what is wrong with arguments, or "".
        entry: Runs one stream; what it imports is imported once for checks and cells.
        threads: Of each cell: libraries read it when they are imported, which is here.

    Raises:
        ConfigError: Names each cell that cannot be run, and why.

    Example:
        >>> entry = EntryPoint("eac.cli.commands.run")
        >>> check_cells([], entry, entry)  # there is nothing to check
    """
    chosen = _chosen(cells)
    if not chosen:
        return
    context = process_context(entry)
    with limited_threads(threads), ProcessPoolExecutor(1, mp_context=context) as pool:
        said = list(pool.map(check, [list(cell.arguments) for cell in chosen]))
    pairs = zip(chosen, said, strict=True)
    wrong = [f"{cell.model}, {cell.stream}: {text}" for cell, text in pairs if text]
    if wrong:
        raise ConfigError("no cell was run. " + "\n".join(wrong))


def check_reference(reference: str, cells: Sequence[Cell]) -> None:
    """Refuses a reference that no row of the tables will have, before anything is run.

    Args:
        reference: Strategy, "STRATEGY on BACKBONE", or naive forecast; "" is none.
        cells: All cells of the grid.

    Raises:
        ConfigError: Names those that there are.

    Example:
        >>> from pathlib import Path
        >>> cell = Cell("pm10", "EAC", "", 42, Path("out/pm10/eac/42"), ())
        >>> check_reference("EAC", [cell])
    """
    models = list(dict.fromkeys((cell.strategy, cell.backbone) for cell in cells))
    found = [
        (strategy, backbone)
        for strategy, backbone in models
        if reference in (strategy, f"{strategy} on {backbone}")
        or (not backbone and reference.startswith(f"{strategy} on "))
    ]
    if reference and len(found) != 1 and reference not in BASELINES.values():
        known = [f"{s} on {b}" if b else s for s, b in models]
        raise ConfigError(
            f"reference {reference!r} names {len(found)} strategies of the benchmark. Give one of: "
            f"{', '.join([*known, *BASELINES.values()])}."
        )


def _chosen(cells: Sequence[Cell]) -> list[Cell]:
    """One cell of each strategy on each backbone, and one of each stream."""
    seen: set[tuple[str, ...]] = set()
    chosen = []
    for cell in cells:
        keys = {(cell.strategy, cell.backbone), (cell.stream,)}
        if not keys <= seen:
            chosen.append(cell)
        seen |= keys
    return chosen
