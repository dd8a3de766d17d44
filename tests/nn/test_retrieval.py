"""Retrieval against a hand calculation."""

import math

import torch

from eac.nn.retrieval import PatternLibrary


def compass(matches):
    """North, east and south, with one value each."""
    library = PatternLibrary(2, 1, matches=matches)
    keys = torch.tensor([[0.0, 2.0], [3.0, 0.0], [0.0, -1.0]])
    library.add(keys, torch.tensor([[1.0], [10.0], [100.0]]))
    return library


def test_the_nearest_key_is_that_of_the_highest_cosine_whatever_its_length():
    assert compass(1)(torch.tensor([[0.1, 9.0], [0.001, 0.0]])).tolist() == [[1.0], [10.0]]


def test_answers_are_weighted_by_the_softmax_of_their_cosines():
    answer = compass(2)(torch.tensor([[3.0, 4.0]]))  # cosines 0.8 (north), 0.6 (east)
    north = math.exp(0.8) / (math.exp(0.8) + math.exp(0.6))
    torch.testing.assert_close(answer, torch.tensor([[north + 10 * (1 - north)]]))


def test_more_matches_than_patterns_take_all():
    answer = compass(9)(torch.tensor([[0.0, 0.0]]))  # as near to all
    torch.testing.assert_close(answer, torch.tensor([[37.0]]))


def test_a_fresh_library_takes_the_size_of_a_saved_one():
    library, fresh = compass(1), PatternLibrary(2, 1, matches=1)
    fresh.load_state_dict(library.state_dict())
    assert len(fresh) == 3
    assert fresh(torch.tensor([[0.0, -4.0]])).tolist() == [[100.0]]


def test_queries_of_several_axes_are_answered_one_by_one():
    query = torch.randn(4, 3, 2)
    library = compass(2)
    alone = torch.stack([library(row) for row in query])
    torch.testing.assert_close(library(query), alone)
