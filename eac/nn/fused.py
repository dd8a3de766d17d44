"""The two graph layers of the published backbone as one step, exact and without detours.

Written out, the block is ``W_n (h A^T) + W_s h + d`` with
``h = relu(V_n (x A^T + p A^T) + V_s (x + p) + b)``, features channel first and nodes last, as
windows leave the series. Three things make it cheap: ``x A^T`` may come ready made, ``A`` meets
only the narrow ``W_n h``, and whatever is the same for every window of a node (the prompt ``p``,
the constants ``d``) is one column per node.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from eac.data.core.graph import Graph
from eac.nn.message_passing import sparse_product

CHUNK_BYTES = 1 << 20
"""Of the hidden layer, on each core."""
SPREAD_BYTES, SPREAD_ROWS = 1 << 19, 96
"""Size of what is spread over the graph or read out at a time, and the least rows of it."""


@dataclass(frozen=True, eq=False)
class Block:
    """The weights of two graph layers.

    Attributes:
        inward: ``V_n``, ``V_s`` and ``b`` side by side.
        shift: ``p A^T`` above ``p``.
        outward: ``W_n`` above ``W_s``.
        constant: ``d``.

    Example:
        >>> import torch
        >>> block = Block(*(torch.zeros(2, 2) for _ in range(4)))
        >>> len(block.tensors())
        4
    """

    inward: Float[Tensor, "hidden inputs"]
    shift: Float[Tensor, "two_windows node"]
    outward: Float[Tensor, "two_widths hidden"]
    constant: Float[Tensor, "width node"]

    def tensors(self) -> tuple[Tensor, ...]:
        """All weights, in order."""
        return self.inward, self.shift, self.outward, self.constant


def two_graph_layers(
    x: Float[Tensor, "batch window node"],
    neighbour_x: Float[Tensor, "batch window node"],
    block: Block,
    graph: Graph,
) -> Float[Tensor, "batch width node"]:
    """Both layers for a batch of windows, a cache-sized part of windows and nodes at a time.

    The hidden layer is not kept: to compute it again is as fast as to write and read it. Only the
    gradients asked for are computed: with frozen weights, those of the columns per node, whose
    batch is summed on the spot.

    Example:
        >>> import torch
        >>> hidden, window, width, nodes = 8, 12, 6, 5
        >>> block = Block(
        ...     inward=torch.zeros(hidden, 2 * window + 1),
        ...     shift=torch.zeros(2 * window, nodes),
        ...     outward=torch.zeros(2 * width, hidden),
        ...     constant=torch.ones(width, nodes),
        ... )
        >>> x = torch.rand(3, window, nodes)
        >>> two_graph_layers(x, x, block, Graph.empty(nodes)).shape
        torch.Size([3, 6, 5])
    """
    return _TwoGraphLayers.apply(graph, x.contiguous(), neighbour_x.contiguous(), *block.tensors())


def gelu_readout(
    features: Float[Tensor, "batch width node"],
    x: Float[Tensor, "batch width node"],
    readout: nn.Linear,
) -> Float[Tensor, "batch horizon node"]:
    """``readout(gelu(features + x))``, a few windows at a time; what is cheap is computed again.

    Example:
        >>> import torch
        >>> x = torch.rand(3, 6, 5)
        >>> gelu_readout(torch.zeros_like(x), x, nn.Linear(6, 12)).shape
        torch.Size([3, 12, 5])
    """
    return _GeluReadout.apply(features, x, readout.weight, readout.bias)


def channel_product(
    weight: Float[Tensor, "out channel"], x: Float[Tensor, "batch channel node"]
) -> Float[Tensor, "batch out node"]:
    """A matrix applied to the channels, without moving them to the end.

    Example:
        >>> import torch
        >>> channel_product(torch.tensor([[1.0, 1.0]]), torch.ones(1, 2, 3)).tolist()
        [[[2.0, 2.0, 2.0]]]
    """
    return torch.bmm(weight.expand(len(x), -1, -1), x)


def band_matrix(kernel: Float[Tensor, " tap"], size: int) -> Float[Tensor, "{size} {size}"]:
    """The matrix of a one-channel convolution with zero padding, as torch correlates.

    Example:
        >>> band_matrix(torch.tensor([1.0, 2.0, 3.0]), 3).tolist()
        [[2.0, 3.0, 0.0], [1.0, 2.0, 3.0], [0.0, 1.0, 2.0]]
    """
    tap, inside = _taps(len(kernel), size, kernel.device)
    return kernel[tap] * inside


@lru_cache(maxsize=8)
def _taps(count: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which tap stands where in a band matrix, and where there is one at all."""
    with torch.inference_mode(False):  # a later training uses them too
        step = torch.arange(size, device=device)
        tap = step - step[:, None] + count // 2
        return tap.clamp(0, count - 1), (tap >= 0) & (tap < count)


def mean_over_neighbours(
    x: Float[Tensor, "batch channel node"], matrix: Tensor, out: Float[Tensor, "batch channel node"]
) -> Float[Tensor, "batch channel node"]:
    """A sparse ``[node node]`` matrix applied to the last axis, outside of autograd.

    ``out``, which takes the result, may be ``x`` itself.

    Example:
        >>> import torch
        >>> matrix = torch.tensor([[0.0, 1.0], [0.0, 0.0]]).to_sparse_csr()
        >>> x = torch.tensor([[[1.0, 3.0]]])  # node 0 listens to node 1
        >>> mean_over_neighbours(x, matrix, out=torch.empty_like(x))
        tensor([[[3., 0.]]])
    """
    size = x.shape[0] * x.shape[1] if x.is_cuda else max(SPREAD_ROWS, _fitting(x[0, 0]))
    pairs = zip(x.flatten(0, 1).split(size), out.flatten(0, 1).split(size), strict=True)
    for rows, spread in pairs:
        spread.copy_(sparse_product(matrix, rows.T).T)
    return out


class _TwoGraphLayers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, graph: Graph, x: Tensor, neighbour_x: Tensor, *weights: Tensor) -> Tensor:
        block = Block(*weights)
        ctx.graph = graph
        ctx.save_for_backward(x, neighbour_x, *weights)
        heard = x.new_empty(len(x), *block.constant.shape)
        own = torch.empty_like(heard)
        to_heard, to_own = block.outward.chunk(2)
        for windows, nodes in _parts(x, block):
            part = windows, slice(None), nodes
            hidden = _hidden(_together(x[part], neighbour_x[part], block.shift[:, nodes]), block)
            size = (len(hidden), -1, -1)
            torch.bmm(to_heard.expand(size), hidden, out=heard[part])
            constant = block.constant[:, nodes].expand(size)
            torch.baddbmm(constant, to_own.expand(size), hidden, out=own[part])
        return own.add_(mean_over_neighbours(heard, graph.mean_matrix, out=heard))

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] once_differentiable hides ctx
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, neighbour_x, *weights = ctx.saved_tensors
        block = Block(*weights)
        grad_own = grad_outputs[0].contiguous()
        grad_heard = mean_over_neighbours(
            grad_own, ctx.graph.mean_matrix_transposed, out=torch.empty_like(grad_own)
        )
        gradients = _Gradients(x, block, ctx.needs_input_grad[1:])
        for windows, nodes in _parts(x, block):
            part = windows, slice(None), nodes
            together = _together(x[part], neighbour_x[part], block.shift[:, nodes])
            above = torch.cat([grad_heard[part], grad_own[part]], dim=1)
            gradients.add(windows, nodes, together, above)
        return None, *gradients.finish(grad_own)


class _GeluReadout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(features, x, weight)
        y_hat = x.new_empty(len(x), len(weight), x.shape[-1])
        for windows in _pieces(len(x), _windows(x)):
            active = nn.functional.gelu(features[windows] + x[windows])
            size = (len(active), -1, -1)
            torch.baddbmm(bias[:, None], weight.expand(size), active, out=y_hat[windows])
        return y_hat

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] once_differentiable hides ctx
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        features, x, weight = ctx.saved_tensors
        (grad,), needs = grad_outputs, ctx.needs_input_grad
        before = torch.empty_like(x)
        products = weight.new_empty(len(x), *weight.shape) if needs[2] else None
        for windows in _pieces(len(x), _windows(x)):
            total = features[windows] + x[windows]
            if products is not None:
                torch.bmm(grad[windows], nn.functional.gelu(total).mT, out=products[windows])
            after = channel_product(weight.T, grad[windows])
            torch.ops.aten.gelu_backward(after, total, grad_input=before[windows])
        to_weight = None if products is None else products.sum(0)
        to_bias = grad.sum((0, 2)) if needs[3] else None
        return before if needs[0] else None, before if needs[1] else None, to_weight, to_bias


class _Gradients:
    """Gradients of what needs one, summed over parts of windows and nodes."""

    def __init__(self, x: Tensor, block: Block, needs: tuple[bool, ...]):
        self._block, self._needs = block, needs
        self._readings = x.new_empty(len(x), *block.shift.shape) if any(needs[:2]) else None
        self._inward = torch.zeros_like(block.inward) if needs[2] else None
        self._columns = x.new_zeros(len(block.inward), x.shape[-1]) if needs[3] else None
        self._outward = torch.zeros_like(block.outward) if needs[4] else None

    def add(self, windows: slice, nodes: slice, together: Tensor, above: Tensor) -> None:
        """Adds the share of one part; ``above`` is what arrives at both outputs."""
        block = self._block
        hidden = _hidden(together, block)
        if self._outward is not None:
            self._outward += torch.bmm(above, hidden.mT).sum(0)
        grad = channel_product(block.outward.T, above)
        torch.ops.aten.threshold_backward(grad, hidden, 0, grad_input=grad)
        if self._inward is not None:
            self._inward += torch.bmm(grad, together.mT).sum(0)
        if self._columns is not None:
            self._columns[:, nodes] += grad.sum(0)
        if self._readings is not None:
            self._readings[windows, :, nodes] = channel_product(block.inward[:, :-1].T, grad)

    def finish(self, grad_own: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients in the order of the inputs; the prompt's share is taken once per node."""
        x = neighbour_x = shift = None
        if self._readings is not None:
            neighbour_x, x = self._readings.chunk(2, dim=1)
        if self._columns is not None:
            shift = self._block.inward[:, :-1].T @ self._columns
        constant = grad_own.sum(0) if self._needs[5] else None
        return x, neighbour_x, self._inward, shift, self._outward, constant


def _together(x: Tensor, neighbour_x: Tensor, shift: Tensor) -> Tensor:
    """Neighbours' and own readings, prompted, and a row of ones for the bias."""
    window = x.shape[1]
    rows = x.new_empty(len(x), 2 * window + 1, x.shape[2])
    torch.add(neighbour_x, shift[:window], out=rows[:, :window])
    torch.add(x, shift[window:], out=rows[:, window:-1])
    rows[:, -1] = 1
    return rows


def _hidden(together: Tensor, block: Block) -> Tensor:
    return channel_product(block.inward, together).relu_()


def _parts(x: Tensor, block: Block) -> list[tuple[slice, slice]]:
    """Windows and nodes whose hidden layer stays in the cache of a core; all of it on a GPU."""
    if x.is_cuda:
        return [(slice(None), slice(None))]
    budget = CHUNK_BYTES * torch.get_num_threads() // (len(block.inward) * x.element_size())
    nodes = _pieces(x.shape[-1], max(budget, 1))
    windows = _pieces(len(x), max(1, budget // x.shape[-1]))
    return [(some, others) for some in windows for others in nodes]


def _windows(x: Tensor) -> int:
    """Windows that are read out at a time."""
    return len(x) if x.is_cuda else max(1, _fitting(x[0]))


def _fitting(piece: Tensor) -> int:
    return SPREAD_BYTES // max(1, piece.nbytes)


def _pieces(length: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, length, size)]
