"""The errors of a benchmark's strategies as one figure per stream."""

import pandas as pd

from eac.records.naive import PEERS
from eac.report.benchmark.benchmark_tables import TableView
from eac.report.benchmark.ranked import NAIVE, model_label, of_stream
from eac.report.common.charts import Bars, SeriesChart
from eac.report.common.escapes import latex_label


def error_bars(frame: pd.DataFrame, view: TableView) -> SeriesChart | None:
    """Mean error of each ranked row, the smallest first, naive ones grey. None without rows.

    Example:
        >>> said = {"stream": "pm10", "period": "a", "after": "a", "group": "all", "kind": "point"}
        >>> said |= {"metric": "MAE", "horizon": "mean", "backbone": "STGNN", "seed": 1}
        >>> said |= {"trainable_parameters": 40, "fit_seconds": 1.0, "peak_memory_mib": 300.0}
        >>> pairs = (("EAC", 8.0), ("TEAM", 9.0))
        >>> frame = pd.DataFrame([said | {"strategy": n, "value": error} for n, error in pairs])
        >>> view = TableView("pm10", "MAE", "point", (), "mean", num_seeds=1)
        >>> error_bars(frame, view).marks[0].y
        (8.0, 9.0)
    """
    mine, ranked = of_stream(frame, view.stream, view.reference)
    mine = mine[(mine.group == "all") & (mine.targets == ranked)]
    mine = mine[(mine.kind == view.kind) & (mine.metric == view.metric)]
    mine = mine[(mine.horizon == view.summary)]
    mine = mine[mine.period.astype(str) == mine.after.astype(str)]
    if mine.empty:
        return None
    mine = mine.astype({"strategy": str, "backbone": str})
    means = mine.groupby(["strategy", "backbone"]).value.mean().dropna().sort_values()
    rows = [
        (model_label(str(model[0]), str(model[1])), _is_naive(str(model[0])), float(value))
        for model, value in zip(means.index.tolist(), means.tolist(), strict=True)
    ]
    means = "mean over steps," if view.kind == "point" else "avg, mean over"
    names = tuple(name for name, _, _ in rows)
    trained = tuple(None if naive else value for _, naive, value in rows)
    untrained = tuple(value if naive else None for _, naive, value in rows)
    return SeriesChart(
        key=f"bars-{latex_label(view.stream)}-{view.metric.lower()}",
        title=f"{view.stream}: {view.metric}, {means} periods and seeds",
        alt=f"{view.metric} on {view.stream}, smallest first: {', '.join(names[:12])}.",
        x_label="strategy",
        y_label=view.metric,
        marks=(
            Bars("trained", names, trained, "model"),
            Bars("naive", names, untrained, "muted"),
        ),
        stacked=True,
    )


def _is_naive(strategy: str) -> bool:
    """Whether a row is one of nothing that was trained."""
    return strategy.startswith(NAIVE) and strategy.removeprefix(NAIVE) not in PEERS
