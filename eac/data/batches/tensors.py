"""A period made ready for training, and cut into batches on demand."""

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from eac.data.batches.batch import Batch, Inputs
from eac.data.batches.needs import Neighbours
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.windows import by_node, is_by_node
from eac.data.series.ahead import Ahead
from eac.data.series.clock import Clock
from eac.data.series.history import Lag
from eac.data.series.mapped import MappedSeries, read
from eac.data.series.network import network_at
from eac.data.series.readings import Readings
from eac.data.series.scaling import Scaler
from eac.typing import NodeIndex, NodeSeries, SeriesMask

BatchNodes: TypeAlias = Int[Tensor, "*batch chosen"]
History: TypeAlias = Shaped[Tensor, "batch chosen lag span"]
Known: TypeAlias = tuple[Float[Tensor, "batch chosen span"], Bool[Tensor, "batch chosen span"]]


@dataclass(frozen=True, eq=False)
class PeriodTensors:
    """Everything a batch is gathered from; lives on one device.

    Steps are counted from the beginning of the period, ``lead`` steps after the first reading.

    Attributes:
        readings: Raw readings, and how they are scaled as inputs.
        graph: Graph among the nodes.
        scaler: Turns forecasts into raw units.
        window: Past steps of a batch.
        horizon: Future steps of a batch.
        calendar: Clock of the period's first step.
        lead: Steps before the period's first step.
        lags: Where history is gathered; none gathers no history.
        neighbour_x: The graph applied to the scaled readings, when the backbone can use it; of a
            mapped series how to apply it to each batch, or a file for windows of some nodes.
        network: Mean of all sensors of the period at each step, where the backbone asks for it.
        ahead: What is known of each step beforehand.
        nodes: Rows in the period of the nodes held here; None means all.
        loss_nodes: Positions, among these, that the loss counts; None means all.
    """

    readings: Readings
    graph: Graph
    scaler: Scaler
    window: int
    horizon: int
    calendar: Calendar
    lead: int = 0
    lags: tuple[Lag, ...] = ()
    neighbour_x: NodeSeries | MappedSeries | Neighbours | None = None
    network: Float[Tensor, " time"] | None = None
    ahead: Ahead = field(default_factory=Ahead)
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
        targets: Known | None = None,
    ) -> Batch:
        """The windows that begin at ``starts``, with their targets.

        Args:
            starts: First steps, counted from the beginning of the period.
            days: Disguises each window as one of so many days later in the week: its clock says
                so, and its weekly history is that of the other weekday.
            nodes: Positions of those gathered, the same for all windows or a row for each; what
                their neighbours read then comes with ``neighbour_x`` or not at all, for the batch
                has no edges. None gathers all.
            targets: Where they are gathered already.
        """
        at, span = starts + self.lead, self.window + self.horizon
        x, observed = self.readings.inputs(at, self.window, nodes)
        clock = Clock.at(self.calendar, starts, span, days, self.ahead.on_holiday(at, span))
        history, history_observed, neighbour_history = self._history(at, clock, days, nodes)
        y, mask = targets or self.readings.targets(at + self.window, self.horizon, nodes)
        inputs = Inputs(
            x=x,
            neighbour_x=self._near(x, at, nodes),
            nodes=self._rows(nodes),
            observed=observed,
            clock=clock,
            history=history,
            history_observed=history_observed,
            neighbour_history=neighbour_history,
            network=network_at(self.network, at, self.window, x.shape[1]),
            extras=self.ahead.known(at, span, self.num_nodes, nodes),
        )
        return Batch(
            inputs,
            y=y,
            mask=mask,
            graph=self.graph if nodes is None else Graph.empty(nodes.shape[-1]),
            scaler=self.scaler if nodes is None else self.scaler.subset(nodes),
            starts=starts,
            loss_nodes=self.loss_nodes if nodes is None else None,
            complete=self.readings.complete,
            last=self.readings.ending(at + self.window, self.window, nodes),
        )

    def in_parts(self, starts: Int[Tensor, " batch"]) -> Batch:
        """As ``batch``, of all nodes, whose inputs are gathered when they are asked for.

        For backbones that forecast a node without the others; where some nodes only are held or
        counted, as ``batch``.
        """
        if self.nodes is not None or self.loss_nodes is not None:
            return self.batch(starts)
        y, mask = self.readings.targets(starts + self.lead + self.window, self.horizon)
        every = torch.arange(self.num_nodes, device=self.device)
        return Batch(
            lambda: self.batch(starts).inputs,
            y=y,
            mask=mask,
            graph=self.graph,
            scaler=self.scaler,
            starts=starts,
            complete=self.readings.complete,
            some=lambda at: self.batch(starts, None, every[at], (y[:, at], mask[:, at])),
            last=self.readings.ending(starts + self.lead + self.window, self.window),
        )

    def windows(self, starts: Int[Tensor, " batch"], nodes: BatchNodes | None = None) -> Known:
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
        clock: Clock,
        days: Int[Tensor, " batch"] | None,
        nodes: BatchNodes | None,
    ) -> tuple[History | None, History | None, History | None]:
        """Each lag before the window and the forecast: readings, which are known, neighbours'.

        What was read on holidays is not what other days are compared with; a holiday is compared
        with the last days of the weeks before.
        """
        if not self.lags:
            return None, None, None
        x, known, heard = self._lagged(at, days, nodes)
        if clock.holiday is None or (were := self._on_holidays(at, days)) is None:
            return x, known, heard
        known = known & ~were[:, None]
        if not clock.holiday.any():
            return x, known, heard
        rest = clock.days_to_rest()
        rest_x, rest_known, rest_heard = self._lagged(at, rest, nodes)
        in_time = self._before_forecast(rest)[:, None, :, None]
        rest_known, off = rest_known & in_time, clock.holiday[:, None, None]
        if heard is not None and rest_heard is not None:
            heard = torch.where(off & in_time, rest_heard, heard)
        return torch.where(off, rest_x, x), torch.where(off, rest_known, known), heard

    def _lagged(
        self,
        at: Int[Tensor, " batch"],
        days: Int[Tensor, " batch"] | None,
        nodes: BatchNodes | None,
    ) -> tuple[History, History, History | None]:
        """What was read each lag before, weeks moved by so many days."""
        span, before = self.window + self.horizon, self._lagged_starts(at, days).flatten()
        if nodes is not None and nodes.dim() > 1:
            nodes = nodes.repeat(len(self.lags), 1)
        x, known = self.readings.inputs(before, span, nodes)
        near = self._near(x, before, nodes)
        heard = None if near is None else self._by_lag(near)
        return self._by_lag(x), self._by_lag(known), heard

    def _near(
        self,
        x: Float[Tensor, "batch chosen span"],
        at: Int[Tensor, " batch"],
        nodes: BatchNodes | None,
    ) -> Float[Tensor, "batch chosen span"] | None:
        """The graph applied to ``x``, which was read from the steps ``at`` on."""
        if self.neighbour_x is None:
            return None
        if isinstance(self.neighbour_x, Tensor | MappedSeries):
            return read(self.neighbour_x, at, x.shape[-1], nodes)
        if nodes is not None:
            return None
        near = self.neighbour_x(x.transpose(1, 2).flatten(0, 1), self.graph)
        return None if near is None else near.unflatten(0, (len(x), -1)).transpose(1, 2)

    def _lagged_starts(
        self, at: Int[Tensor, " batch"], days: Int[Tensor, " batch"] | None
    ) -> Int[Tensor, "lag batch"]:
        shift = 0 if days is None else days * self.calendar.steps_per_day
        return torch.stack([at - lag.steps + (shift if lag.weekly else 0) for lag in self.lags])

    def _on_holidays(
        self, at: Int[Tensor, " batch"], days: Int[Tensor, " batch"] | None
    ) -> Bool[Tensor, "batch lag span"] | None:
        """Which of the steps that lie weeks before are holidays that end no week anyway."""
        span, starts = self.window + self.horizon, self._lagged_starts(at, days)
        steps = starts[..., None] + torch.arange(span, device=at.device) - self.lead
        inside = self.calendar.day_of_week(steps) != self.calendar.days_per_week - 1
        weekly = torch.tensor([lag.weekly for lag in self.lags], device=at.device)
        off = self.ahead.on_holiday(starts, span)
        return None if off is None else (off & inside & weekly[:, None, None]).transpose(0, 1)

    def _before_forecast(self, days: Int[Tensor, " batch"]) -> Bool[Tensor, "batch lag"]:
        """Which lags, moved by so many days, are still known when the forecast is made."""
        moved = [
            lag.steps - (days * self.calendar.steps_per_day if lag.weekly else 0 * days)
            for lag in self.lags
        ]
        return torch.stack(moved, dim=1) >= self.horizon

    def _by_lag(
        self, found: Shaped[Tensor, "lags_and_batch chosen span"]
    ) -> Shaped[Tensor, "batch chosen lag span"]:
        lags = len(self.lags)
        return found.unflatten(0, (lags, len(found) // lags)).permute(1, 2, 0, 3)

    def subset(self, nodes: NodeIndex, loss_nodes: NodeIndex | None) -> "PeriodTensors":
        """The subgraph on these rows, with a loss over those of ``loss_nodes`` among them."""
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
            ahead=self.ahead.subset(nodes),
            nodes=nodes,
            loss_nodes=loss_nodes,
        )

    def with_neighbours(self, apply: Neighbours | None) -> "PeriodTensors":
        """The same tensors with the graph applied once to the whole series, piece by piece.

        None leaves that to the backbone. A mapped series gets it batch by batch, or in a file.
        """
        if apply is None:
            return replace(self, neighbour_x=None)
        raw = self.readings.raw
        if isinstance(raw, MappedSeries) and raw.by_node is None:
            return replace(self, neighbour_x=apply)
        return replace(self, neighbour_x=self.readings.through(apply, self.graph))

    def by_node(self) -> "PeriodTensors":
        """The same tensors, laid out for windows of single nodes; itself where they are."""
        if isinstance(self.readings.raw, Tensor) and is_by_node(self.readings.raw):
            return self
        near = self.neighbour_x
        near = by_node(near) if isinstance(near, Tensor) else near
        return replace(self, readings=self.readings.by_node(), neighbour_x=near)

    def to(self, device: torch.device) -> "PeriodTensors":
        """The same tensors on another device; itself when already there."""
        if self.device == device:
            return self
        moved = {
            name: value.to(device)
            for name, value in vars(self).items()
            if isinstance(value, Tensor | Graph | Scaler | Readings | Ahead)
        }
        return replace(self, **moved)
