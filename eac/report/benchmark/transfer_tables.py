"""Backward transfer, forward transfer and forgetting of each strategy of a benchmark."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from eac.metrics.transfer import backward_transfer, forgetting, forward_transfer
from eac.report.benchmark.benchmark_tables import TableView
from eac.report.benchmark.over_seeds import spread
from eac.report.benchmark.ranked import MODEL, NAIVE, of_stream, unranked_notes
from eac.report.common.markup import Entry, MarkedTable, marks

GROUPS = ("all", "kept", "new", "returned")
Measure = Callable[[Float[ndarray, "period period"], Float[ndarray, " period"]], float]
MEASURES: dict[str, tuple[Measure, bool]] = {
    "backward": (lambda errors, _: backward_transfer(errors), False),
    "forward": (forward_transfer, False),
    "forgetting": (lambda errors, _: forgetting(errors), True),
}
NOTES = (
    "R[i, j] is the error on the test part of period j after training period i. Backward: mean of "
    "R[j, j] - R[last, j]; positive is a gain (Lopez-Paz & Ranzato 2017, sign for errors).",
    "Forward: mean of b[j] - R[j - 1, j], b the error of an untrained model; higher is better.",
    "Forgetting: mean of R[last, j] - min R[l, j] over l from j to the last but one; positive is "
    "a loss (Chaudhry et al. 2018, sign for errors).",
    "Nodes are kept, new or returned as they were in the period tested.",
)


def transfer_table(frame: pd.DataFrame, view: TableView) -> MarkedTable | None:
    """One row per strategy and backbone, columns by group; None when no run tested the past.

    Example:
        >>> said = {"stream": "pm10", "period": "a", "after": "a", "group": "all", "kind": "point"}
        >>> said |= {"metric": "MAE", "horizon": "mean", "backbone": "STGNN", "seed": 1}
        >>> said |= {"trainable_parameters": 40, "fit_seconds": 1.0, "peak_memory_mib": 300.0}
        >>> pairs = (("EAC", 8.0), ("TEAM", 9.0))
        >>> frame = pd.DataFrame([said | {"strategy": n, "value": error} for n, error in pairs])
        >>> view = TableView("pm10", "MAE", "point", (), "mean", num_seeds=1)
        >>> transfer_table(frame, view) is None  # no run tested the past
        True
    """
    mine, ranked = of_stream(frame, view.stream, view.reference)
    mine = mine[
        (mine.kind == view.kind) & (mine.metric == view.metric) & (mine.horizon == view.summary)
    ]
    mine = mine.astype({"period": str, "after": str, "strategy": str, "backbone": str})
    if not (mine.period != mine.after).any():
        return None
    trained = [model for model in _models(mine) if not model[0].startswith(NAIVE)]
    models, is_ranked = [model[:2] for model in trained], [m[2] == ranked for m in trained]
    columns = [(m, g) for m in MEASURES for g in GROUPS if (mine.group == g).any()]
    values = {column: [_by_seed(mine, model, *column) for model in models] for column in columns}
    marked = {
        column: marks(
            [_mean(v) if own else None for v, own in zip(of_models, is_ranked, strict=True)],
            lowest=MEASURES[column[0]][1],
        )
        for column, of_models in values.items()
    }
    rows = tuple(
        (
            *(Entry(name) for name in model),
            *(Entry(spread(values[c][i]), marked[c][i]) for c in columns),
        )
        for i, model in enumerate(models)
    )
    header = ("strategy", "backbone", *(f"{m}, {g}" for m, g in columns))
    notes = (*unranked_notes(trained, ranked), *NOTES)
    return MarkedTable(f"{view.stream}: transfer, {view.metric}", header, rows, notes)


def error_matrix(
    errors: pd.DataFrame, periods: list[str]
) -> tuple[Float[ndarray, "period period"], Float[ndarray, " period"]]:
    """The matrix of one run and one group, and the errors of the untrained model.

    Args:
        errors: Rows with ``period``, ``after`` and ``value``.
        periods: Names in order of time.

    Example:
        >>> rows = {"period": ["a", "a", "b"], "after": ["a", "b", "b"], "value": [8.0, 9.0, 7.0]}
        >>> error_matrix(pd.DataFrame(rows), ["a", "b"])[0].tolist()
        [[8.0, nan], [9.0, 7.0]]
    """
    table = errors.pivot_table(index="after", columns="period", values="value")
    table = table.reindex(columns=periods)
    untrained = [name for name in table.index if name not in periods]
    first = table.loc[untrained[0]] if untrained else pd.Series(np.nan, index=periods)
    return table.reindex(index=periods).to_numpy(), first.to_numpy()


def _models(mine: pd.DataFrame) -> list[tuple[str, str, str]]:
    unique = mine[[*MODEL, "targets"]].drop_duplicates()
    return list(zip(unique.strategy, unique.backbone, unique.targets, strict=True))


def _by_seed(mine: pd.DataFrame, model: tuple[str, str], measure: str, group: str) -> list[float]:
    own = mine[(mine.strategy == model[0]) & (mine.backbone == model[1])]
    periods = list(dict.fromkeys(own.period[own.period == own.after]))
    own = own[own.group == group]
    function = MEASURES[measure][0]
    return [function(*error_matrix(run, periods)) for _, run in own.groupby("seed")]


def _mean(values: list[float]) -> float | None:
    present = [value for value in values if not np.isnan(value)]
    return float(np.mean(present)) if present else None
