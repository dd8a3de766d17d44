"""Graph WaveNet against a dense twin, and its receptive field."""

import pytest
import torch

from eac.backbones.graph_wavenet import GraphWaveNet
from eac.data.batches.batch import Inputs
from eac.data.core.graph import Graph
from eac.data.series.clock import Clock
from eac.errors import ConfigError


def directed_graph(num_nodes=6):
    matrix = torch.rand(num_nodes, num_nodes) * (torch.rand(num_nodes, num_nodes) < 0.4)
    matrix[-1], matrix[:, -1] = 0, 0
    return Graph.from_dense(matrix)


def transitions(graph):
    """Forward and backward transition matrices, rows divided by (sum + 1e-6)."""
    matrix = graph.to_dense()
    return [m / (m.sum(1, keepdim=True) + 1e-6) for m in (matrix, matrix.T)]


def plain_forward(model, inputs, graph):
    """The paper's layers with each power of both transitions, as batch channel node time."""
    x, clock = inputs.x, inputs.clock
    day = (clock.slot[:, : x.shape[-1]] / clock.steps_per_day)[:, None].expand_as(x)
    h = torch.nn.functional.pad(torch.stack([x, day], 1), (13 - x.shape[-1], 0))
    h = torch.einsum("bcnt,dc->bdnt", h, model.start.weight[..., 0])
    h = h + model.start.bias[:, None, None]
    powers = [power for m in transitions(graph) for power in (m, m @ m)]
    features = 0
    for layer, dilation in enumerate([1, 2] * 4):
        conv = model.convolutions[layer].conv
        old, new = h[..., :-dilation], h[..., dilation:]
        both = torch.einsum("bcnt,dc->bdnt", old, conv.weight[..., 0])
        both = both + torch.einsum("bcnt,dc->bdnt", new, conv.weight[..., 1])
        both = both + conv.bias[:, None, None]
        width = both.shape[1] // 2
        gated = torch.tanh(both[:, :width]) * torch.sigmoid(both[:, width:])
        features = features + model.skips[layer](gated[..., -1].mT)
        if layer == 7:
            break
        diffusion = model.diffusions[layer]
        terms = [gated, *(torch.einsum("ij,bcjt->bcit", power, gated) for power in powers)]
        mixed = torch.einsum("bcnt,dc->bdnt", torch.cat(terms, 1), diffusion.mix.weight[..., 0])
        mixed = mixed + diffusion.mix.bias[:, None, None] + new
        h = diffusion.norm(mixed.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return model.readout(features)


def test_it_equals_a_plain_dense_forward():
    model = GraphWaveNet(7, 3, hidden=4, skip=5, readout=6).eval()
    graph, slot = directed_graph(), torch.arange(10) + torch.tensor([[2], [9]])
    clock = Clock(slot, torch.zeros_like(slot), steps_per_day=24, days_per_week=7)
    inputs = Inputs(torch.randn(2, 6, 7), clock=clock)
    expected = plain_forward(model, inputs, graph)
    torch.testing.assert_close(model(inputs, graph), expected, rtol=1e-4, atol=1e-5)


def test_the_reverse_of_a_graph_is_its_transpose():
    graph = directed_graph()
    assert torch.equal(graph.reverse.to_dense(), graph.to_dense().T)


def test_it_sees_the_oldest_step_of_a_window_of_thirteen():
    model, graph = GraphWaveNet(13, 3, hidden=4, skip=5, readout=6).eval(), directed_graph()
    x = torch.randn(1, 6, 13, requires_grad=True)
    model(Inputs(x), graph).sum().backward()
    assert (x.grad.abs().sum(dim=(0, 1)) > 0).all()


def test_a_window_longer_than_it_sees_is_refused_with_the_blocks_needed():
    with pytest.raises(ConfigError, match="num_blocks=8"):
        GraphWaveNet(window=24)
    assert GraphWaveNet(window=24, num_blocks=8).window == 24
