"""The sensor graph of one period, in torch-geometric's conventions.

torch-geometric is imported where it is first used: it is 160 MiB that most processes do not need.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from eac.errors import StreamError
from eac.typing import EdgeIndex, EdgeWeight, NodeIndex


@dataclass(frozen=True, eq=False)
class Graph:
    """A weighted directed graph.

    An edge runs from ``edge_index[0]`` (source) to ``edge_index[1]`` (target): the target listens
    to the source. In a dense matrix this is ``A[target, source] = weight``.

    Attributes:
        num_nodes: Number of nodes, isolated ones included.
        edge_index: Source row and target row of each edge, int64.
        edge_weight: Non-negative weight of each edge, float32.

    Example:
        >>> graph = Graph.from_dense(torch.tensor([[0.0, 2.0], [0.0, 0.0]]))
        >>> graph.edge_index.tolist()  # node 0 listens to node 1
        [[1], [0]]
    """

    num_nodes: int
    edge_index: EdgeIndex
    edge_weight: EdgeWeight

    @staticmethod
    def from_dense(matrix: Float[Tensor, "node node"]) -> "Graph":
        """Reads ``matrix[i, j]`` as the weight with which node i listens to node j."""
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise StreamError(
                f"an adjacency matrix must be square, got shape {tuple(matrix.shape)}. "
                "Give one row and one column per node."
            )
        target, source = matrix.nonzero(as_tuple=True)
        weight = matrix[target, source].to(torch.float32)
        return Graph(matrix.shape[0], torch.stack([source, target]), weight)

    @staticmethod
    def empty(num_nodes: int) -> "Graph":
        """A graph of isolated nodes."""
        return Graph(num_nodes, torch.empty(2, 0, dtype=torch.long), torch.empty(0))

    @property
    def num_edges(self) -> int:
        """Number of directed edges."""
        return self.edge_index.shape[1]

    def to_dense(self) -> Float[Tensor, "node node"]:
        """The matrix ``A`` with ``A[target, source] = weight``, for tests and small graphs."""
        from torch_geometric.utils import to_dense_adj

        flipped = self.edge_index.flip(0)
        return to_dense_adj(flipped, edge_attr=self.edge_weight, max_num_nodes=self.num_nodes)[0]

    def isolated(self) -> Bool[Tensor, " node"]:
        """True for nodes that no edge touches, self loops aside."""
        between = self.edge_index[:, self.edge_index[0] != self.edge_index[1]]
        touched = torch.zeros(self.num_nodes, dtype=torch.bool, device=between.device)
        touched[between.flatten()] = True
        return ~touched

    def subgraph(self, nodes: NodeIndex) -> "Graph":
        """The graph among ``nodes``, relabelled to their positions in ``nodes`` (any order)."""
        position = torch.full((self.num_nodes,), -1, dtype=torch.long, device=nodes.device)
        position[nodes] = torch.arange(len(nodes), device=nodes.device)
        index = position[self.edge_index]
        inside = (index >= 0).all(0)
        return Graph(len(nodes), index[:, inside], self.edge_weight[inside])

    def k_hop_subgraph(self, nodes: NodeIndex, num_hops: int) -> Int[Tensor, " reached"]:
        """Ascending rows of ``nodes`` and of all they listen to within ``num_hops`` steps."""
        from torch_geometric.utils import k_hop_subgraph

        subset, *_ = k_hop_subgraph(nodes, num_hops, self.edge_index, num_nodes=self.num_nodes)
        return subset

    def permute(self, order: Int[Tensor, " node"]) -> "Graph":
        """The same graph with its nodes listed in another order: row i is old row ``order[i]``."""
        return self.subgraph(order)

    def to(self, device: torch.device | str) -> "Graph":
        """The graph on another device; itself when it is already there."""
        if self.edge_index.device == torch.device(device):
            return self
        return Graph(self.num_nodes, self.edge_index.to(device), self.edge_weight.to(device))

    @cached_property
    def reverse(self) -> "Graph":
        """The graph with every edge turned round."""
        return Graph(self.num_nodes, self.edge_index.flip(0), self.edge_weight)

    @cached_property
    def mean_weight(self) -> EdgeWeight:
        """Edge weights divided by (sum of the target's weights + 1e-6), as published."""
        total = self.edge_weight.new_zeros(self.num_nodes)
        total = total.index_add(0, self.edge_index[1], self.edge_weight)
        return self.edge_weight / (total[self.edge_index[1]] + 1e-6)

    @cached_property
    def mean_matrix(self) -> Tensor:
        """The row-normalised adjacency as a sparse CSR matrix ``[target source]``."""
        return _csr(self.edge_index.flip(0), self.mean_weight, self.num_nodes)

    @cached_property
    def mean_matrix_transposed(self) -> Tensor:
        """Transpose of ``mean_matrix``, kept for the backward pass."""
        return _csr(self.edge_index, self.mean_weight, self.num_nodes)

    def total_heard(self, dtype: torch.dtype) -> Float[Tensor, " node"]:
        """What each node hears when every node says 1: 1, or 0 where it listens to nothing."""
        if dtype not in self._totals:
            matrix = self.mean_matrix
            with torch.inference_mode(False):  # a later training uses it too
                target = torch.arange(self.num_nodes, device=matrix.device)
                target = target.repeat_interleave(matrix.crow_indices().diff())
                total = torch.zeros(self.num_nodes, dtype=dtype, device=matrix.device)
                self._totals[dtype] = total.index_add_(0, target, matrix.values().to(dtype))
        return self._totals[dtype]

    @cached_property
    def _totals(self) -> dict[torch.dtype, Tensor]:
        return {}


def _csr(index: EdgeIndex, weight: EdgeWeight, num_nodes: int) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        size = (num_nodes, num_nodes)
        matrix = torch.sparse_coo_tensor(index, weight, size, check_invariants=False)
        return matrix.coalesce().to_sparse_csr()


def edges_by_id(
    node_ids: Iterable[str], source: Iterable[str], target: Iterable[str], weight: Iterable[float]
) -> Graph:
    """Builds a graph from edges that name their nodes; unknown names raise ``StreamError``.

    Example:
        >>> edges_by_id(["a", "b"], source=["a"], target=["b"], weight=[0.5]).edge_index.tolist()
        [[0], [1]]
    """
    import pyarrow as pa  # and with it memory that most processes do not need
    from pyarrow import compute

    def rows(end: Any) -> Int[ndarray, " edge"]:
        found = compute.index_in(end, names)  # pyright: ignore[reportAttributeAccessIssue]
        return found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)

    names = pa.array(node_ids, pa.string())
    ends = [pa.array(end, pa.string(), from_pandas=True) for end in (source, target)]
    pairs = np.stack([rows(end) for end in ends])
    unknown = np.flatnonzero((pairs < 0).any(axis=0))
    if len(unknown):
        first = unknown[0]
        name = ends[int(pairs[0, first] >= 0)][first].as_py()
        raise StreamError(
            f"edge in row {first} names node {name!r}, which is not in the list of "
            "nodes. Add the node or remove the edge."
        )
    with np.errstate(over="ignore"):  # what is too large for float32 is refused as infinite
        weights = torch.from_numpy(np.array(weight, np.float32))
    return Graph(len(names), torch.from_numpy(pairs), weights)
