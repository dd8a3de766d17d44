"""A period made ready for training, and cut into batches on demand."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import nan
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from eac.data.batch import Batch, Inputs
from eac.data.calendar import Calendar
from eac.data.context import Clock, Lag
from eac.data.graph import Graph
from eac.data.period import Period
from eac.data.protocol import Protocol
from eac.data.readings import PartScaling, Readings, is_complete
from eac.data.scaling import Scaler, Scaling, fit_scaler
from eac.data.windows import Split, gather
from eac.typing import NodeIndex, NodeSeries, SeriesMask

BatchNodes: TypeAlias = Int[Tensor, "*batch chosen"]
History: TypeAlias = Shaped[Tensor, "batch chosen lag span"] | None


@dataclass(frozen=True, eq=False)
class PeriodTensors:
    """Everything a batch is gathered from; lives on one device.

    The readings begin ``lead`` steps before the period, with what earlier periods measured of its
    nodes; steps are counted from the beginning of the period all the same.

    Attributes:
        readings: Raw readings, and how they are scaled as inputs.
        graph: Graph among the nodes.
        scaler: Turns forecasts into raw units.
        window: Past steps of a batch.
        horizon: Future steps of a batch.
        calendar: Clock of the period's first step.
        lead: Steps before the period's first step.
        lags: Where history is gathered; none gathers no history.
        neighbour_x: The graph applied to the scaled readings, when the backbone can use it.
        nodes: Rows in the period of the nodes held here; None means all.
        loss_nodes: Positions, among the nodes held here, that the loss counts; None means all.
    """

    readings: Readings
    graph: Graph
    scaler: Scaler
    window: int
    horizon: int
    calendar: Calendar
    lead: int = 0
    lags: tuple[Lag, ...] = ()
    neighbour_x: NodeSeries | None = None
    nodes: NodeIndex | None = None
    loss_nodes: NodeIndex | None = None

    @property
    def num_nodes(self) -> int:
        """Nodes held here."""
        return self.readings.num_nodes

    @property
    def device(self) -> torch.device:
        """Where batches are gathered."""
        return self.graph.edge_weight.device

    def batch(
        self,
        starts: Int[Tensor, " batch"],
        days: Int[Tensor, " batch"] | None = None,
        nodes: BatchNodes | None = None,
    ) -> Batch:
        """The windows that begin at ``starts``, with their targets.

        Args:
            starts: First steps, counted from the beginning of the period.
            days: Disguises each window as one of so many days later in the week: its clock says
                so, and its weekly history is that of the other weekday.
            nodes: Positions of those gathered, the same for all windows or a row for each; what
                their neighbours read then comes with ``neighbour_x`` or not at all, for the batch
                has no edges. None gathers all.
        """
        at, near = starts + self.lead, self.neighbour_x
        x, observed = self.readings.inputs(at, self.window, nodes)
        history, history_observed, neighbour_history = self._history(at, days, nodes)
        y, mask = self.readings.targets(at + self.window, self.horizon, nodes)
        inputs = Inputs(
            x=x,
            neighbour_x=None if near is None else gather(near, at, self.window, nodes),
            nodes=self._rows(nodes),
            observed=observed,
            clock=Clock.at(self.calendar, starts, self.window + self.horizon, days),
            history=history,
            history_observed=history_observed,
            neighbour_history=neighbour_history,
        )
        return Batch(
            inputs=inputs,
            y=y,
            mask=mask,
            graph=self.graph if nodes is None else Graph.empty(nodes.shape[-1]),
            scaler=self.scaler if nodes is None else self.scaler.subset(nodes),
            starts=starts,
            loss_nodes=self.loss_nodes if nodes is None else None,
            complete=self.readings.complete,
        )

    def windows(
        self, starts: Int[Tensor, " batch"], nodes: BatchNodes | None = None
    ) -> tuple[Float[Tensor, "batch chosen window"], Bool[Tensor, "batch chosen window"]]:
        """Scaled windows without anything around them, and where their readings are present."""
        return self.readings.inputs(starts + self.lead, self.window, nodes)

    def scaled(self, steps: range) -> NodeSeries:
        """Scaled readings of these steps of the period, filled where missing."""
        return self.readings.scaled(self._led(steps))

    def observed(self, steps: range) -> SeriesMask:
        """True where a reading of these steps of the period is present."""
        return self.readings.observed(self._led(steps))

    def _led(self, steps: range) -> range:
        return range(steps.start + self.lead, steps.stop + self.lead)

    def _rows(self, nodes: BatchNodes | None) -> BatchNodes | None:
        """Rows in the period of some of the nodes held here."""
        return self.nodes if nodes is None else nodes if self.nodes is None else self.nodes[nodes]

    def _history(
        self,
        at: Int[Tensor, " batch"],
        days: Int[Tensor, " batch"] | None,
        nodes: BatchNodes | None,
    ) -> tuple[History, History, History]:
        """Each lag before the window and the forecast: readings, which are known, neighbours'."""
        if not self.lags:
            return None, None, None
        span, day = self.window + self.horizon, self.calendar.steps_per_day
        shift = 0 if days is None else days * day
        before = torch.cat([at - lag.steps + (shift if lag.weekly else 0) for lag in self.lags])
        if nodes is not None and nodes.dim() > 1:
            nodes = nodes.repeat(len(self.lags), 1)
        near = self.neighbour_x
        found = (
            *self.readings.inputs(before, span, nodes),
            None if near is None else gather(near, before, span, nodes),
        )
        x, known, heard = (None if part is None else self._by_lag(part) for part in found)
        return x, known, heard

    def _by_lag(
        self, found: Shaped[Tensor, "lags_and_batch chosen span"]
    ) -> Shaped[Tensor, "batch chosen lag span"]:
        lags = len(self.lags)
        return found.unflatten(0, (lags, len(found) // lags)).permute(1, 2, 0, 3)

    def subset(self, nodes: NodeIndex, loss_nodes: NodeIndex | None) -> "PeriodTensors":
        """The subgraph on ``nodes``, with a loss over ``loss_nodes``; both are rows of the period.

        ``loss_nodes`` must be among ``nodes``; None counts all of them.
        """
        if loss_nodes is not None:
            position = torch.full((self.graph.num_nodes,), -1, dtype=torch.long)
            position[nodes] = torch.arange(len(nodes))
            loss_nodes = position[loss_nodes]
        return replace(
            self,
            readings=self.readings.subset(nodes),
            graph=self.graph.subgraph(nodes),
            scaler=self.scaler.subset(nodes),
            neighbour_x=None,
            nodes=nodes,
            loss_nodes=loss_nodes,
        )

    def with_neighbours(
        self, apply: Callable[[NodeSeries, Graph], NodeSeries | None]
    ) -> "PeriodTensors":
        """The same tensors with the graph applied once to the whole series, piece by piece."""
        return replace(self, neighbour_x=self.readings.through(apply, self.graph))

    def to(self, device: torch.device) -> "PeriodTensors":
        """The same tensors on another device; itself when already there."""
        if self.device == device:
            return self
        moved = {
            name: value.to(device)
            for name, value in vars(self).items()
            if isinstance(value, Tensor | Graph | Scaler | Readings)
        }
        return replace(self, **moved)


@dataclass(frozen=True, eq=False)
class PeriodView:
    """One period as a strategy may see it.

    Attributes:
        period: Ids, graph and raw series.
        tensors: The same, made ready for batches, all nodes.
        split: Steps of each part; a strategy learns from ``train`` and ``val`` only.
    """

    period: Period
    tensors: PeriodTensors
    split: Split


@dataclass(frozen=True, eq=False)
class Intake:
    """How a period is made ready.

    Attributes:
        window: Past steps in.
        horizon: Future steps out.
        lags: Where history is gathered.
        scaling: Of inputs and targets, instead of the protocol's.
        null_value: Readings equal to this are not what ``scaling`` is fitted to.
        carry: Share of a scaled reading that a gap keeps with each step; 0 fills with the mean.
    """

    window: int
    horizon: int
    lags: tuple[Lag, ...] = ()
    scaling: Scaling | None = None
    null_value: float | None = None
    carry: float = 0.0


def prepare(
    period: Period,
    split: Split,
    protocol: Protocol,
    intake: Intake,
    before: NodeSeries | None = None,
) -> PeriodTensors:
    """Fits the scalers of a period as the protocol says; what is gathered is scaled and filled.

    Args:
        period: The period.
        split: Its parts; only the training part is looked at where the protocol is strict.
        protocol: How to scale.
        intake: Windows, history, and what replaces the protocol's scaling.
        before: What earlier periods measured of the nodes, at least the largest lag long.
    """
    scaler, inputs = _fit(period.series, split, protocol, intake)
    raw, lead = period.series, 0
    if before is not None:
        raw, lead = torch.cat([before, raw]), len(before)
        inputs = inputs.later(lead)
    complete = is_complete(raw)
    readings = Readings(raw, inputs, complete=complete)
    scaled_targets = intake.scaling is not None or protocol.scale_targets
    return PeriodTensors(
        readings=readings if complete else readings.carrying(intake.carry),
        graph=period.graph,
        scaler=scaler if scaled_targets else Scaler.identity(period.num_nodes),
        window=intake.window,
        horizon=intake.horizon,
        calendar=period.calendar,
        lead=lead,
        lags=intake.lags,
    )


def _fit(
    series: NodeSeries, split: Split, protocol: Protocol, intake: Intake
) -> tuple[Scaler, PartScaling]:
    """The scaler of the training part, and those of the inputs of each part."""
    train, null_value = series[split.train.start : split.train.stop], intake.null_value
    if intake.scaling is not None:
        train = train if null_value is None else train.where(train != null_value, nan)
        scaler = intake.scaling.fit(train)
        return scaler, PartScaling.of([scaler], shared=False)
    scaler = fit_scaler(train, per_node=protocol.scale_per_node)
    shared = not protocol.scale_per_node
    if not protocol.scale_by_part:
        return scaler, PartScaling.of([scaler], shared=shared)
    parts = [series[part.start : part.stop] for part in (split.train, split.val, split.test)]
    own = [part_scaler(part, protocol, intake.window, intake.horizon) for part in parts]
    cuts = (split.train.start, split.val.start, split.test.start)
    return scaler, PartScaling.of([scaler, *own], cuts, shared=shared)


def part_scaler(series: NodeSeries, protocol: Protocol, window: int, horizon: int) -> Scaler:
    """The scaler of one part by its own statistics, as published; each window counts alike."""
    weight = _windows_per_step(len(series), window, horizon)
    return fit_scaler(series, per_node=protocol.scale_per_node, step_weight=weight)


def _windows_per_step(num_steps: int, window: int, horizon: int) -> Float[Tensor, " time"]:
    """How many input windows hold each step, which is how the published statistics count it."""
    num_windows = max(num_steps - window - horizon, 1)
    step = torch.arange(num_steps)
    first, last = (step - window + 1).clamp_min(0), step.clamp_max(num_windows - 1)
    return (last - first + 1).clamp_min(0).float()
