"""Sensors that are never read in a period: whether they belong to it teaches nothing."""

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from eac.artifacts.artifact import GRAPH_FILE, read_artifact
from eac.artifacts.saved_data import load_graph
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.rundir.checksums import readings_kept


def as_trained(directory: Path, period: Period) -> Period:
    """The period with the sensors that it had in the run, where others were never read in it.

    Args:
        directory: Of the period in the run.
        period: As it is now; it stays so where a sensor with readings came or went.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.data.core.calendar import Calendar
        >>> from eac.rundir.checksums import write_checksums
        >>> series = torch.tensor([[1.0, torch.nan]])
        >>> trained = Period("0", series, ("a", "b"), Graph.empty(2), Calendar(24))
        >>> now = Period("0", series[:, :1], ("a",), Graph.empty(1), Calendar(24))
        >>> with TemporaryDirectory() as folder:
        ...     write_checksums(Path(folder), trained)
        ...     print(as_trained(Path(folder), now).node_ids)
        ('a', 'b')
    """
    kept = readings_kept(directory)
    read = dict(zip(period.node_ids, (~period.series.isnan()).any(0).tolist(), strict=True))
    came = [node for node in read if node not in kept]
    gone = [node for node in kept if node not in read]
    by_node = period.covariates is not None and period.covariates.values.shape[1] > 1
    if not kept or not (came or gone) or by_node:
        return period
    if any(read[node] for node in came) or any(kept[node] for node in gone):
        return period
    ids = (*period.node_ids, *gone)
    place = {node: row for row, node in enumerate(ids)}
    order = torch.tensor([place[node] for node in kept])
    never = torch.full((period.num_steps, len(gone)), torch.nan)
    series = torch.cat([period.series, never], 1)
    graph = _with_edges_of(directory, period.graph, order)
    both = replace(period, series=series, node_ids=ids, graph=graph, coordinates=None, mapped=False)
    return both.permute(order)


def _with_edges_of(directory: Path, graph: Graph, order: Int[Tensor, " node"]) -> Graph:
    """The graph, and the edges that the run has of sensors which are not in it."""
    size = max(graph.num_nodes, int(order.max()) + 1)
    if not (directory / GRAPH_FILE).is_file():
        return Graph(size, graph.edge_index, graph.edge_weight)
    kept = load_graph(read_artifact(directory))
    before = order[kept.edge_index]
    more = (before >= graph.num_nodes).any(0)
    index = torch.cat([graph.edge_index, before[:, more]], 1)
    return Graph(size, index, torch.cat([graph.edge_weight, kept.edge_weight[more]]))
