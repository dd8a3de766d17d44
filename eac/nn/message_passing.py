"""Sparse message passing: the row-normalised graph applied to node features."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from eac.cpu import Linear
from eac.data.core.graph import Graph
from eac.typing import NodeSeries


def propagate(
    x: Float[Tensor, "batch node hidden"], graph: Graph
) -> Float[Tensor, "batch node hidden"]:
    """The weighted mean over what each node listens to; zero where it listens to nothing.

    Cost grows with the edges. The result is laid out node first in memory, so that a chain of
    propagations copies nothing.

    Example:
        >>> graph = Graph.from_dense(torch.tensor([[0.0, 2.0], [0.0, 0.0]]))
        >>> propagate(torch.tensor([[[1.0], [3.0]]]), graph).round(decimals=4).tolist()
        [[[3.0], [0.0]]]
    """
    batch, node, hidden = x.shape
    columns = x.transpose(0, 1).reshape(node, batch * hidden)
    return propagate_nodes(columns, graph).view(node, batch, hidden).transpose(0, 1)


def propagate_nodes(x: Float[Tensor, "node hidden"], graph: Graph) -> Float[Tensor, "node hidden"]:
    """``propagate`` for one vector per node.

    Example:
        >>> graph = Graph.from_dense(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
        >>> propagate_nodes(torch.tensor([[1.0], [3.0]]), graph).round(decimals=4).tolist()
        [[3.0], [0.0]]
    """
    if torch.compiler.is_compiling():
        return _edge_by_edge(x, graph)
    return _MeanPropagation.apply(x, graph)


def _edge_by_edge(x: Float[Tensor, "node hidden"], graph: Graph) -> Float[Tensor, "node hidden"]:
    """The same for a program that is traced: any number of nodes and edges, no sparse kernels."""
    source, target = graph.edge_index[0], graph.edge_index[1]
    heard = x[source] * graph.mean_weight[:, None]
    return torch.zeros_like(x).index_add(0, target, heard)


def propagate_series(series: NodeSeries, graph: Graph) -> NodeSeries:
    """``propagate`` for each step of a series, 0 where missing; what ``Needs.neighbours`` takes.

    Example:
        >>> graph = Graph(2, torch.tensor([[0], [1]]), torch.tensor([1.0]))
        >>> propagate_series(torch.tensor([[1.0, 2.0], [torch.nan, 3.0]]), graph)
        tensor([[0.0000, 1.0000],
                [0.0000,    nan]])
    """
    return propagate_nodes(series.T, graph).T.contiguous()


def sparse_product(matrix: Tensor, x: Float[Tensor, "node hidden"]) -> Float[Tensor, "node hidden"]:
    """A sparse CSR matrix times node features, outside of autograd.

    Precisions that sparse kernels lack are multiplied in float32. On the CPU a weighted sum of
    rows (``embedding_bag``) does the same with less memory traffic than the general kernel.

    Example:
        >>> matrix = torch.tensor([[0.0, 2.0], [1.0, 0.0]]).to_sparse_csr()
        >>> sparse_product(matrix, torch.tensor([[1.0], [3.0]])).tolist()
        [[6.0], [1.0]]
    """
    dtype = x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32
    with torch.autocast(x.device.type, enabled=False):
        rows, weight = x.to(dtype).contiguous(), matrix.values().to(dtype)
        if x.device.type != "cpu":
            return (matrix.to(dtype) @ rows).to(x.dtype)
        total = nn.functional.embedding_bag(
            matrix.col_indices(),
            rows,
            matrix.crow_indices(),
            mode="sum",
            per_sample_weights=weight,
            include_last_offset=True,
        )
        return total.to(x.dtype)


class GraphLayer(nn.Module, ABC):
    """A linear layer on a graph, built from the widths of what goes in and what comes out.

    Attributes:
        hops: Edges over which it hears.

    Example:
        >>> class Own(GraphLayer):
        ...     hops = 0
        ...     def forward(self, x, graph):
        ...         return x
        >>> Own()(torch.ones(1, 2, 3), Graph.empty(2)).shape
        torch.Size([1, 2, 3])
    """

    hops: int

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "batch node width"], graph: Graph
    ) -> Float[Tensor, "batch node out"]:
        """Features of every node, from its own and those of the nodes around it."""


class GraphLinear(GraphLayer):
    """``W_n (A x) + b + W_s x``: a node's neighbours and the node itself, each through a matrix.

    The graph is applied on the narrower side of ``W_n``.

    Args:
        width: Features in.
        out: Features out.

    Example:
        >>> GraphLinear(width=12, out=64)(torch.rand(2, 5, 12), Graph.empty(5)).shape
        torch.Size([2, 5, 64])
    """

    hops = 1

    def __init__(self, width: int, out: int):
        super().__init__()
        self.weight_neigh = Linear(width, out)
        self.weight_self = Linear(width, out, bias=False)

    def forward(
        self, x: Float[Tensor, "batch node width"], graph: Graph
    ) -> Float[Tensor, "batch node out"]:
        """Both shares added."""
        neigh = self.weight_neigh
        if neigh.in_features <= neigh.out_features:
            return neigh(propagate(x, graph)) + self.weight_self(x)
        narrow = nn.functional.linear(x, neigh.weight)
        return propagate(narrow, graph) + self.weight_self(x) + neigh.bias


class _MeanPropagation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, graph: Graph) -> Tensor:
        ctx.graph = graph
        return sparse_product(graph.mean_matrix, x)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] once_differentiable hides ctx
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor, None]:
        return sparse_product(ctx.graph.mean_matrix_transposed, grad_outputs[0]), None
