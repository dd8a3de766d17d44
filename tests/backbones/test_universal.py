"""The six networks of the study of universality."""

import pytest
import torch

from eac.backbones.universal import Universal
from eac.data.batches.batch import Inputs
from eac.data.core.graph import Graph
from eac.nn.chebyshev import ChebyshevLinear
from eac.nn.message_passing import GraphLinear
from eac.nn.temporal import AttentionOverTime, ConvOverTime, LSTMOverTime


def plain_forward(model, x, graph):
    """Spatial layers and convolution, node by node and step by step, with dense products."""
    matrix = graph.to_dense()
    matrix = matrix / (matrix.sum(1, keepdim=True) + 1e-6)
    lift, gather = model.lift, model.gather
    near = torch.einsum("ij,bjt->bit", matrix, x)
    own_weight, near_weight = lift.weight_self.weight[:, 0], lift.weight_neigh.weight[:, 0]
    lifted = x[..., None] * own_weight + near[..., None] * near_weight + lift.weight_neigh.bias
    lifted = lifted.clamp_min(0)
    padded = torch.nn.functional.pad(lifted, (0, 0, 1, 1))
    kernel = model.temporal.conv.weight
    window = x.shape[-1]
    mixed = model.temporal.conv.bias + sum(
        torch.einsum("bntc,dc->bntd", padded[:, :, k : k + window], kernel[:, :, k])
        for k in range(3)
    )
    flat = mixed.reshape(*x.shape[:2], -1)
    heard = torch.einsum("ij,bjc->bic", matrix, flat) @ gather.weight_neigh.weight.T
    features = heard + gather.weight_neigh.bias + flat @ gather.weight_self.weight.T
    return model.readout(torch.nn.functional.gelu(features + x))


def test_the_spatial_convolution_equals_a_plain_dense_forward():
    matrix = torch.rand(7, 7) * (torch.rand(7, 7) < 0.4)
    matrix[-1], matrix[:, -1] = 0, 0
    graph, x, model = Graph.from_dense(matrix), torch.randn(3, 7, 6), Universal(6, 4, hidden=5)
    expected = plain_forward(model, x, graph)
    torch.testing.assert_close(model(Inputs(x), graph), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("graph_layer", "temporal", "count"),
    [
        # lift 3 * 16, operator, gather 2 * 192 * 12 + 12, readout 156; a third term 16 + 2304
        (GraphLinear, ConvOverTime, 48 + (3 * 16 * 16 + 16) + 4620 + 156),
        (GraphLinear, LSTMOverTime, 48 + 4 * (2 * 16 * 16 + 2 * 16) + 4620 + 156),
        (GraphLinear, AttentionOverTime, 48 + 4 * (16 * 16 + 16) + 4620 + 156),
        (ChebyshevLinear, ConvOverTime, 48 + 16 + (3 * 16 * 16 + 16) + 4620 + 2304 + 156),
    ],
)
def test_the_number_of_parameters_follows_from_the_widths(graph_layer, temporal, count):
    model = Universal(graph_layer=graph_layer, temporal=temporal)
    assert sum(p.numel() for p in model.parameters()) == count


def test_two_spectral_layers_of_three_terms_hear_four_edges_away():
    assert Universal(graph_layer=ChebyshevLinear).needs.hops == 4


def test_the_residual_adds_the_unprompted_readings():
    model, x = Universal(6, 4), torch.randn(1, 2, 6)
    inputs = Inputs(x).with_prompt(torch.ones(2, 6))
    expected = model.readout(torch.nn.functional.gelu(x))
    assert torch.equal(model.decode(torch.zeros(1, 2, 6), inputs), expected)
