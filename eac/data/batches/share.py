"""The sensors of a period that one of several processes reads, holds and trains."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eac.data.batches.tensors import PeriodTensors
from eac.data.core.among import Among
from eac.data.core.blocks import drop_pages, hand_back
from eac.data.core.graph import Graph
from eac.data.core.period import NodeChange, Period
from eac.data.core.stream import GraphStream
from eac.data.series.mapped import MappedSeries, working_series
from eac.data.series.scales import Scales
from eac.typing import NodeIndex, NodeSeries

ROWS_AT_ONCE = 1 << 10
"""Columns of a mapped series that are read at once."""


def rows_of_process(num_nodes: int, rank: int, processes: int) -> range:
    """The sensors of one of several processes, as they are listed; each belongs to one of them.

    Example:
        >>> [rows_of_process(5, rank, 2) for rank in (0, 1)]
        [range(0, 2), range(2, 5)]
    """
    return range(rank * num_nodes // processes, (rank + 1) * num_nodes // processes)


def heard_by(graph: Graph, rows: NodeIndex) -> Int[Tensor, " heard"]:
    """Ascending rows of what some nodes listen to, without themselves: the halo of a share.

    Example:
        >>> heard_by(Graph(3, torch.tensor([[0, 2], [1, 0]]), torch.ones(2)), torch.tensor([0, 1]))
        tensor([2])
    """
    inside = torch.zeros(graph.num_nodes, dtype=torch.bool)
    inside[rows] = True
    source, target = graph.edge_index
    heard = torch.zeros_like(inside)
    heard[source[inside[target]]] = True
    return (heard & ~inside).nonzero().flatten()


def chosen(period: Period, rows: NodeIndex) -> Period:
    """Some of the sensors of a period, with the edges between them.

    Those of a mapped period with a file by node are mapped too, in a working file.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> period = SyntheticStream(num_nodes=4, num_periods=1, steps_per_period=300)[0]
        >>> chosen(period, torch.tensor([3])).node_ids == period.node_ids[3:]
        True
    """
    where, ahead = period.coordinates, period.covariates
    read, laid = _columns(period, rows), period.mapped and period.by_node is not None
    return replace(
        period,
        series=read,
        node_ids=tuple(period.node_ids[row] for row in rows.tolist()),
        graph=period.graph.subgraph(rows),
        coordinates=None if where is None else where[rows],
        covariates=None if ahead is None else ahead.permute(rows),
        mapped=laid,
        by_node=read if laid else None,
    )


@dataclass(frozen=True, eq=False)
class Share:
    """Some sensors of a period, and what it takes to make them ready.

    Attributes:
        node_ids: Sensors of the whole period, in order.
        rows: Those of the share.
        wide: The share, and what its sensors listen to, in order of the period.
        turn: Number of the process, from 0, and how many processes there are.
        summed: Gives the sum over the processes; None: there is one alone.
        scales: Of the sensors of ``wide``, where they are known already.
        network: The mean of the whole network, where it is known already.
        whole: The whole period in the first process, where it is mapped and so takes no memory.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> stream = SyntheticStream(num_nodes=5, num_periods=1, steps_per_period=300)
        >>> shares = [Share.of(stream, 0, turn=(rank, 2)) for rank in (0, 1)]
        >>> [share.period.num_nodes for share in shares]
        [2, 3]
    """

    node_ids: tuple[str, ...]
    rows: NodeIndex
    wide: Period
    turn: tuple[int, int] = (0, 1)
    summed: Callable[[Tensor], Tensor] | None = None
    scales: Scales | None = None
    network: Float[Tensor, " time"] | None = None
    whole: Period | None = None

    @staticmethod
    def of(stream: GraphStream, index: int, turn: tuple[int, int]) -> "Share":
        """What one of several processes holds of a period."""
        period = stream.load(index)
        hand_back()  # what reading its tables took
        rows = rows_of_process(period.num_nodes, *turn)
        share = Share.at(period, torch.arange(rows.start, rows.stop))
        whole = period if period.mapped and turn[0] == 0 else None
        return replace(share, turn=turn, whole=whole)

    @staticmethod
    def at(period: Period, rows: NodeIndex) -> "Share":
        """The sensors in some rows of a period, ascending."""
        wide = torch.cat([rows, heard_by(period.graph, rows)]).sort().values
        return Share(period.node_ids, rows, chosen(period, wide))

    @cached_property
    def places(self) -> NodeIndex:
        """Where the sensors of the share are in ``wide``."""
        row = {node: i for i, node in enumerate(self.wide.node_ids)}
        return torch.tensor([row[self.node_ids[i]] for i in self.rows.tolist()])

    def scaled(self, scales: Scales, network: Float[Tensor, " time"] | None) -> "Share":
        """The same where scales of all sensors of the period, and their mean, are known."""
        row = {node: i for i, node in enumerate(self.node_ids)}
        rows = torch.tensor([row[node] for node in self.wide.node_ids])
        return replace(self, scales=scales.subset(rows), network=network)

    @property
    def among(self) -> Among:
        """The sensors of ``wide`` that this process adds to what is said of the whole network."""
        return Among(self.places, self.summed)

    @cached_property
    def period(self) -> Period:
        """The share as a period; its readings are a view of those of ``wide`` where they can be."""
        wide, places = self.wide, self.places
        where, ahead, series = wide.coordinates, wide.covariates, _picked(wide.series, places)
        return replace(
            wide,
            series=series,
            by_node=None if wide.by_node is None else series,
            node_ids=tuple(self.node_ids[row] for row in self.rows.tolist()),
            graph=wide.graph.subgraph(places),
            coordinates=None if where is None else where[places],
            covariates=None if ahead is None else ahead.permute(places),
        )

    def ids_of(self, change: NodeChange) -> NodeChange:
        """The part of a change of the whole network that is about the sensors of the share."""
        own = set(self.period.node_ids)
        kept, new, returned = (
            tuple(node for node in ids if node in own)
            for ids in (change.kept, change.new, change.returned)
        )
        return NodeChange(kept, new, returned, change.gone)

    def narrowed(self, tensors: PeriodTensors) -> PeriodTensors:
        """What is ready of the share, of tensors that were made ready for ``wide``."""
        readings, near, places = tensors.readings, tensors.neighbour_x, self.places
        readings = replace(
            readings,
            raw=_some(readings.raw, places),
            scaling=readings.scaling.subset(places),
            filled=_some(readings.filled, places),
        )
        return replace(
            tensors,
            readings=readings,
            graph=self.period.graph,
            scaler=tensors.scaler.subset(places),
            neighbour_x=_some(near, places),
            ahead=tensors.ahead.subset(places),
        )


def _some(held: Any, places: NodeIndex) -> Any:
    """Some columns of a series that is held in memory or mapped, if it is held at all."""
    if isinstance(held, MappedSeries):
        return held.subset(places)
    return _picked(held, places) if isinstance(held, Tensor) else held


def _picked(series: NodeSeries, places: NodeIndex) -> Float[Tensor, "time chosen"]:
    """Some columns: a view where they lie side by side, else laid out as the whole."""
    first, last = int(places[0]), int(places[-1])
    if last - first + 1 == len(places):
        return series[:, first : last + 1]
    return series.T[places].T


def _columns(period: Period, rows: NodeIndex) -> Float[Tensor, "time chosen"]:
    """Readings of some sensors: of a mapped period in a working file, laid out by node."""
    if not period.mapped or period.by_node is None:
        return period.series[:, rows]
    read = working_series(period.num_steps, len(rows))
    drop_pages(period.series)  # which were looked at when it was opened
    for some in torch.arange(len(rows)).split(ROWS_AT_ONCE):
        read.T[some[0] : some[-1] + 1] = period.by_node.T[rows[some]]
        drop_pages(period.by_node, read)
    return read
