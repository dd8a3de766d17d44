"""Chebyshev graph convolution against the polynomials of a dense matrix."""

import numpy as np
import pytest
import torch

from eac.data.core.graph import Graph
from eac.errors import ConfigError
from eac.nn.chebyshev import ChebyshevLinear


def random_graph(num_nodes=11):
    """Directed edges at random; the last two nodes are isolated."""
    generator = torch.Generator().manual_seed(3)
    matrix = torch.rand(num_nodes, num_nodes, generator=generator)
    matrix = matrix * (torch.rand(num_nodes, num_nodes, generator=generator) < 0.3)
    matrix[-2:], matrix[:, -2:] = 0, 0
    return Graph.from_dense(matrix)


def dense_twin(layer, x, graph):
    """cos(k arccos L) as numpy's Chebyshev series of matrices."""
    matrix = graph.to_dense().double().numpy()
    scaled = -matrix / (matrix.sum(1, keepdims=True) + 1e-6)
    basis = np.eye(len(scaled))
    weights = [layer.first.weight, *(linear.weight for linear in layer.later)]
    total = layer.first.bias.detach().double().numpy()
    for k, weight in enumerate(weights):
        series = np.polynomial.chebyshev.cheb2poly(np.eye(len(weights))[k])
        term = sum(c * np.linalg.matrix_power(scaled, i) for i, c in enumerate(series))
        shared = weight.detach().double().numpy()
        total = total + (term @ basis) @ x.double().numpy() @ shared.T
    return torch.from_numpy(total).float()


@pytest.mark.parametrize(("width", "out"), [(3, 7), (7, 3)], ids=["widening", "narrowing"])
@pytest.mark.parametrize("terms", [2, 3, 5])
def test_it_equals_the_polynomials_of_the_dense_matrix(width, out, terms):
    graph, layer = random_graph(), ChebyshevLinear(width, out, terms=terms)
    x = torch.randn(2, 11, width)
    torch.testing.assert_close(layer(x, graph), dense_twin(layer, x, graph), rtol=1e-4, atol=1e-4)


def test_on_a_graph_of_equal_degrees_it_equals_torch_geometric():
    from torch_geometric.nn import ChebConv

    ring = torch.roll(torch.eye(8), 1, 0) + torch.roll(torch.eye(8), -1, 0)
    graph, layer, x = Graph.from_dense(ring), ChebyshevLinear(3, 5), torch.randn(2, 8, 3)
    peer = ChebConv(3, 5, K=3)
    own = [layer.first.weight, *(linear.weight for linear in layer.later)]
    state = {f"lins.{k}.weight": weight for k, weight in enumerate(own)}
    peer.load_state_dict(state | {"bias": layer.first.bias}, strict=True)
    expected = peer(x, graph.edge_index, graph.edge_weight, lambda_max=torch.tensor(2.0))
    torch.testing.assert_close(layer(x, graph), expected, rtol=1e-4, atol=1e-5)


def test_fewer_than_two_terms_are_refused():
    with pytest.raises(ConfigError, match="terms=1"):
        ChebyshevLinear(3, 5, terms=1)
