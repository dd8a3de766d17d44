"""Looks at every strategy, backbone and stream of a grid before its first cell is run."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from eac.benchmark.executors import limited_threads, process_context
from eac.benchmark.grid import Cell, EntryPoint
from eac.errors import ConfigError


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
