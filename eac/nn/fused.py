"""The two graph layers of the published backbone as one step, exact and without detours.

Written out, the block is ``out = A W_n h + W_s h + d`` with ``h = relu(V_n A x + V_s x + c)``.
Three things make it cheap: ``A x`` may come ready made, ``A`` meets only the narrow ``W_n h``, and
whatever is the same for every window of a node (prompt, biases) sits in ``c`` and ``d``, one
column per node. Features are kept channel first, nodes last, as windows leave the series.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from eac.data.graph import Graph
from eac.nn.message_passing import sparse_product

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class Block:
    """The weights of two graph layers, each share on its own.

    Attributes:
        neigh_in: ``V_n``, applied to the neighbours' readings.
        self_in: ``V_s``, applied to the node's own readings.
        bias_in: ``c``, one column per node.
        out: ``W_n`` above ``W_s``.
        bias_out: ``d``, one column per node.
    """

    neigh_in: Float[Tensor, "hidden window"]
    self_in: Float[Tensor, "hidden window"]
    bias_in: Float[Tensor, "hidden node"]
    out: Float[Tensor, "two_width hidden"]
    bias_out: Float[Tensor, "width node"]


def two_graph_layers(
    x: Float[Tensor, "batch window node"],
    neighbour_x: Float[Tensor, "batch window node"],
    block: Block,
    graph: Graph,
) -> Float[Tensor, "batch width node"]:
    """Both layers for a batch of windows; the hidden layer is never kept.

    The backward pass computes the hidden layer again, a part of the batch at a time, and only the
    gradients that are asked for: with frozen weights, that of the two biases.
    """
    weights = (block.neigh_in, block.self_in, block.bias_in, block.out, block.bias_out)
    return _TwoGraphLayers.apply(graph, x.contiguous(), neighbour_x.contiguous(), *weights)


def channel_product(
    weight: Float[Tensor, "out channel"], x: Float[Tensor, "batch channel node"]
) -> Float[Tensor, "batch out node"]:
    """A matrix applied to the channels, without moving them to the end."""
    return torch.bmm(weight.expand(len(x), -1, -1), x)


def band_matrix(kernel: Float[Tensor, " tap"], size: int) -> Float[Tensor, "size size"]:
    """The matrix of a one-channel convolution with zero padding, as torch correlates.

    Example:
        >>> band_matrix(torch.tensor([1.0, 2.0, 3.0]), 3).tolist()
        [[2.0, 3.0, 0.0], [1.0, 2.0, 3.0], [0.0, 1.0, 2.0]]
    """
    step = torch.arange(size, device=kernel.device)
    tap = step - step[:, None] + len(kernel) // 2
    inside = (tap >= 0) & (tap < len(kernel))
    return kernel[tap.clamp(0, len(kernel) - 1)] * inside


def mean_over_neighbours(
    x: Float[Tensor, "batch channel node"], matrix: Tensor
) -> Float[Tensor, "batch channel node"]:
    """A sparse ``[node node]`` matrix applied to the last axis, outside of autograd."""
    rows = x.reshape(-1, x.shape[-1]).T
    return sparse_product(matrix, rows).T.reshape(x.shape)


class _TwoGraphLayers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, graph: Graph, x: Tensor, neighbour_x: Tensor, *weights: Tensor) -> Tensor:
        block = Block(*weights)
        ctx.graph = graph
        ctx.save_for_backward(x, neighbour_x, *weights)
        narrow = x.new_empty(len(x), len(block.out), x.shape[-1])
        for part in _parts(x, block):
            hidden = _hidden(x[part], neighbour_x[part], block)
            torch.bmm(block.out.expand(len(hidden), -1, -1), hidden, out=narrow[part])
        width = len(block.bias_out)
        total = mean_over_neighbours(narrow[:, :width], graph.mean_matrix)
        return total.add_(narrow[:, width:]).add_(block.bias_out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, neighbour_x, *weights = ctx.saved_tensors
        block = Block(*weights)
        needs = ctx.needs_input_grad[1:]
        transposed = ctx.graph.mean_matrix_transposed
        grad_narrow = torch.cat([mean_over_neighbours(grad, transposed), grad], dim=1)
        gradients = _Gradients(x, block, needs)
        for part in _parts(x, block):
            gradients.add(part, x[part], neighbour_x[part], grad_narrow[part])
        bias_out = grad.sum(0) if needs[-1] else None
        return None, *gradients.sums, bias_out


class _Gradients:
    """Gradients of all but the last bias, summed over parts of the batch."""

    def __init__(self, x: Tensor, block: Block, needs: tuple[bool, ...]):
        self._block = block
        like = (x, x, block.neigh_in, block.self_in, block.bias_in, block.out)
        self.sums = [
            torch.zeros_like(tensor) if need else None
            for tensor, need in zip(like, needs, strict=False)
        ]

    def add(self, part: slice, x: Tensor, neighbour_x: Tensor, grad_narrow: Tensor) -> None:
        block = self._block
        grad_x, grad_neighbour_x, neigh_in, self_in, bias_in, out = self.sums
        hidden = _hidden(x, neighbour_x, block)
        if out is not None:
            out += torch.bmm(grad_narrow, hidden.mT).sum(0)
        grad = channel_product(block.out.T, grad_narrow)
        grad = torch.ops.aten.threshold_backward(grad, hidden, 0)
        if bias_in is not None:
            bias_in += grad.sum(0)
        if neigh_in is not None:
            neigh_in += torch.bmm(grad, neighbour_x.mT).sum(0)
        if self_in is not None:
            self_in += torch.bmm(grad, x.mT).sum(0)
        if grad_x is not None:
            grad_x[part] = channel_product(block.self_in.T, grad)
        if grad_neighbour_x is not None:
            grad_neighbour_x[part] = channel_product(block.neigh_in.T, grad)


def _hidden(x: Tensor, neighbour_x: Tensor, block: Block) -> Tensor:
    size = (len(x), -1, -1)
    hidden = torch.baddbmm(block.bias_in, block.neigh_in.expand(size), neighbour_x)
    return hidden.baddbmm_(block.self_in.expand(size), x).relu_()


def _parts(x: Tensor, block: Block) -> list[slice]:
    """Parts of the batch whose hidden layer stays in the cache of a core; all of it on a GPU."""
    if x.is_cuda:
        return [slice(None)]
    step = max(1, CHUNK_BYTES * torch.get_num_threads() // (block.bias_in.nbytes))
    return [slice(start, start + step) for start in range(0, len(x), step)]
