"""A period made ready for training: scaled, filled, and cut into batches on demand."""

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
from eac.data.scaling import Scaler, Scaling, fit_scaler
from eac.data.windows import Split, gather
from eac.typing import NodeIndex, NodeSeries, SeriesMask

BatchNodes: TypeAlias = Int[Tensor, "*batch chosen"]


@dataclass(frozen=True, eq=False)
class PeriodTensors:
    """Everything a batch is gathered from; lives on one device.

    The series begin ``lead`` steps before the period, with what earlier periods measured of its
    nodes; steps are counted from the beginning of the period all the same.

    Attributes:
        x: Scaled readings, 0 where missing.
        y: Raw readings, 0 where missing.
        observed: True where a reading is present.
        graph: Graph among the nodes.
        scaler: Turns forecasts into raw units.
        window: Past steps of a batch.
        horizon: Future steps of a batch.
        calendar: Clock of the period's first step.
        lead: Steps before the period's first step.
        lags: Where history is gathered; none gathers no history.
        neighbour_x: The graph applied to ``x``, when the backbone can use it.
        nodes: Rows in the period of the nodes held here; None means all.
        loss_nodes: Positions, among the nodes held here, that the loss counts; None means all.
        complete: True when no reading is missing.
    """

    x: NodeSeries
    y: NodeSeries
    observed: SeriesMask
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
    complete: bool = False

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
        inputs = Inputs(
            x=gather(self.x, at, self.window, nodes),
            neighbour_x=None if near is None else gather(near, at, self.window, nodes),
            nodes=self._rows(nodes),
            observed=self._present(at, self.window, nodes),
            clock=Clock.at(self.calendar, starts, self.window + self.horizon, days),
            history=self._history(self.x, at, days, nodes),
            history_observed=self._history(self.observed, at, days, nodes),
            neighbour_history=None if near is None else self._history(near, at, days, nodes),
        )
        return Batch(
            inputs=inputs,
            y=gather(self.y, at + self.window, self.horizon, nodes),
            mask=self._present(at + self.window, self.horizon, nodes),
            graph=self.graph if nodes is None else Graph.empty(nodes.shape[-1]),
            scaler=self.scaler if nodes is None else self.scaler.subset(nodes),
            starts=starts,
            loss_nodes=self.loss_nodes if nodes is None else None,
            complete=self.complete,
        )

    def _rows(self, nodes: BatchNodes | None) -> BatchNodes | None:
        """Rows in the period of some of the nodes held here."""
        return self.nodes if nodes is None else nodes if self.nodes is None else self.nodes[nodes]

    def _present(
        self, at: Int[Tensor, " batch"], length: int, nodes: BatchNodes | None
    ) -> Bool[Tensor, "batch chosen {length}"]:
        if self.complete:
            count = self.x.shape[1] if nodes is None else nodes.shape[-1]
            return self.observed[:1, :1, None].expand(len(at), count, length)
        return gather(self.observed, at, length, nodes)

    def _history(
        self,
        series: Shaped[Tensor, "time node"],
        at: Int[Tensor, " batch"],
        days: Int[Tensor, " batch"] | None,
        nodes: BatchNodes | None,
    ) -> Shaped[Tensor, "batch chosen lag span"] | None:
        """The window's and the forecast's steps, each lag before them."""
        if not self.lags:
            return None
        span, day = self.window + self.horizon, self.calendar.steps_per_day
        shift = 0 if days is None else days * day
        before = [at - lag.steps + (shift if lag.weekly else 0) for lag in self.lags]
        if nodes is not None and nodes.dim() > 1:
            nodes = nodes.repeat(len(before), 1)
        found = gather(series, torch.cat(before), span, nodes)
        return found.view(len(self.lags), len(at), *found.shape[1:]).permute(1, 2, 0, 3)

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
            x=self.x[:, nodes],
            y=self.y[:, nodes],
            observed=self.observed[:, nodes],
            graph=self.graph.subgraph(nodes),
            scaler=self.scaler.subset(nodes),
            neighbour_x=None,
            nodes=nodes,
            loss_nodes=loss_nodes,
        )

    def with_neighbours(
        self, apply: Callable[[NodeSeries, Graph], NodeSeries | None]
    ) -> "PeriodTensors":
        """The same tensors with the graph applied once to the whole series."""
        return replace(self, neighbour_x=apply(self.x, self.graph))

    def to(self, device: torch.device) -> "PeriodTensors":
        """The same tensors on another device; itself when already there."""
        if self.x.device == device:
            return self
        moved = {
            name: value.to(device)
            for name, value in vars(self).items()
            if isinstance(value, Tensor | Graph | Scaler)
        }
        return replace(self, **moved)


@dataclass(frozen=True, eq=False)
class PeriodView:
    """One period as a strategy may see it.

    Attributes:
        period: Ids, graph and raw series.
        tensors: The same, scaled and filled, all nodes.
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
    """Scales a period as the protocol says and fills what is missing.

    Args:
        period: The period.
        split: Its parts; only the training part is looked at where the protocol is strict.
        protocol: How to scale.
        intake: Windows, history, and what replaces the protocol's scaling.
        before: What earlier periods measured of the nodes, at least the largest lag long.
    """
    scaling, null_value = intake.scaling, intake.null_value
    raw = period.series
    if scaling is None:
        scaler, x = _scale(raw, split, protocol, intake.window, intake.horizon)
    else:
        train = raw[split.train.start : split.train.stop]
        scaler = scaling.fit(train if null_value is None else train.where(train != null_value, nan))
        x = scaler.transform(raw)
    if before is not None:
        x, raw = torch.cat([scaler.transform(before), x]), torch.cat([before, raw])
    observed = raw.isnan().logical_not_()
    complete = bool(observed.all())
    scaled_targets = scaling is not None or protocol.scale_targets
    return PeriodTensors(
        x=x if complete else carried(x, observed, intake.carry),
        y=raw if complete else raw.nan_to_num(0.0),
        observed=observed[:1, :1].expand_as(raw) if complete else observed,
        graph=period.graph,
        scaler=scaler if scaled_targets else Scaler.identity(period.num_nodes),
        window=intake.window,
        horizon=intake.horizon,
        calendar=period.calendar,
        lead=0 if before is None else len(before),
        lags=intake.lags,
        complete=complete,
    )


def carried(x: NodeSeries, observed: SeriesMask, share: float) -> NodeSeries:
    """Fills gaps with the last reading, shrunk by ``share`` with each step since; 0 before it.

    Example:
        >>> x = torch.tensor([[torch.nan], [8.0], [torch.nan], [torch.nan]])
        >>> carried(x, ~x.isnan(), 0.5).flatten().tolist()
        [0.0, 8.0, 4.0, 2.0]
    """
    x = x.nan_to_num(0.0)
    if not share:
        return x
    step = torch.arange(len(x), device=x.device)[:, None]
    last = torch.where(observed, step, 0).cummax(0).values
    return x.gather(0, last) * share ** (step - last)


def _scale(
    series: NodeSeries, split: Split, protocol: Protocol, window: int, horizon: int
) -> tuple[Scaler, NodeSeries]:
    """The scaler of the training part, and a new series scaled as the protocol says."""
    train = series[split.train.start : split.train.stop]
    scaler = fit_scaler(train, per_node=protocol.scale_per_node)
    if not protocol.scale_by_part:
        return scaler, scaler.transform(series)
    scaled = torch.empty_like(series)
    for part in (split.train, split.val, split.test):
        steps = slice(part.start, part.stop)
        own = part_scaler(series[steps], protocol, window, horizon)
        torch.sub(series[steps], own.mean, out=scaled[steps]).div_(own.scale)
    return scaler, scaled


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
