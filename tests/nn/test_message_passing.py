"""Sparse propagation against hand calculation and a dense twin."""

import pytest
import torch

from eac.data.core.graph import Graph
from eac.nn.message_passing import GraphLinear, propagate, propagate_nodes


def random_graph(num_nodes, share=0.2, seed=0):
    """Edges at random; the last two nodes are isolated."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.rand(num_nodes, num_nodes, generator=generator)
    matrix = matrix * (torch.rand(num_nodes, num_nodes, generator=generator) < share)
    matrix[-2:], matrix[:, -2:] = 0, 0
    return Graph.from_dense(matrix)


def dense_mean(graph):
    matrix = graph.to_dense()
    return matrix / (matrix.sum(1, keepdim=True) + 1e-6)


def test_a_node_takes_the_weighted_mean_of_what_it_listens_to():
    graph = Graph.from_dense(torch.tensor([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]))
    x = torch.tensor([[[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]]])
    expected = torch.tensor([[[5.0, 50.0], [0.0, 0.0], [1.0, 10.0]]])
    assert torch.allclose(propagate(x, graph), expected, rtol=1e-5)


def test_values_and_gradients_equal_those_of_the_dense_product():
    graph = random_graph(30)
    x = torch.randn(4, 30, 5, requires_grad=True)
    upstream = torch.randn(4, 30, 5)
    propagate(x, graph).backward(upstream)
    assert torch.allclose(propagate(x, graph), dense_mean(graph) @ x, atol=1e-6)
    assert torch.allclose(x.grad, dense_mean(graph).T @ upstream, atol=1e-6)


def test_a_graph_without_edges_propagates_zeros():
    x = torch.randn(2, 3, 4)
    assert torch.equal(propagate(x, Graph.empty(3)), torch.zeros(2, 3, 4))


def test_float64_keeps_its_precision():
    graph = random_graph(12)
    x = torch.randn(12, 3, dtype=torch.float64)
    expected = dense_mean(graph).double() @ x
    assert propagate_nodes(x, graph).dtype == torch.float64
    assert torch.allclose(propagate_nodes(x, graph), expected, atol=1e-7)


def test_bfloat16_stays_bfloat16():
    graph = random_graph(12)
    x = torch.randn(2, 12, 3)
    half = propagate(x.bfloat16(), graph)
    assert half.dtype == torch.bfloat16
    assert torch.allclose(half.float(), propagate(x, graph), atol=0.02, rtol=0.02)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_the_gpu_agrees_with_the_cpu():
    graph = random_graph(30)
    x = torch.randn(4, 30, 5)
    on_gpu = propagate(x.cuda(), graph.to("cuda"))
    assert torch.allclose(on_gpu.cpu(), propagate(x, graph), atol=1e-5)


@pytest.mark.parametrize(("width", "out"), [(3, 7), (7, 3)], ids=["widening", "narrowing"])
def test_a_graph_layer_is_the_same_on_either_side_of_the_product(width, out):
    graph, layer = random_graph(10), GraphLinear(width, out)
    x = torch.randn(2, 10, width)
    expected = layer.weight_neigh(dense_mean(graph) @ x) + layer.weight_self(x)
    assert torch.allclose(layer(x, graph), expected, atol=1e-6)
