"""What training a period does to the others: forgetting, and transfer back and forth."""

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from eac.metrics.transfer import backward_transfer, forgetting, forward_transfer
from eac.records.record import RunRecord
from eac.report.common.charts import HeatChart, Number
from eac.report.common.markup import MarkedTable
from eac.report.common.page_parts import Section, slots_of
from eac.report.common.summary import format_error, labelled
from eac.report.sections.view import RunView

CELLS = 40
"""Rows and columns of a matrix that a figure and a table show: those of the latest periods."""
NOT_TESTED = (
    "The past was not tested in this run. Run with --run.test_past true to see transfer and "
    "forgetting here."
)
TEXT = (
    "A row shows what the model could do after training one period: left of the diagonal on the "
    "past (forgetting), right of it on the period to come."
)


def section(view: RunView) -> Section:
    """The matrix as a figure and a table, and what it means.

    Example:
        >>> from eac.records.sample import sample_run
        >>> section(RunView(sample_run(), (), "MAE")).slots[0].key
        'transfer'
    """
    chart = transfer(view.run, view.metric)
    tables = transfer_grids(view.run, view.metric)
    text = (TEXT,) if tables else (NOT_TESTED,)
    return Section(
        "transfer",
        "Transfer and forgetting",
        text,
        slots=slots_of(chart),
        tables=tables[1:],
        folded=tables[:1],
        fold="The matrix as a table",
    )


def transfer_matrix(run: RunRecord, metric: str) -> Float[ndarray, "period period"]:
    """Mean error on period ``j`` after training period ``i``; NaN where it was not tested.

    Example:
        >>> from eac.records.sample import sample_run
        >>> transfer_matrix(sample_run((8.0, 12.0)), "MAE").tolist()
        [[8.0, nan], [13.0, 12.0]]
    """
    names = [period.name for period in run.periods]
    matrix = np.full((len(names), len(names)), np.nan)
    for i, period in enumerate(run.periods):
        tables = {period.name: period.errors}
        tables |= {name: groups["all"] for name, groups in period.past.items()}
        if i and "previous" in period.before:
            matrix[i - 1, i] = _float(period.before["previous"]["all"].point[metric]["mean"])
        for name, table in tables.items():
            if name not in names:  # a period that is no part of this run any more
                continue
            matrix[i, names.index(name)] = _float(table.point[metric]["mean"])
    return matrix


def transfer(run: RunRecord, metric: str) -> HeatChart | None:
    """The transfer matrix; None when no past period was tested.

    Example:
        >>> from eac.records.sample import sample_run
        >>> transfer(sample_run((8.0, 12.0)), "MAE").cells
        ((8.0, None), (13.0, 12.0))
    """
    if not any(period.past or period.before for period in run.periods):
        return None
    names = tuple(period.name for period in run.periods)[-CELLS:]
    cells = transfer_matrix(run, metric)[-CELLS:, -CELLS:]
    return HeatChart(
        key="transfer",
        title="Error on each period after training each period",
        alt=f"Matrix of mean {metric}: rows are the period trained last, columns the period "
        "tested. The same numbers stand in the table below.",
        x_label="tested on period",
        y_label="after training period",
        columns=names,
        rows=names,
        cells=tuple(tuple(None if np.isnan(v) else float(v) for v in row) for row in cells),
        value_label=labelled(metric, run),
    )


def transfer_grids(run: RunRecord, metric: str) -> tuple[MarkedTable, ...]:
    """The transfer matrix, and what it says of forgetting; empty when the past was not tested.

    Example:
        >>> from eac.records.sample import sample_run
        >>> [table.title for table in transfer_grids(sample_run(), "MAE")]
        ['MAE on each period after training each period', 'What that means']
    """
    if not any(period.past or period.before for period in run.periods):
        return ()
    names = [period.name for period in run.periods]
    matrix = transfer_matrix(run, metric)
    shown = names[-CELLS:]
    rows = tuple(
        (name, *(format_error(_or_none(value)) for value in row))
        for name, row in zip(shown, matrix[-CELLS:, -CELLS:].tolist(), strict=True)
    )
    header = ("after training", *(f"on {name}" for name in shown))
    return (
        MarkedTable.of_text(f"{metric} on each period after training each period", header, rows),
        _forgetting(run, metric, matrix),
    )


def _forgetting(
    run: RunRecord, metric: str, matrix: Float[ndarray, "period period"]
) -> MarkedTable:
    untrained = [period.before.get("untrained") for period in run.periods]
    first = [None if t is None else t["all"].point[metric]["mean"] for t in untrained]
    start = np.array([math.nan if value is None else value for value in first])
    rows = (
        ("forgetting", forgetting(matrix), "positive: periods are forecast worse now"),
        ("backward transfer", backward_transfer(matrix), "positive: later training helped"),
        (
            "forward transfer",
            forward_transfer(matrix, start),
            "positive: better than an untrained model before learning the period",
        ),
    )
    texts = tuple((name, format_error(_or_none(value)), told) for name, value, told in rows)
    return MarkedTable.of_text(
        "What that means", ("measure", labelled(metric, run), "reading"), texts
    )


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _float(value: Number) -> float:
    return float("nan") if value is None else value
