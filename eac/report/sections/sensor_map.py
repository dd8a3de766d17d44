"""Where sensors stand and how they err; without places and edges, the largest errors."""

from collections.abc import Mapping, Sequence

import numpy as np

from eac.records.details import PeriodDetails, SensorMap
from eac.records.record import PeriodRecord, RunRecord
from eac.report.common.charts import Bars, Chart, MapChart, SeriesChart
from eac.report.common.layout import Places, place_by_edges, project
from eac.report.common.page_parts import Slot
from eac.report.common.summary import format_error, labelled
from eac.report.sections.view import SHOWN_PERIODS

MARKED = 5
LISTED = 30
"""Sensors in the figure of the largest errors."""
DRAWN = 20_000
"""Sensors and edges on all maps of a page; of large networks fewer periods are drawn."""


def sensor_slot(
    run: RunRecord, details: Sequence[PeriodDetails], ringed: Sequence[str]
) -> Slot | None:
    """A map of each of the latest periods, or the largest errors where nothing says a place.

    Args:
        run: The run.
        details: Of its periods.
        ringed: Sensors of the latest period that stand out.

    Example:
        >>> from eac.records.sample import sample_details, sample_run
        >>> sensor_slot(sample_run((8.0,)), [sample_details("0")], ringed=[]).names
        ('period 0',)
    """
    records, label = {p.name: p for p in run.periods}, labelled("MAE", run)
    known = [period for period in details if period.name in records]
    shown = _affordable(known[-SHOWN_PERIODS:])
    if not shown:
        return None
    placed = all(period.map.positions is not None for period in shown)
    if not placed and not any(period.map.edges for period in shown):
        charts: tuple[Chart, ...] = tuple(
            chart for p in shown if (chart := _largest_errors(records[p.name], label)) is not None
        )
        title = f"The {LISTED} largest errors" if charts else ""
    else:
        places = _places_of(shown)
        charts = tuple(
            sensor_map(
                records[period.name],
                period.map,
                np.array([places[node] for node in period.map.node_ids]),
                label,
                ringed if period is shown[-1] else (),
            )
            for period in shown
        )
        title = "Sensors by error" if placed else "Sensors by error, neighbours near each other"
    if not charts:
        return None
    sampled = max(shown, key=lambda period: period.map.num_nodes).map
    if len(sampled.node_ids) < sampled.num_nodes:
        title += f": {len(sampled.node_ids):,} of {sampled.num_nodes:,} sensors"
    names = tuple(f"period {period.name}" for period in shown)[-len(charts) :]
    return Slot("map", title, "Period", charts[::-1], names[::-1], wide=True)


def _largest_errors(period: PeriodRecord, label: str) -> SeriesChart | None:
    """The sensors with the largest errors, worst first; None where none was measured."""
    if period.sensors is None:
        return None
    pairs = zip(period.sensors.node_ids, period.sensors.mae, strict=True)
    ranked = sorted(((e, n) for n, e in pairs if e is not None), reverse=True)[:LISTED]
    if not ranked:
        return None
    errors, names = zip(*ranked, strict=True)
    return SeriesChart(
        key="map",
        title=f"Largest errors, period {period.name}",
        alt=f"Largest error {format_error(errors[0])}, of sensor {names[0]}.",
        x_label="sensor",
        y_label=label,
        marks=(Bars("error", names, errors, "model"),),
    )


def sensor_map(
    period: PeriodRecord,
    sensors: SensorMap,
    places: Places,
    value_label: str,
    ringed: Sequence[str] = (),
) -> MapChart:
    """Sensors of one period coloured by their error; ``ringed`` ones, or the worst, stand out.

    Example:
        >>> from eac.records.sample import sample_details, sample_period
        >>> sensors = sample_details("0").map
        >>> sensor_map(sample_period("0", 8.0), sensors, np.zeros((3, 2)), "MAE").values
        (8.0, 9.0, 10.0)
    """
    found = period.sensors
    by_id = {} if found is None else dict(zip(found.node_ids, found.mae, strict=True))
    values = tuple(by_id.get(node) for node in sensors.node_ids)
    measured = [i for i, value in enumerate(values) if value is not None]
    worst = tuple(sorted(measured, key=lambda i: -(values[i] or 0))[:MARKED])
    where = {node: i for i, node in enumerate(sensors.node_ids)}
    marked = tuple(where[node] for node in ringed if node in where)[:MARKED]
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
        marked=marked or worst,
    )


def _places_of(details: Sequence[PeriodDetails]) -> Mapping[str, tuple[float, float]]:
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


def _affordable(details: Sequence[PeriodDetails]) -> Sequence[PeriodDetails]:
    """The latest periods whose maps together stay small; always the last."""
    total = 0
    for count, period in enumerate(reversed(details)):
        total += len(period.map.node_ids) + len(period.map.edges)
        if total > DRAWN:
            return details[-max(1, count) :]
    return details
