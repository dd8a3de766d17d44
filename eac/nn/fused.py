"""The two graph layers of the published backbone as one step, exact and without detours.

Written out, the block is ``W_n (h A^T) + W_s h + d`` with ``h = relu(V_n (x A^T) + V_s x + c)``,
features channel first and nodes last, as windows leave the series. Three things make it cheap:
``x A^T`` may come ready made, ``A`` meets only the narrow ``W_n h``, and whatever is the same for
every window of a node (prompt, biases) sits in ``c`` and ``d``, one column per node.
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
        neigh_out: ``W_n``, applied to the neighbours' hidden features.
        self_out: ``W_s``, applied to the node's own hidden features.
        bias_out: ``d``, one column per node.
    """

    neigh_in: Float[Tensor, "hidden window"]
    self_in: Float[Tensor, "hidden window"]
    bias_in: Float[Tensor, "hidden node"]
    neigh_out: Float[Tensor, "width hidden"]
    self_out: Float[Tensor, "width hidden"]
    bias_out: Float[Tensor, "width node"]

    def tensors(self) -> tuple[Tensor, ...]:
        """All weights, in order."""
        return tuple(vars(self).values())


def two_graph_layers(
    x: Float[Tensor, "batch window node"],
    neighbour_x: Float[Tensor, "batch window node"],
    block: Block,
    graph: Graph,
) -> Float[Tensor, "batch width node"]:
    """Both layers for a batch of windows, a cache-sized part of the batch at a time.

    The hidden layer is not kept: to compute it again is as fast as to write and read it. Only the
    gradients asked for are computed: with frozen weights, those of the two biases, whose batch is
    summed on the spot.
    """
    return _TwoGraphLayers.apply(graph, x.contiguous(), neighbour_x.contiguous(), *block.tensors())


def channel_product(
    weight: Float[Tensor, "out channel"], x: Float[Tensor, "batch channel node"]
) -> Float[Tensor, "batch out node"]:
    """A matrix applied to the channels, without moving them to the end."""
    return torch.bmm(weight.expand(len(x), -1, -1), x)


def band_matrix(kernel: Float[Tensor, " tap"], size: int) -> Float[Tensor, "{size} {size}"]:
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
    return sparse_product(matrix, rows).T.contiguous().view(x.shape)


class _TwoGraphLayers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, graph: Graph, x: Tensor, neighbour_x: Tensor, *weights: Tensor) -> Tensor:
        block = Block(*weights)
        heard = x.new_empty(len(x), *block.bias_out.shape)
        own = torch.empty_like(heard)
        for part in _parts(x, block):
            hidden = _hidden(x[part], neighbour_x[part], block)
            size = (len(hidden), -1, -1)
            torch.bmm(block.neigh_out.expand(size), hidden, out=heard[part])
            torch.baddbmm(block.bias_out, block.self_out.expand(size), hidden, out=own[part])
        ctx.graph = graph
        ctx.save_for_backward(x, neighbour_x, *weights)
        return own.add_(mean_over_neighbours(heard, graph.mean_matrix))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_own: Tensor) -> tuple[Tensor | None, ...]:
        x, neighbour_x, *weights = ctx.saved_tensors
        block = Block(*weights)
        grad_own = grad_own.contiguous()
        grad_heard = mean_over_neighbours(grad_own, ctx.graph.mean_matrix_transposed)
        sums = _Sums(x, block, ctx.needs_input_grad[1:])
        for part in _parts(x, block):
            whole = (x, neighbour_x, grad_heard, grad_own)
            sums.add(part, *(tensor[part] for tensor in whole))
        return None, *sums.gradients


class _Sums:
    """Gradients of what needs one, summed over parts of the batch."""

    def __init__(self, x: Tensor, block: Block, needs: tuple[bool, ...]):
        self._block = block
        self.gradients = [
            torch.zeros_like(tensor) if need else None
            for tensor, need in zip((x, x, *block.tensors()), needs, strict=True)
        ]

    def add(self, part: slice, x: Tensor, neighbour_x: Tensor, heard: Tensor, own: Tensor) -> None:
        """Adds the share of one part; ``heard`` and ``own`` are what arrives at both outputs."""
        block = self._block
        grad_x, grad_neighbour_x, *_, bias_out = self.gradients
        _, _, neigh_in, self_in, bias_in, neigh_out, self_out, _ = self.gradients
        hidden = _hidden(x, neighbour_x, block)
        _add_outer(neigh_out, heard, hidden)
        _add_outer(self_out, own, hidden)
        _add_sum(bias_out, own)
        grad = channel_product(block.neigh_out.T, heard)
        grad.baddbmm_(block.self_out.T.expand(len(x), -1, -1), own)
        grad = torch.ops.aten.threshold_backward(grad, hidden, 0)
        _add_outer(neigh_in, grad, neighbour_x)
        _add_outer(self_in, grad, x)
        _add_sum(bias_in, grad)
        if grad_x is not None:
            grad_x[part] = channel_product(block.self_in.T, grad)
        if grad_neighbour_x is not None:
            grad_neighbour_x[part] = channel_product(block.neigh_in.T, grad)


def _add_outer(total: Tensor | None, left: Tensor, right: Tensor) -> None:
    if total is not None:
        total += torch.bmm(left, right.mT).sum(0)


def _add_sum(total: Tensor | None, grad: Tensor) -> None:
    if total is not None:
        total += grad.sum(0)


def _hidden(x: Tensor, neighbour_x: Tensor, block: Block) -> Tensor:
    size = (len(x), -1, -1)
    hidden = torch.baddbmm(block.bias_in, block.neigh_in.expand(size), neighbour_x)
    return hidden.baddbmm_(block.self_in.expand(size), x).relu_()


def _parts(x: Tensor, block: Block) -> list[slice]:
    """Parts of the batch whose hidden layer stays in the cache of a core; all of it on a GPU."""
    if x.is_cuda:
        return [slice(None)]
    step = max(1, CHUNK_BYTES * torch.get_num_threads() // block.bias_in.nbytes)
    return [slice(start, start + step) for start in range(0, len(x), step)]
