"""One slice of a stream: a series on a graph, with the ids of its nodes."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eac.data.core.calendar import Calendar
from eac.data.core.covariates import Covariates
from eac.data.core.graph import Graph
from eac.data.core.pieces import pieces
from eac.errors import StreamError
from eac.typing import NodeSeries


@dataclass(frozen=True, eq=False)
class Period:
    """A multivariate series on a graph, whose rows are known by node id.

    Attributes:
        name: Name of the period, unique in its stream.
        series: Raw readings, float32, NaN where missing.
        node_ids: One id per column of ``series``; the only identity a node has.
        graph: Edges among the nodes, in the same order.
        calendar: Clock of the first step.
        coordinates: Latitude and longitude in degrees, when known.
        covariates: What is known beforehand of each step, if anything.
        mapped: True when ``series`` is a file mapped into memory, perhaps larger than that; it is
            then read in pieces and never copied whole.
        by_node: Of a mapped series, the same readings from a second file, in which those of each
            node lie side by side; None where there is none.
        notes: What the reader did with the files that a person should know, a sentence each.

    Raises:
        StreamError: If ids repeat, shapes disagree, a reading is infinite or an edge weight is
            negative or not a number.

    Example:
        >>> from eac.data.core.calendar import Calendar
        >>> from eac.data.core.graph import Graph
        >>> ids = ("north", "south")
        >>> period = Period("march", torch.rand(48, 2), ids, Graph.empty(2), Calendar(24))
        >>> period.num_steps, period.num_nodes
        (48, 2)
    """

    name: str
    series: NodeSeries
    node_ids: tuple[str, ...]
    graph: Graph
    calendar: Calendar
    coordinates: Float[Tensor, "node 2"] | None = None
    covariates: Covariates | None = None
    mapped: bool = False
    by_node: NodeSeries | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        _check_shapes(self)
        _check_ids(self)
        _check_edges(self)
        _check_values(self)
        if self.covariates is not None:
            self.covariates.check(self.num_steps, self.node_ids, f"period {self.name!r}")

    @property
    def num_nodes(self) -> int:
        """Number of nodes in this period."""
        return len(self.node_ids)

    @property
    def num_steps(self) -> int:
        """Number of time steps."""
        return self.series.shape[0]

    @property
    def missing_share(self) -> float:
        """Share of readings that are NaN, between 0 and 1."""
        missing = sum(int(part.isnan().sum()) for _, part in pieces(self.series))
        return missing / self.series.numel()

    def permute(self, order: Int[Tensor, " node"]) -> "Period":
        """The same period with its nodes listed in another order."""
        ids = tuple(self.node_ids[i] for i in order.tolist())
        where = None if self.coordinates is None else self.coordinates[order]
        graph = self.graph.permute(order)
        series = self.series[:, order]
        ahead = None if self.covariates is None else self.covariates.permute(order)
        moved = replace(self, series=series, node_ids=ids, graph=graph, coordinates=where)
        return replace(moved, covariates=ahead, mapped=False)

    def known_ahead(self, names: Sequence[str]) -> Covariates:
        """The covariates of these names.

        Raises:
            StreamError: If the period lacks one.
        """
        given = self.covariates or Covariates.none(self.num_steps)
        return given.choose(names, f"period {self.name!r}")

    def fingerprint(self) -> str:
        """SHA-256 over everything a run can see of the period."""
        digest = hashlib.sha256()
        for text in (self.name, *self.node_ids, *self.calendar.facts()):
            digest.update(text.encode() + b"\0")
        order = torch.argsort(self.graph.edge_index[0] * self.num_nodes + self.graph.edge_index[1])
        for _, part in pieces(self.series):
            digest.update(part.contiguous().numpy().data)
        for tensor in (self.graph.edge_index[:, order], self.graph.edge_weight[order]):
            digest.update(tensor.contiguous().numpy().data)
        if self.covariates is not None:
            digest.update("\0".join(self.covariates.names).encode())
            digest.update(self.covariates.values.contiguous().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True)
class NodeChange:
    """How the nodes of a period relate to those of the periods before it.

    Attributes:
        kept: Ids also present in the period before.
        new: Ids never seen before.
        returned: Ids seen before, but not in the period just before.
        gone: Ids of the period before that are absent now.

    Example:
        >>> NodeChange.between(("b", "c"), ("a", "b"), seen={"a", "b"})
        NodeChange(kept=('b',), new=('c',), returned=(), gone=('a',))
    """

    kept: tuple[str, ...]
    new: tuple[str, ...]
    returned: tuple[str, ...]
    gone: tuple[str, ...]

    @staticmethod
    def between(
        node_ids: tuple[str, ...], previous: tuple[str, ...], seen: set[str]
    ) -> "NodeChange":
        """Sorts ``node_ids`` into groups, given the period before and every id seen so far."""
        before, now = set(previous), set(node_ids)
        return NodeChange(
            kept=tuple(n for n in node_ids if n in before),
            new=tuple(n for n in node_ids if n not in seen and n not in before),
            returned=tuple(n for n in node_ids if n in seen and n not in before),
            gone=tuple(n for n in previous if n not in now),
        )


def _check_shapes(period: Period) -> None:
    name, series = period.name, period.series
    if series.ndim != 2:
        raise StreamError(
            f"period {name!r}: the series has shape {tuple(series.shape)}. "
            "Give two axes, time and node."
        )
    if series.numel() == 0:
        raise StreamError(
            f"period {name!r} is empty: {series.shape[0]} steps of {series.shape[1]} nodes. "
            "Give at least one step and one node, or remove the period."
        )
    if len(period.node_ids) != series.shape[1] or period.graph.num_nodes != series.shape[1]:
        raise StreamError(
            f"period {name!r}: {series.shape[1]} columns in the series, {len(period.node_ids)} "
            f"node ids and {period.graph.num_nodes} nodes in the graph. Give one of each per node."
        )


def _check_ids(period: Period) -> None:
    twice = [node for node, count in Counter(period.node_ids).items() if count > 1]
    if twice:
        raise StreamError(
            f"period {period.name!r}: node id {twice[0]!r} is listed "
            f"{period.node_ids.count(twice[0])} times. Give each node once."
        )


def _check_edges(period: Period) -> None:
    graph = period.graph
    bad = ~(graph.edge_weight >= 0) | graph.edge_weight.isinf()
    if bad.any():
        first = int(bad.nonzero()[0, 0])
        source, target = (period.node_ids[i] for i in graph.edge_index[:, first].tolist())
        raise StreamError(
            f"period {period.name!r}: edge {source!r} -> {target!r} (row {first}) has weight "
            f"{graph.edge_weight[first].item()}. Give a finite weight of at least 0."
        )


def _check_values(period: Period) -> None:
    counts = [(steps, int(part.isinf().sum())) for steps, part in pieces(period.series)]
    total = sum(count for _, count in counts)
    if total:
        steps = next(steps for steps, count in counts if count)
        first = period.series[steps.start : steps.stop].isinf().nonzero()[0]
        step, node = int(first[0]) + steps.start, int(first[1])
        stamp = period.calendar.time_of(step)
        when = f"row {step}" if stamp is None else f"row {step} ({stamp})"
        raise StreamError(
            f"period {period.name!r}: {total} readings are infinite, first of node "
            f"{period.node_ids[node]!r} in {when}. Give missing readings as empty cells or NaN."
        )
