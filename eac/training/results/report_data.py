"""What the page of a run needs of a period and the records lack; bounded for any network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from eac.data.batches.datamodule import PeriodData
from eac.data.core.blocks import hand_back
from eac.data.core.calendar import Calendar
from eac.data.core.period import NodeChange, Period
from eac.data.core.wall import on_wall
from eac.data.manage.describe import Survey, summarize, survey
from eac.metrics.baselines import same_slot
from eac.metrics.horizon import HorizonErrors
from eac.nn.prompt_pool import PromptPool
from eac.records.details import (
    Dispersion,
    PeriodDetails,
    Quality,
    SensorFacts,
    SensorMap,
    SensorTrace,
    Traces,
    Values,
)
from eac.records.naive import best_naive
from eac.records.record import PeriodRecord
from eac.training.forecaster import Forecaster
from eac.training.results.again import forecast_again

MAP_NODES = 2000
MAP_EDGES = 6000
FACT_NODES = 5000
"""Facts of at most this many sensors, those that err most beside the naive forecast."""
SENSORS = 4
"""Traces of this many of the worst and of this many of the best sensors."""
LEADS = 24
SECOND = np.timedelta64(1, "s")
DIGITS = 5


def collect_details(
    model: Forecaster,
    data: PeriodData,
    record: PeriodRecord,
    change: NodeChange,
    before: Period | None,
    naive: Mapping[str, HorizonErrors] | None = None,
) -> PeriodDetails:
    """Describes the period just tested, and leaves the model as it was.

    Args:
        model: The model, after the test.
        data: The period.
        record: What was measured in it.
        change: Its nodes, by how they relate to the periods before.
        before: The period before it.
        naive: Errors of the naive forecasts in it; None where they were not counted.
    """
    ranked = _ranked(record)
    count = min(SENSORS, math.ceil(len(ranked) / 2))
    worst, best = ranked.flip(0)[:count], ranked[: len(ranked) - count][:SENSORS]
    forecasts, features = forecast_again(model, data, torch.cat([worst, best]))
    pools = [module for module in model.modules() if isinstance(module, PromptPool)]
    spectrum = tuple(_rounded(pools[0].spectrum())) if pools and pools[0].node_ids else None
    hand_back()
    found = survey(data.period.series)
    hand_back()
    return PeriodDetails(
        name=data.period.name,
        quality=_quality(data.period, change, before, found),
        map=_map(data.period, ranked),
        traces=_traces(data, forecasts, worst, best),
        spectrum=None if spectrum is None else tuple(v or 0.0 for v in spectrum),
        dispersion=_dispersion(features),
        steps_per_day=data.period.calendar.steps_per_day,
        sensors=_facts(data.period, record, naive or {}, found),
    )


def _ranked(record: PeriodRecord) -> Int[Tensor, " measured"]:
    """Rows of the sensors with an error, smallest first."""
    errors = () if record.sensors is None else record.sensors.mae
    node_mae = torch.tensor([math.nan if error is None else error for error in errors])
    measured = node_mae.isfinite().nonzero().flatten()
    return measured[node_mae[measured].argsort(stable=True)]


def _dispersion(features: Float[Tensor, "node hidden"]) -> Dispersion:
    centre = features.mean(0)
    within = (features - centre).square().sum(1).mean().item()
    return Dispersion(tuple(v or 0.0 for v in _rounded(centre)), within)


def _traces(
    data: PeriodData,
    forecasts: Float[Tensor, "origin chosen horizon"],
    worst: Int[Tensor, " worst"],
    best: Int[Tensor, " best"],
) -> Traces:
    clock, num_origins = data.period.calendar, len(forecasts)
    first = int(data.starts("test")[-num_origins]) + data.window
    leads = _leads(data.horizon)
    sensors = _sensors(data, forecasts[..., [lead - 1 for lead in leads]], [*worst, *best], first)
    seconds = None if clock.step is None else clock.step.total_seconds()
    when = clock.time_of(first)
    return Traces(
        start=None if when is None else on_wall(when).isoformat(),
        step_seconds=seconds,
        first_step=first,
        leads=leads,
        worst=tuple(sensors[: len(worst)]),
        best=tuple(sensors[len(worst) :]),
        seconds=_seconds(clock, first, _last(data, first, num_origins) - first),
    )


def _last(data: PeriodData, first: int, num_origins: int) -> int:
    """The step after the last one that forecasts of so many origins are about."""
    return min(first + num_origins + data.horizon - 1, len(data.period.series))


def _seconds(clock: Calendar, first: int, count: int) -> tuple[float, ...] | None:
    """Seconds from a step to that before it and to so many from it on, where steps are uneven."""
    if clock.start is None or (clock.hours is None and not clock.months):
        return None
    walls = clock.wall_times(range(first - 1, first + count))
    return tuple(((walls - walls[1]) / SECOND).tolist())


def _sensors(
    data: PeriodData,
    forecasts: Float[Tensor, "origin chosen lead"],
    rows: Sequence[Int[Tensor, ""]],
    first: int,
) -> list[SensorTrace]:
    series, period = data.period.series, data.period
    last = _last(data, first, len(forecasts))
    steps = torch.arange(first, last)
    unknown = torch.full((len(steps), len(rows)), torch.nan)
    laid = series if period.by_node is None else period.by_node
    chosen = laid[:, torch.tensor([int(row) for row in rows], dtype=torch.long)]
    week = unknown
    if period.calendar.cycles[1] == "week":
        week = same_slot(chosen, steps, unknown, 1, period.calendar.steps_per_week)[..., 0]
    return [
        SensorTrace(
            node_id=period.node_ids[int(row)],
            truth=tuple(_rounded(chosen[first:last, i])),
            week=tuple(_rounded(week[:, i])),
            forecast=tuple(tuple(_rounded(values)) for values in forecasts[:, i]),
        )
        for i, row in enumerate(rows)
    ]


def _leads(horizon: int) -> tuple[int, ...]:
    if horizon <= LEADS:
        return tuple(range(1, horizon + 1))
    return tuple(sorted({round(1 + i * (horizon - 1) / (LEADS - 1)) for i in range(LEADS)}))


def _map(period: Period, ranked: Int[Tensor, " measured"]) -> SensorMap:
    rows = _map_rows(period, ranked)
    everyone = len(rows) == period.num_nodes
    graph = period.graph if everyone else period.graph.subgraph(rows)
    pairs = graph.edge_index.sort(0).values
    apart = pairs[0] != pairs[1]
    pairs, weight = pairs[:, apart], graph.edge_weight[apart]
    pairs = pairs[:, weight.argsort(descending=True, stable=True)[: 2 * MAP_EDGES]]
    unique = torch.unique(pairs, dim=1)[:, :MAP_EDGES]
    where = None
    if period.coordinates is not None and period.coordinates[rows].isfinite().all():
        where = tuple((round(x, 6), round(y, 6)) for y, x in period.coordinates[rows].tolist())
    return SensorMap(
        node_ids=tuple(period.node_ids[row] for row in rows.tolist()),
        positions=where,
        edges=tuple((a, b) for a, b in unique.T.tolist()),
        num_nodes=period.num_nodes,
    )


def _map_rows(period: Period, ranked: Int[Tensor, " measured"]) -> Int[Tensor, " shown"]:
    """All sensors; of a large network the whole range of errors, or a few neighbourhoods."""
    if period.num_nodes <= MAP_NODES:
        return torch.arange(period.num_nodes)
    some = ranked if len(ranked) else torch.arange(period.num_nodes)
    if period.coordinates is not None:
        spread = torch.linspace(0, len(some) - 1, min(MAP_NODES, len(some))).round().long()
        return some[spread].unique()
    seeds = torch.cat([some[-SENSORS:], some[:SENSORS]]).unique()
    return _neighbourhoods(period, seeds)


def _neighbourhoods(period: Period, seeds: Int[Tensor, " seed"]) -> Int[Tensor, " shown"]:
    source, target = period.graph.edge_index
    chosen = torch.zeros(period.num_nodes, dtype=torch.bool)
    chosen[seeds] = True
    while (room := MAP_NODES - int(chosen.sum())) > 0:
        ends = torch.cat([source[chosen[target]], target[chosen[source]]]).unique()
        fresh = ends[~chosen[ends]][:room]
        if not len(fresh):
            break
        chosen[fresh] = True
    return chosen.nonzero().flatten()


def _facts(
    period: Period, record: PeriodRecord, naive: Mapping[str, HorizonErrors], found: Survey
) -> SensorFacts:
    """What is known of each sensor; of a large network, of those that do worst beside naive."""
    given = {name: record.baselines[name] for name in naive}
    least = best_naive(replace(record, baselines=given), "MAE")
    best = least[0] if least else ""
    unknown = torch.full((period.num_nodes,), math.nan, dtype=torch.float64)
    naive_mae = naive[best].node_mae().cpu() if best else unknown
    rows = torch.arange(period.num_nodes)
    if period.num_nodes > FACT_NODES and record.sensors is not None:
        own = torch.tensor([math.nan if e is None else e for e in record.sensors.mae])
        lost = (own / naive_mae).nan_to_num(nan=-1.0)
        rows = lost.argsort(descending=True, stable=True)[:FACT_NODES].sort().values
    return SensorFacts(
        node_ids=tuple(period.node_ids[row] for row in rows.tolist()),
        naive=best,
        naive_mae=tuple(_rounded(naive_mae[rows])),
        missing=tuple(round(1 - n / len(period.series), 6) for n in found.count[rows].tolist()),
        silent_steps=tuple(found.trailing[rows].tolist()),
        silent_seconds=_silent_seconds(period, found.trailing[rows]),
    )


def _silent_seconds(period: Period, silent: Int[Tensor, " node"]) -> tuple[float, ...] | None:
    """Time that each node was silent for at the end of a period, closed hours included."""
    if period.calendar.start is None:
        return None
    walls = period.calendar.wall_times(range(-1, period.num_steps))
    last = len(walls) - 1
    return tuple(((walls[last] - walls[last - silent.numpy()]) / SECOND).tolist())


def _quality(period: Period, change: NodeChange, before: Period | None, found: Survey) -> Quality:
    summary = summarize(period, change, before, found)
    return Quality(
        num_steps=summary.num_steps,
        num_edges=summary.num_edges,
        num_isolated=summary.num_isolated,
        first=summary.first,
        last=summary.last,
        missing_share=summary.missing_share,
        zero_share=summary.zero_share,
        low=summary.low,
        mean=summary.mean,
        high=summary.high,
        longest_gap=found.longest_gap,
        num_silent=int(found.silent.sum()),
        num_constant=int(found.constant.sum()),
        warnings=summary.warnings,
    )


def _rounded(values: Float[Tensor, " any"]) -> Values:
    """Five significant digits, all that a page can show; None where there is no number."""
    return tuple(
        float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None for value in values.tolist()
    )
