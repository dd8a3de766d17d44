"""The fused pieces of the published backbone beside the plain ones they stand for."""

import pytest
import torch
from torch import nn

from eac.data.core.graph import Graph
from eac.nn import fused
from eac.nn.fused import gelu_readout, mean_over_neighbours


@pytest.fixture(params=[1 << 19, 1], ids=["one piece", "window by window"])
def pieces(request, monkeypatch):
    monkeypatch.setattr(fused, "SPREAD_BYTES", request.param)


@pytest.mark.usefixtures("pieces")
def test_the_fused_readout_and_its_gradients_are_those_of_the_plain_one():
    readout = nn.Linear(4, 3).double()
    features, x = (torch.randn(5, 4, 7, dtype=torch.float64, requires_grad=True) for _ in "ab")
    inputs = (features, x, *readout.parameters())
    above = torch.randn(5, 3, 7, dtype=torch.float64)

    y_hat = gelu_readout(features, x, readout)
    plain = readout(nn.functional.gelu(features + x).mT).mT

    torch.testing.assert_close(y_hat, plain)
    found = torch.autograd.grad(y_hat, inputs, above)
    torch.testing.assert_close(found, torch.autograd.grad(plain, inputs, above))


@pytest.mark.usefixtures("pieces")
def test_a_frozen_readout_gets_no_gradient_of_its_own():
    readout = nn.Linear(4, 3).requires_grad_(False)
    features = torch.randn(5, 4, 7, requires_grad=True)
    gelu_readout(features, torch.randn(5, 4, 7), readout).sum().backward()

    assert features.grad is not None
    assert readout.weight.grad is None


@pytest.mark.usefixtures("pieces")
def test_the_mean_over_neighbours_in_place_or_not_is_the_product_with_the_dense_matrix():
    graph = Graph.from_dense(torch.rand(7, 7) * (torch.rand(7, 7) < 0.4))
    x = torch.randn(40, 6, 7)
    expected = x @ graph.mean_matrix.to_dense().T

    for out in (torch.empty_like(x), x):
        torch.testing.assert_close(mean_over_neighbours(x, graph.mean_matrix, out), expected)
