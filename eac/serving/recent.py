"""Recent readings of sensors, put on the grid of a run and beside the sensors it knows."""

from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from eac.artifacts.saved_data import SavedData
from eac.data.batches.needs import Needs
from eac.data.batches.preparation import Before, Layout, prepare, steps_of_history
from eac.data.batches.tensors import PeriodTensors
from eac.data.core.calendar import Calendar
from eac.data.core.covariates import Covariates
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.manage.suspicious import fill_values
from eac.data.parsing import columns, tabular
from eac.data.parsing.form import Form
from eac.data.series.network import network_mean
from eac.data.series.readings import PartScaling
from eac.data.series.scales import Scales
from eac.data.series.scaling import Global, Scaler, fit_scaler
from eac.errors import StreamError
from eac.serving.intake import INPUT, late, read_input
from eac.typing import NodeSeries

EDGE_COLUMNS = ("source", "target", "weight")
BROKEN = 1e4
"""Usual scales and means from which on a reading is broken; a network that mixes sensors would hand
it on to others."""


@dataclass(frozen=True, eq=False)
class Recent:
    """Recent readings of the sensors to forecast, and of the run's others, which are silent.

    Attributes:
        series: Raw readings up to now, NaN where missing.
        node_ids: Those of the run's last period, in its order, then the others of the input.
        asked: Ids to forecast, in the order of the input.
        unseen: Those of ``node_ids`` that the run never saw.
        skipped: Ids without a forecast, and why.
        clock: Of the first step of ``series``.
        late: What to say where the run ended long before; empty otherwise.
        covariates: Those of the steps of ``series`` and of those to forecast, if any.
        warnings: What looks wrong with the readings.

    Example:
        >>> from datetime import timedelta
        >>> clock = Calendar.from_timestamps(datetime(2024, 1, 1), timedelta(hours=1))
        >>> recent = Recent(torch.zeros(12, 2), ("a", "b"), ("b",), (), {}, clock, "")
        >>> recent.now, recent.rows(("b",))
        (datetime.datetime(2024, 1, 1, 11, 0), tensor([1]))
    """

    series: NodeSeries
    node_ids: tuple[str, ...]
    asked: tuple[str, ...]
    unseen: tuple[str, ...]
    skipped: dict[str, str]
    clock: Calendar
    late: str
    covariates: Covariates | None = None
    warnings: tuple[str, ...] = ()

    @property
    def now(self) -> datetime | int:
        """Time stamp of the last step, or its number where steps are counted."""
        return self.when(len(self.series) - 1)

    def when(self, step: int) -> datetime | int:
        """Time stamp of a step of ``series`` or after it; its number where steps are counted."""
        stamp = self.clock.time_of(step)
        return self.clock.start_slot + step if stamp is None else stamp

    def rows(self, node_ids: tuple[str, ...]) -> Int[Tensor, " chosen"]:
        """Columns of these sensors."""
        row = {node: i for i, node in enumerate(self.node_ids)}
        return torch.tensor([row[node] for node in node_ids], dtype=torch.long)


def read_recent(frame: pd.DataFrame, data: SavedData, form: Form | None = None) -> Recent:
    """Lays a long frame out in steps of the run.

    Args:
        frame: The readings.
        data: What the run kept of its data.
        form: How the columns are to be understood.

    Raises:
        StreamError: If the frame is not ``unique_id, ds, y`` in steps of the run.
    """
    if data.days_per_week != 7 and data.clock is None:
        raise StreamError(
            f"the run has weeks of {data.days_per_week} days; a frame of time stamps has 7. "
            "Forecast with its own stream: eac predict without --run."
        )
    names = _covariates_of(frame, data)
    period, given = _until_now(read_input(frame, data, names, form), data)
    skipped = _skipped(period, data)
    asked = tuple(node for node in period.node_ids if node not in skipped)
    current = set(data.current_ids)
    node_ids = data.current_ids + tuple(node for node in asked if node not in current)
    given_ids = set(period.node_ids)
    absent = {node: "not in the input" for node in data.current_ids if node not in given_ids}
    known = set(data.node_ids)
    recent = Recent(
        series=_laid_out(period.series, period.node_ids, node_ids),
        node_ids=node_ids,
        asked=asked,
        unseen=tuple(node for node in asked if node not in known),
        skipped=skipped | absent,
        clock=period.calendar,
        late=late(period, data),
        covariates=None
        if given is None
        else replace(given, values=_laid_out(given.values, period.node_ids, node_ids)),
        warnings=tuple(fill_values(period)),
    )
    return without_broken(recent, data)


def recent_graph(recent: Recent, data: SavedData, edges: pd.DataFrame | None) -> Graph:
    """The given edges among the sensors, or else those of the run's last period.

    Raises:
        StreamError: If an edge is not valid, or names a sensor of neither the input nor the run.
    """
    if edges is None:
        return Graph(len(recent.node_ids), data.graph.edge_index, data.graph.edge_weight)
    tabular.require_columns(edges, EDGE_COLUMNS, INPUT, "the edge frame")
    ids = set(recent.node_ids)
    known = ids | set(data.node_ids) | set(recent.skipped)
    ends = edges[["source", "target"]].astype(str)
    for name in ends.to_numpy().ravel():
        if name not in known:
            raise StreamError(
                f"the edges name sensor {name!r}, which is neither in the input nor in the run. "
                "Correct the edge or remove it."
            )
    inside = ends.isin(ids).all(axis=1)
    return columns.edge_graph(edges[inside], recent.node_ids, INPUT)


def scaler_of(recent: Recent, data: SavedData, saved: Scaler) -> Scaler:
    """The run's own scale of each sensor it knows; of others by the rule of the training.

    That rule looks at the readings of all sensors of the input.
    """
    row = {node: i for i, node in enumerate(data.node_ids)}
    known = [i for i, node in enumerate(recent.node_ids) if node in row]
    chosen = saved.subset(torch.tensor([row[recent.node_ids[i]] for i in known]))
    if saved.trivial or len(known) == len(recent.node_ids):
        return chosen if not saved.trivial else Scaler.identity(len(recent.node_ids))
    scaler = _fitted(recent, data)
    mean, scale = scaler.mean.clone(), scaler.scale.clone()
    mean[known], scale[known] = chosen.mean, chosen.scale
    return Scaler(mean, scale)


def recent_tensors(recent: Recent, data: SavedData, graph: Graph, needs: Needs) -> PeriodTensors:
    """The last window, which begins at step 0, and before it history where it is known."""
    read = _last(recent.series, data.window, data.horizon)
    clock = recent.clock.later(len(recent.series) - data.window)
    window = Period(INPUT, read, recent.node_ids, graph, clock)
    lead = steps_of_history(needs, window, data.horizon)
    if data.carry:  # a gap may have begun long before
        lead = max(lead, len(recent.series) - data.window)
    earlier = _last(recent.series, lead + data.window)[:lead]
    before, given = Before(earlier), recent.covariates
    if given is not None:
        length = data.window + data.horizon
        values = _last(given.values, lead + length)
        window = replace(window, covariates=replace(given, values=values[lead:]))
        before = Before(earlier, values[:lead])
    inputs = PartScaling.of([scaler_of(recent, data, data.inputs)], shared=False)
    scales = Scales(inputs, scaler_of(recent, data, data.targets), data.covariates)
    layout = Layout(data.window, data.horizon, carry=data.carry, holidays=data.holidays)
    made, own = prepare(window, before, scales, layout, needs), data.current_ids
    if not needs.network or not set(own) & set(recent.asked):
        return made  # what left or is new was not in the mean that was trained with
    return replace(made, network=network_mean(made.readings, count=len(own)))


def without_broken(recent: Recent, data: SavedData) -> Recent:
    """Without readings that are far too large, and without a forecast of their sensors.

    A model mixes sensors: one such reading is enough to spoil the forecasts of all.
    """
    scales = data.inputs.scale
    if bool((scales == 1).all()):  # readings as they are, which may well be large
        return recent
    reach = BROKEN * torch.maximum(scales.clamp_min(scales.median()), data.inputs.mean.abs())
    row = {node: i for i, node in enumerate(data.node_ids)}
    known = torch.tensor([row.get(node, -1) for node in recent.node_ids], dtype=torch.long)
    limit = torch.where(known < 0, reach.max(), reach[known])
    far = (recent.series > limit) | (recent.series < -limit)
    reasons = {}
    for column in far.any(0).nonzero().flatten().tolist():
        step = int(far[:, column].nonzero()[-1])
        reasons[recent.node_ids[column]] = (
            f"its reading {float(recent.series[step, column]):.7g} of {recent.when(step)} is too "
            "large to forecast with; correct it, or leave it empty if it stands for a missing one"
        )
    if not reasons:
        return recent
    return replace(
        recent,
        series=recent.series.masked_fill(far, torch.nan),
        asked=tuple(node for node in recent.asked if node not in reasons),
        skipped=recent.skipped | reasons,
    )


def _skipped(period: Period, data: SavedData) -> dict[str, str]:
    """Sensors of the input that cannot be forecast, and why."""
    if period.num_steps < data.window:
        reason = f"the input covers {period.num_steps} steps; one window needs {data.window}"
        return dict.fromkeys(period.node_ids, reason)
    known = set(data.node_ids)
    counts = (~period.series.isnan()).sum(0).tolist()
    never = {
        node: "never read, neither when the run was trained nor in the input"
        for node, count in zip(period.node_ids, counts, strict=True)
        if node in data.never_read and not count
    }
    return never | {
        node: f"{count} readings; a sensor the run has never seen needs {data.window}"
        for node, count in zip(period.node_ids, counts, strict=True)
        if node not in known and count < data.window
    }


def _laid_out(
    values: Float[Tensor, "time column *channel"], given: tuple[str, ...], wanted: tuple[str, ...]
) -> Float[Tensor, "time node *channel"]:
    """The columns of these sensors; NaN where the input has none."""
    column = {node: i for i, node in enumerate(given)}
    laid = torch.full((len(values), len(wanted), *values.shape[2:]), torch.nan)
    found = [(i, column[node]) for i, node in enumerate(wanted) if node in column]
    if found:
        target, source = (list(rows) for rows in zip(*found, strict=True))
        laid[:, target] = values[:, source]
    return laid


def _covariates_of(frame: pd.DataFrame, data: SavedData) -> tuple[str, ...]:
    """Names of the covariates that the run takes, which the input must have."""
    names = () if data.covariates is None else data.covariates.names
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise StreamError(
            f"the run forecasts with {', '.join(names)}, known ahead, but the input has no column "
            f"{absent[0]!r}. Add it, and rows for the {data.horizon} steps to forecast with an "
            "empty y."
        )
    return names


def _until_now(period: Period, data: SavedData) -> tuple[Period, Covariates | None]:
    """The readings up to the last one, and the covariates as far as forecasts need them."""
    given = period.covariates
    if given is None:
        return period, None
    read = (~period.series.isnan()).any(1).nonzero()
    now = int(read.max()) + 1 if len(read) else period.num_steps
    needed = now + data.horizon
    if period.num_steps < needed:
        raise StreamError(
            f"the run forecasts with {', '.join(given.names)}, known ahead, but the input holds "
            f"{period.num_steps - now} of the {data.horizon} steps after its last reading. Add "
            "rows for them with an empty y."
        )
    ahead = replace(given, values=given.values[:needed])
    return replace(period, series=period.series[:now], covariates=None), ahead


def _fitted(recent: Recent, data: SavedData) -> Scaler:
    """What the training would make of the readings of the input."""
    one_for_all = data.scaling is None and not data.protocol.scale_per_node
    if one_for_all or isinstance(data.scaling, Global):
        count = len(recent.node_ids)
        return Scaler(data.inputs.mean[:1].expand(count), data.inputs.scale[:1].expand(count))
    if data.scaling is not None:
        return data.scaling.fit(recent.series)
    return fit_scaler(recent.series, per_node=True)


def _last(
    values: Float[Tensor, "time node *channel"], length: int, ahead: int = 0
) -> Float[Tensor, "cut node *channel"]:
    """The last ``length`` steps and room for ``ahead`` more; NaN where none are given."""
    tail = values[max(len(values) - length, 0) :]
    sides = [0] * (2 * (tail.dim() - 1))
    return nn.functional.pad(tail, (*sides, length - len(tail), ahead), value=torch.nan)
