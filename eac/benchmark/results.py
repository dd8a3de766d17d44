"""All errors of a grid as one tidy table, one value per row."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from eac.benchmark.grid import Cell, CellResult, read_result
from eac.files import write_frame
from eac.records.horizon_table import Groups, HorizonTable
from eac.records.newcomers import AFTER, BEFORE, NEW_IN_FIRST, BySpan
from eac.records.record import PeriodRecord, RunRecord, read_run
from eac.rundir.settings import data_setting

RESULTS_FILE = "results.parquet"
UNTRAINED = "(untrained)"
"""Stands in the column "after" for a model with its first weights."""

WHERE = ("strategy", "backbone", "stream", "seed", "period", "after", "group")
WHAT = ("kind", "metric", "horizon", "value")
COST = (
    "trainable_parameters",
    "total_parameters",
    "fit_seconds",
    "epochs",
    "cell_seconds",
    "peak_memory_mib",
)

TARGETS = "targets"


def collect(cells: Sequence[Cell]) -> pd.DataFrame:
    """Every error of every finished cell, and of the naive forecasts once for the same targets.

    Columns: ``strategy backbone stream seed`` say which cell; ``period`` was tested, ``after``
    was the last to be trained on (equal to ``period`` in an ordinary test, "(untrained)" before
    any); ``group kind metric horizon value``; and the cost of training the period named by
    ``after``, and of the whole cell; ``targets`` are the settings that decide what was forecast. A
    naive forecast has no seed and no cost; of the cells that measured it, the one of the lowest
    seed is taken, then of the first name. The groups "new in first day", "week" and "month" are of
    new sensors, forecast before any training on them.

    Example:
        >>> collect([]).columns.tolist()[:4]
        ['strategy', 'backbone', 'stream', 'seed']
    """
    own: dict[Cell, list[tuple[Any, ...]]] = {}
    naive: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.seed, cell.strategy, cell.backbone)):
        result = read_result(cell)
        if result is None or not result.done:
            continue
        run = read_run(cell.directory)
        targets = _targets(cell, run)
        own[cell] = [(*row, targets) for row in _run_rows(cell, result, run)]
        for row in _naive_rows(cell.stream, run):
            naive.setdefault((*row[: len(WHERE) + len(WHAT) - 1], targets), (*row, targets))
    rows = [row for cell in cells for row in own.get(cell, ())]
    frame = pd.DataFrame([*rows, *naive.values()], columns=[*WHERE, *WHAT, *COST, TARGETS])
    texts = [name for name in (*WHERE, *WHAT[:3], TARGETS) if name != "seed"]
    integers = ("seed", "trainable_parameters", "total_parameters", "epochs")
    return frame.astype({**dict.fromkeys(texts, "category"), **dict.fromkeys(integers, "Int64")})


def write_results(frame: pd.DataFrame, out: Path) -> Path:
    """Writes ``results.parquet``, whole or not at all.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     print(write_results(collect([]), Path(folder)).name)
        results.parquet
    """
    target = out / RESULTS_FILE
    write_frame(target, frame, index=False)
    return target


def _targets(cell: Cell, run: RunRecord) -> str:
    """Settings that decide what was forecast, and so which errors can be compared."""
    settings = {
        "horizon": run.mean().horizon,
        "window": data_setting(cell.directory, "window"),
        "null_value": run.null_value,
        "protocol": run.protocol,
    }
    return "; ".join(f"{k} {'none' if v is None else v}" for k, v in settings.items())


def _run_rows(cell: Cell, result: CellResult, run: RunRecord) -> Iterator[tuple[Any, ...]]:
    which = (cell.strategy, cell.backbone or run.periods[-1].backbone, cell.stream, cell.seed)
    whole = (result.seconds, result.peak_memory_mib)
    previous = UNTRAINED
    for period in run.periods:
        cost = (*_cost(period), *whole)
        tests = {
            (period.name, period.name): period.groups,
            **{(name, period.name): groups for name, groups in period.past.items()},
        }
        for (tested, after), groups in tests.items():
            yield from _rows((*which, tested, after), groups, cost)
        for name, groups in period.before.items():
            after = previous if name == "previous" else UNTRAINED
            yield from _rows((*which, period.name, after), groups, (*[None] * 4, *whole))
        if period.newcomers is not None:
            where = (*which, period.name, previous)
            yield from _first_rows(where, period.newcomers.first[BEFORE], (*[None] * 4, *whole))
        previous = period.name


def _naive_rows(stream: str, run: RunRecord) -> Iterator[tuple[Any, ...]]:
    for period in run.periods:
        for name, table in period.baselines.items():
            where = (f"naive: {name}", "", stream, None, period.name, period.name)
            yield from _rows(where, {"all": table}, (None,) * len(COST))
        joined = {} if period.newcomers is None else period.newcomers.first
        for name, errors in joined.items():
            if name not in (BEFORE, AFTER):
                where = (f"naive: {name}", "", stream, None, period.name, period.name)
                yield from _first_rows(where, errors, (None,) * len(COST))


def _first_rows(
    where: tuple[Any, ...], errors: BySpan, cost: Iterable[Any]
) -> Iterator[tuple[Any, ...]]:
    """Errors of new sensors before any training on them, one span a row."""
    for span, value in errors.items():
        what = ("point", "MAE", "mean", float("nan") if value is None else value)
        yield (*where, f"{NEW_IN_FIRST} {span}", *what, *cost)


def _cost(period: PeriodRecord) -> tuple[Any, ...]:
    return (
        period.trainable_parameters,
        period.total_parameters,
        period.fit_seconds,
        period.epochs,
    )


def _rows(where: tuple[Any, ...], groups: Groups, cost: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    cost = tuple(cost)
    for group, table in groups.items():
        for what in _values(table):
            yield (*where, group, *what, *cost)


def _values(table: HorizonTable) -> Iterator[tuple[str, str, str, float]]:
    for kind, errors in (("point", table.point), ("cumulative", table.cumulative)):
        for metric, by_horizon in errors.items():
            for horizon, value in by_horizon.items():
                yield kind, metric, horizon, float("nan") if value is None else value
