"""A period made ready for training: scaled, filled, and cut into batches on demand."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from eac.data.batch import Batch, Inputs
from eac.data.calendar import Calendar
from eac.data.context import Clock
from eac.data.graph import Graph
from eac.data.period import Period
from eac.data.protocol import Protocol
from eac.data.scaling import Scaler, fit_scaler
from eac.data.windows import Split, gather
from eac.typing import NodeIndex, NodeSeries, SeriesMask


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
        lags: Steps back at which history is gathered; none gathers no history.
        neighbour_x: The graph applied to ``x``, when the backbone can use it.
        nodes: Rows in the period of the nodes held here; None means all.
        loss_nodes: Positions, among the nodes held here, that the loss counts; None means all.
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
    lags: tuple[int, ...] = ()
    neighbour_x: NodeSeries | None = None
    nodes: NodeIndex | None = None
    loss_nodes: NodeIndex | None = None

    def batch(self, starts: Int[Tensor, " batch"]) -> Batch:
        """The windows that begin at ``starts``, with their targets."""
        at = starts + self.lead
        near = self.neighbour_x
        inputs = Inputs(
            x=gather(self.x, at, self.window),
            neighbour_x=None if near is None else gather(near, at, self.window),
            nodes=self.nodes,
            observed=gather(self.observed, at, self.window),
            clock=Clock.at(self.calendar, starts, self.window + self.horizon),
            history=self._history(self.x, at),
            history_observed=self._history(self.observed, at),
        )
        return Batch(
            inputs=inputs,
            y=gather(self.y, at + self.window, self.horizon),
            mask=gather(self.observed, at + self.window, self.horizon),
            graph=self.graph,
            scaler=self.scaler,
            starts=starts,
            loss_nodes=self.loss_nodes,
        )

    def _history(
        self, series: Shaped[Tensor, "time node"], at: Int[Tensor, " batch"]
    ) -> Shaped[Tensor, "batch node lag span"] | None:
        """The window's and the forecast's steps, each lag before them."""
        if not self.lags:
            return None
        span = self.window + self.horizon
        return torch.stack([gather(series, at - lag, span) for lag in self.lags], dim=2)

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


def prepare(
    period: Period,
    split: Split,
    protocol: Protocol,
    *,
    window: int,
    horizon: int,
    before: NodeSeries | None = None,
    lags: tuple[int, ...] = (),
) -> PeriodTensors:
    """Scales a period as the protocol says and fills what is missing.

    Args:
        period: The period.
        split: Its parts; only the training part is looked at where the protocol is strict.
        protocol: How to scale.
        window: Past steps in.
        horizon: Future steps out.
        before: What earlier periods measured of the nodes, at least the largest lag long.
        lags: Steps back at which history is gathered.
    """
    scaler, x = _scale(period.series, split, protocol, window, horizon)
    raw = period.series
    if before is not None:
        x, raw = torch.cat([scaler.transform(before), x]), torch.cat([before, raw])
    return PeriodTensors(
        x=x.nan_to_num(0.0),
        y=raw.nan_to_num(0.0),
        observed=~raw.isnan(),
        graph=period.graph,
        scaler=scaler if protocol.scale_targets else Scaler.identity(period.num_nodes),
        window=window,
        horizon=horizon,
        calendar=period.calendar,
        lead=0 if before is None else len(before),
        lags=lags,
    )


def _scale(
    series: NodeSeries, split: Split, protocol: Protocol, window: int, horizon: int
) -> tuple[Scaler, NodeSeries]:
    train = series[split.train.start : split.train.stop]
    scaler = fit_scaler(train, per_node=protocol.scale_per_node)
    if not protocol.scale_by_part:
        return scaler, scaler.transform(series)
    pieces = []
    for part in (split.train, split.val, split.test):
        piece = series[part.start : part.stop]
        weight = _windows_per_step(len(piece), window, horizon)
        own = fit_scaler(piece, per_node=protocol.scale_per_node, step_weight=weight)
        pieces.append(own.transform(piece))
    return scaler, torch.cat(pieces)


def _windows_per_step(num_steps: int, window: int, horizon: int) -> Float[Tensor, " time"]:
    """How many input windows hold each step, which is how the published statistics count it."""
    num_windows = max(num_steps - window - horizon, 1)
    step = torch.arange(num_steps)
    first, last = (step - window + 1).clamp_min(0), step.clamp_max(num_windows - 1)
    return (last - first + 1).clamp_min(0).float()
