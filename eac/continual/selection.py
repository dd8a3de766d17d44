"""Which nodes to learn on: rows of the current period."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eac.data.core.graph import Graph
from eac.data.core.period import NodeChange, Period
from eac.typing import NodeIndex


def rows_of(node_ids: Sequence[str], chosen: Iterable[str]) -> NodeIndex:
    """Ascending rows of the ``chosen`` ids; ids that are not listed are left out.

    Example:
        >>> rows_of(["a", "b", "c"], {"c", "a", "x"})
        tensor([0, 2])
    """
    wanted = set(chosen)
    rows = [row for row, node in enumerate(node_ids) if node in wanted]
    return torch.tensor(rows, dtype=torch.long)


def joined_rows(period: Period, change: NodeChange) -> NodeIndex:
    """Rows of the nodes that the period before did not have: new ones and returned ones.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> period = SyntheticStream(num_nodes=4, num_periods=1, steps_per_period=96)[0]
        >>> known = set(period.node_ids[:3])
        >>> joined_rows(period, NodeChange.between(period.node_ids, period.node_ids[:3], known))
        tensor([3])
    """
    return rows_of(period.node_ids, (*change.new, *change.returned))


def shared_rows(
    before: Sequence[str], now: Sequence[str]
) -> tuple[Int[Tensor, " shared"], Int[Tensor, " shared"]]:
    """Rows, before and now, of the nodes that both have, in their order now.

    Example:
        >>> shared_rows(["a", "b", "c"], ["c", "x", "a"])
        (tensor([2, 0]), tensor([0, 2]))
    """
    row = {node: i for i, node in enumerate(before)}
    pairs = [(row[node], i) for i, node in enumerate(now) if node in row]
    index = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)
    return index[:, 0], index[:, 1]


def highest(scores: Float[Tensor, " node"], share: float) -> NodeIndex:
    """Rows of the highest scores, highest first; of equal ones those listed first.

    ``share`` counts all nodes and is rounded down, but at least one node is chosen where any has a
    score. NaN is no score.

    Example:
        >>> highest(torch.tensor([1.0, 3.0, torch.nan, 2.0]), 0.5).tolist()
        [1, 3]
    """
    known = (~scores.isnan()).nonzero()[:, 0]
    order = scores[known].argsort(descending=True, stable=True)
    return known[order[: _count(share, len(scores))]]


def lowest(scores: Float[Tensor, " node"], share: float) -> NodeIndex:
    """Rows of the lowest scores, lowest first; otherwise as ``highest``.

    Example:
        >>> lowest(torch.tensor([3.0, 1.0, torch.nan, 2.0]), share=0.5)
        tensor([1, 3])
    """
    return highest(-scores, share)


def without(scores: Float[Tensor, " node"], rows: NodeIndex) -> Float[Tensor, " node"]:
    """The same scores with those of ``rows`` taken away.

    Example:
        >>> without(torch.tensor([1.0, 2.0]), torch.tensor([0]))
        tensor([nan, 2.])
    """
    left = scores.clone()
    left[rows] = torch.nan
    return left


def random_scores(scores: Float[Tensor, " node"], seed: int) -> Float[Tensor, " node"]:
    """Random scores where there were scores; a choice by them is a draw without repetition.

    Example:
        >>> random_scores(torch.tensor([1.0, torch.nan]), seed=3).isnan()
        tensor([False,  True])
    """
    generator = torch.Generator().manual_seed(seed % 2**63)
    drawn = torch.rand(len(scores), generator=generator)
    return drawn.to(scores.dtype).masked_fill(scores.isnan(), torch.nan)


def neighbours(graph: Graph, rows: NodeIndex) -> NodeIndex:
    """Ascending rows of the nodes that listen to ``rows`` or that they listen to.

    Example:
        >>> graph = Graph(3, torch.tensor([[0, 1], [1, 2]]), torch.ones(2))
        >>> neighbours(graph, torch.tensor([0]))
        tensor([1])
    """
    chosen = torch.zeros(graph.num_nodes, dtype=torch.bool)
    chosen[rows] = True
    source, target = graph.edge_index.cpu()
    near = torch.cat([source[chosen[target]], target[chosen[source]]]).unique()
    return near[~chosen[near]]


def neighbours_of_gone(before: Period, now: Period, gone: Sequence[str]) -> NodeIndex:
    """Rows now of the nodes that lost a neighbour, by the edges of the period before.

    Example:
        >>> from eac.data.core.calendar import Calendar
        >>> edges = Graph(3, torch.tensor([[0, 1], [1, 0]]), torch.ones(2))
        >>> before = Period("0", torch.ones(2, 3), ("a", "b", "c"), edges, Calendar(24))
        >>> now = Period("1", torch.ones(2, 2), ("b", "c"), Graph.empty(2), Calendar(24))
        >>> neighbours_of_gone(before, now, ["a"])
        tensor([0])
    """
    lost = neighbours(before.graph, rows_of(before.node_ids, gone))
    return rows_of(now.node_ids, (before.node_ids[row] for row in lost.tolist()))


def union(*rows: NodeIndex) -> NodeIndex:
    """All of the rows, ascending, each once.

    Example:
        >>> union(torch.tensor([3, 1]), torch.tensor([1]))
        tensor([1, 3])
    """
    return torch.cat(rows).unique()


def _count(share: float, num_nodes: int) -> int:
    return max(1, int(share * num_nodes)) if share > 0 else 0
