"""The tables of a page that the printed report does not have."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from eac.metrics.transfer import backward_transfer, forgetting, forward_transfer
from eac.records.details import PeriodDetails
from eac.records.horizon_table import METRICS
from eac.records.record import PeriodRecord, RunRecord
from eac.report.common.markup import MarkedTable
from eac.report.common.skill import best_naive
from eac.report.common.summary import (
    BASELINES,
    format_error,
    labelled,
    model_name,
    report_steps,
)
from eac.report.run.run_charts import transfer_matrix

LISTED = 8


def period_grid(run: RunRecord, metric: str) -> MarkedTable:
    """Errors by period and horizon, each beside the best naive forecast of its period."""
    steps = report_steps(run.mean().horizon)
    header = ("period", *(f"@{s}" for s in steps), "mean")
    header += (*(f"<={s}" for s in steps), "avg", "best naive (mean)")
    rows = [(p.name, *_errors(p, metric, steps), _naive(p, metric)) for p in run.periods]
    mean = run.mean()
    values = [mean.point[metric].get(key) for key in (*steps, "mean")]
    values += [mean.cumulative[metric].get(key) for key in (*steps, "avg")]
    rows.append(("all periods", *map(format_error, values), ""))
    notes = (
        f"{labelled(metric, run)} of {model_name(run)}. @6: at step 6 alone; mean: of all steps; "
        "<=6: over steps 1 to 6; avg: the mean of those values.",
    )
    return MarkedTable.of_text(f"{metric} by period and horizon", header, tuple(rows), notes)


def period_grids(run: RunRecord) -> dict[str, MarkedTable]:
    """The table of errors for each metric."""
    return {metric: period_grid(run, metric) for metric in METRICS}


def sensor_grids(run: RunRecord) -> Iterator[MarkedTable]:
    """The sensors of the last period with the largest and with the smallest errors."""
    period = run.periods[-1]
    if period.sensors is None:
        return
    pairs = zip(period.sensors.node_ids, period.sensors.mae, strict=True)
    ranked = sorted(((n, e) for n, e in pairs if e is not None), key=lambda item: item[1])
    header = ("sensor", labelled("MAE", run))
    for title, chosen in (("Largest", ranked[::-1]), ("Smallest", ranked)):
        rows = tuple((node, format_error(error)) for node, error in chosen[:LISTED])
        yield MarkedTable.of_text(f"{title} errors, period {period.name}", header, rows)


def transfer_grids(run: RunRecord, metric: str) -> tuple[MarkedTable, ...]:
    """The transfer matrix, and what it says of forgetting; empty when the past was not tested."""
    if not any(period.past or period.before for period in run.periods):
        return ()
    names = [period.name for period in run.periods]
    matrix = transfer_matrix(run, metric)
    rows = tuple(
        (name, *(format_error(_or_none(value)) for value in row))
        for name, row in zip(names, matrix.tolist(), strict=True)
    )
    header = ("after training", *(f"on {name}" for name in names))
    return (
        MarkedTable.of_text(f"{metric} on each period after training each period", header, rows),
        _forgetting(run, metric, matrix),
    )


def quality_grid(details: Sequence[PeriodDetails]) -> MarkedTable:
    """What was found in the data, one row per period."""
    header = ("period", "from", "to", "steps", "missing", "zeros", "longest gap", "silent")
    header += ("constant", "isolated", "edges", "lowest", "mean", "highest")
    rows = []
    for period in details:
        found = period.quality
        counts = (found.longest_gap, found.num_silent, found.num_constant, found.num_isolated)
        rows.append(
            (
                period.name,
                _day(found.first),
                _day(found.last),
                f"{found.num_steps:,}",
                _percent(found.missing_share),
                _percent(found.zero_share),
                *(f"{count:,}" for count in (*counts, found.num_edges)),
                *(format_error(value) for value in (found.low, found.mean, found.high)),
            )
        )
    notes = (
        "Missing is the share of all readings, zeros of those present. The longest gap is in "
        "steps, of a sensor that has readings at all; silent sensors have none, constant ones "
        "one value only, isolated ones no edge.",
    )
    return MarkedTable.of_text("Data by period", header, tuple(rows), notes)


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


def _errors(period: PeriodRecord, metric: str, steps: Sequence[str]) -> Iterator[str]:
    for table, last in ((period.errors.point, "mean"), (period.errors.cumulative, "avg")):
        for key in (*steps, last):
            yield format_error(table[metric].get(key))


def _naive(period: PeriodRecord, metric: str) -> str:
    best = best_naive(period, metric)
    if best is None:
        return "-"
    return f"{format_error(best[1])} ({BASELINES.get(best[0], best[0])})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _day(stamp: str) -> str:
    """The day of a time stamp; a slot as it is."""
    return stamp if stamp.startswith("slot") else stamp.split(" ")[0]


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
