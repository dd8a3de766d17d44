"""The graph: orientation, subgraphs and the row-normalised matrix."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eac.data.core.graph import Graph, edges_by_id
from eac.errors import StreamError

DENSE = torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])


def random_dense(seed: int, size: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.rand(size, size, generator=generator)
    return matrix * (torch.rand(size, size, generator=generator) < 0.4)


def test_a_row_of_the_matrix_is_the_target_and_a_column_the_source():
    graph = Graph.from_dense(DENSE)

    assert graph.edge_index.tolist() == [[1, 2], [0, 1]]
    assert graph.edge_weight.tolist() == [2.0, 1.0]
    assert torch.equal(graph.to_dense(), DENSE)


def test_a_node_with_only_a_self_loop_is_isolated():
    graph = Graph.from_dense(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))

    assert graph.isolated().tolist() == [True, False, False]
    assert Graph.empty(2).isolated().tolist() == [True, True]


@given(st.integers(0, 100), st.permutations(range(6)), st.integers(1, 6))
def test_a_subgraph_is_the_submatrix_in_the_order_given(seed, order, size):
    dense, chosen = random_dense(seed), torch.tensor(order[:size])
    part = Graph.from_dense(dense).subgraph(chosen)

    assert torch.equal(part.to_dense(), dense[chosen][:, chosen])


@given(st.integers(0, 100), st.permutations(range(6)))
def test_permuting_the_nodes_permutes_rows_and_columns(seed, order):
    dense, order = random_dense(seed), torch.tensor(order)

    assert torch.equal(Graph.from_dense(dense).permute(order).to_dense(), dense[order][:, order])


@given(st.integers(0, 100), st.integers(0, 3))
def test_k_hops_reach_what_powers_of_the_matrix_reach(seed, hops):
    dense = random_dense(seed).numpy()
    reached = np.linalg.matrix_power(np.eye(6) + (dense > 0), hops)[2] > 0
    found = Graph.from_dense(torch.from_numpy(dense)).k_hop_subgraph(torch.tensor([2]), hops)

    assert found.tolist() == np.flatnonzero(reached).tolist()


@given(st.integers(0, 100))
def test_the_mean_matrix_divides_rows_by_their_sum(seed):
    dense = random_dense(seed)
    graph = Graph.from_dense(dense)
    expected = dense.numpy() / (dense.numpy().sum(axis=1, keepdims=True) + 1e-6)

    np.testing.assert_allclose(graph.mean_matrix.to_dense(), expected, rtol=1e-6)
    np.testing.assert_allclose(graph.mean_matrix_transposed.to_dense(), expected.T, rtol=1e-6)


def test_a_graph_on_its_device_is_returned_as_it_is():
    graph = Graph.from_dense(DENSE)

    assert graph.to("cpu") is graph


def test_edges_by_id_point_from_source_to_target():
    graph = edges_by_id(["a", "b"], ["b"], ["a"], [0.5])

    assert graph.edge_index.tolist() == [[1], [0]]
    assert edges_by_id(["a"], [], [], []).num_edges == 0


def test_an_edge_to_an_unknown_node_names_row_and_node():
    with pytest.raises(StreamError, match="row 1 names node 'z'"):
        edges_by_id(["a", "b"], ["a", "a"], ["b", "z"], [1.0, 1.0])
