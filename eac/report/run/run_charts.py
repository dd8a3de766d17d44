"""The charts of one run, from its records and the details of its periods."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from eac.records.details import PeriodDetails, SensorMap
from eac.records.horizon_table import mean_or_none
from eac.records.record import PeriodRecord, RunRecord
from eac.report.common.charts import Bars, HeatChart, Line, MapChart, Number, Role, SeriesChart
from eac.report.common.layout import Places, place_by_edges, project
from eac.report.common.summary import BASELINES, format_error, labelled, model_name

BASELINE_ROLES: dict[str, Role] = {"last": "muted", "day": "a", "week": "b", "average": "c"}
GROUP_ROLES: dict[str, Role] = {"kept": "model", "new": "b", "returned": "c", "gone": "muted"}
MARKED = 5
TOWERING = 2.5
"""A naive forecast this many times above the others would press them flat."""


def error_by_horizon(run: RunRecord, metric: str) -> SeriesChart:
    """Errors at each step, mean over periods, of the model and of the naive forecasts."""
    steps = tuple(str(step) for step in range(1, run.mean().horizon + 1))
    model = run.mean().point[metric]
    name = model_name(run)
    marks = [
        Line(
            name=BASELINES.get(key, key),
            x=_numbers(steps),
            y=_at(table.point[metric], steps),
            role=BASELINE_ROLES.get(key, "d"),
            dash=True,
        )
        for key, table in run.mean_baselines().items()
    ]
    marks.append(Line(name, _numbers(steps), _at(model, steps), "model"))
    top, told = _top(marks)
    ends = f"{format_error(model.get(steps[0]))} at step 1 to {format_error(model.get(steps[-1]))}"
    return SeriesChart(
        key="error-by-horizon",
        title="Error by horizon, mean over periods",
        alt=f"{metric} of {name} goes from {ends} at step {steps[-1]}; "
        f"{len(marks) - 1} naive forecasts beside it.{told}",
        x_label="steps ahead",
        y_label=labelled(metric, run),
        marks=tuple(marks),
        top=top,
    )


def error_by_period(run: RunRecord, metric: str) -> SeriesChart:
    """Mean error of each period, of the model and of the naive forecasts."""
    names = tuple(period.name for period in run.periods)
    values = tuple(period.errors.point[metric]["mean"] for period in run.periods)
    naive = [
        Line(BASELINES.get(key, key), names, tuple(errors), BASELINE_ROLES.get(key, "d"), True)
        for key in run.mean_baselines()
        for errors in [[p.baselines[key].point[metric]["mean"] for p in run.periods]]
    ]
    told = ", ".join(f"{n}: {format_error(v)}" for n, v in zip(names, values, strict=True))
    marks = (*naive, Line(model_name(run), names, values, "model"))
    top, outside = _top(marks)
    return SeriesChart(
        key="error-by-period",
        title="Error by period, mean over steps",
        alt=f"Mean {metric} of {model_name(run)} by period. {told}.{outside}",
        x_label="period",
        y_label=labelled(metric, run),
        marks=marks,
        top=top,
    )


def node_changes(run: RunRecord) -> SeriesChart:
    """Sensors kept, new and returned in each period, and those gone since the one before."""
    names = tuple(period.name for period in run.periods)
    groups = [key for key in GROUP_ROLES if any(getattr(p.nodes, key) for p in run.periods)]
    marks = tuple(
        Bars(key, names, tuple(sign * getattr(p.nodes, key) for p in run.periods), GROUP_ROLES[key])
        for key in groups
        for sign in [-1 if key == "gone" else 1]
    )
    counts = ", ".join(f"{period.name}: {period.num_nodes}" for period in run.periods)
    return SeriesChart(
        key="nodes",
        title="Sensors by period",
        alt=f"Number of sensors by period. {counts}.",
        x_label="period",
        y_label="sensors (gone: below zero)" if "gone" in groups else "sensors",
        marks=marks,
        stacked=True,
    )


def group_errors(run: RunRecord, metric: str) -> SeriesChart | None:
    """Mean error of kept, new and returned sensors; None when no sensor ever joined later."""
    names = tuple(period.name for period in run.periods)
    marks = tuple(
        Bars(group, names, tuple(map(_mean_of(group, metric), run.periods)), GROUP_ROLES[group])
        for group in ("kept", "new", "returned")
        if any(group in period.groups for period in run.periods[1:])
    )
    if not marks:
        return None
    return SeriesChart(
        key="error-by-group",
        title="Error on kept, new and returned sensors",
        alt=f"Mean {metric} by period of the sensors {', '.join(bar.name for bar in marks)}.",
        x_label="period",
        y_label=labelled(metric, run),
        marks=marks,
    )


def parameters(run: RunRecord) -> SeriesChart:
    """Parameters trained in each period beside those of the whole model."""
    names = tuple(period.name for period in run.periods)
    trained = tuple(period.trainable_parameters for period in run.periods)
    last = run.periods[-1]
    return SeriesChart(
        key="parameters",
        title="Parameters",
        alt=f"In the last period {last.trainable_parameters:,} of {last.total_parameters:,} "
        "parameters were trained.",
        x_label="period",
        y_label="parameters",
        marks=(
            Bars("in the model", names, tuple(p.total_parameters for p in run.periods), "muted"),
            Bars("trained", names, trained, "model"),
        ),
    )


def seconds(run: RunRecord) -> SeriesChart:
    """Seconds of training in each period."""
    names = tuple(period.name for period in run.periods)
    times = tuple(period.fit_seconds for period in run.periods)
    told = ", ".join(f"{n}: {t:.1f} s" for n, t in zip(names, times, strict=True))
    return SeriesChart(
        key="seconds",
        title="Training time",
        alt=f"Seconds of training by period. {told}.",
        x_label="period",
        y_label="seconds",
        marks=(Bars("training", names, times, "model"),),
    )


def sensor_map(
    period: PeriodRecord, sensors: SensorMap, places: Places, value_label: str
) -> MapChart:
    """Sensors of one period coloured by their error, the worst ringed."""
    found = period.sensors
    by_id = {} if found is None else dict(zip(found.node_ids, found.mae, strict=True))
    values = tuple(by_id.get(node) for node in sensors.node_ids)
    measured = [i for i, value in enumerate(values) if value is not None]
    worst = tuple(sorted(measured, key=lambda i: -(values[i] or 0))[:MARKED])
    named = ", ".join(f"{sensors.node_ids[i]} ({format_error(values[i])})" for i in worst)
    return MapChart(
        key="map",
        title=f"Sensors by error, period {period.name}",
        alt=f"{len(values)} sensors and {len(sensors.edges)} edges. Largest errors: {named}.",
        names=sensors.node_ids,
        x=tuple(places[:, 0].round(4).tolist()),
        y=tuple(places[:, 1].round(4).tolist()),
        values=values,
        edges=sensors.edges,
        value_label=value_label,
        marked=worst,
    )


def places_of(details: Sequence[PeriodDetails]) -> Mapping[str, tuple[float, float]]:
    """One place for each sensor, the same in all periods.

    Kilometres from the middle where all coordinates are known, otherwise by the edges of all
    periods together.
    """
    where: dict[str, tuple[float, float]] = {}
    edges: set[tuple[str, str]] = set()
    ids: dict[str, int] = {}
    for sensors in (period.map for period in details):
        for node in sensors.node_ids:
            ids.setdefault(node, len(ids))
        if sensors.positions is not None:
            where.update(zip(sensors.node_ids, sensors.positions, strict=True))
        edges.update((sensors.node_ids[a], sensors.node_ids[b]) for a, b in sensors.edges)
    if len(where) == len(ids) > 0:
        places = project([where[node] for node in ids])
    else:
        places = place_by_edges(len(ids), sorted((ids[a], ids[b]) for a, b in edges))
    return {node: (float(places[i, 0]), float(places[i, 1])) for node, i in ids.items()}


def transfer_matrix(run: RunRecord, metric: str) -> Float[ndarray, "period period"]:
    """Mean error on period ``j`` after training period ``i``; NaN where it was not tested."""
    names = [period.name for period in run.periods]
    matrix = np.full((len(names), len(names)), np.nan)
    for i, period in enumerate(run.periods):
        tables = {period.name: period.errors}
        tables |= {name: groups["all"] for name, groups in period.past.items()}
        if i and "previous" in period.before:
            matrix[i - 1, i] = _float(period.before["previous"]["all"].point[metric]["mean"])
        for name, table in tables.items():
            matrix[i, names.index(name)] = _float(table.point[metric]["mean"])
    return matrix


def transfer(run: RunRecord, metric: str) -> HeatChart | None:
    """The transfer matrix; None when no past period was tested."""
    if not any(period.past or period.before for period in run.periods):
        return None
    names = tuple(period.name for period in run.periods)
    cells = transfer_matrix(run, metric)
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


def _top(lines: Sequence[Line]) -> tuple[Number, str]:
    """Where to end the axis so that naive forecasts far above the rest do not press it flat.

    Lines are those of the naive forecasts, then that of the model. Also says which leave the
    picture; None and nothing where all of them fit.
    """
    heights = {line.name: max((y for y in line.y if y is not None), default=0.0) for line in lines}
    *naive, model = heights.values()
    limit = TOWERING * max(model, min(naive, default=model))
    outside = [name for name, height in heights.items() if height > limit]
    if not outside:
        return None, ""
    top = 1.1 * max(height for height in heights.values() if height <= limit)
    return top, f" Off the scale: {', '.join(outside)}."


def _mean_of(group: str, metric: str) -> Callable[[PeriodRecord], Number]:
    def value(period: PeriodRecord) -> Number:
        table = period.groups.get(group)
        return None if table is None else mean_or_none([table.point[metric]["mean"]])

    return value


def _at(errors: Mapping[str, Number], steps: Sequence[str]) -> tuple[Number, ...]:
    return tuple(errors.get(step) for step in steps)


def _numbers(steps: Sequence[str]) -> tuple[float, ...]:
    return tuple(float(step) for step in steps)


def _float(value: Number) -> float:
    return float("nan") if value is None else value
