import torch

from eac.continual.selection import (
    highest,
    joined_rows,
    lowest,
    neighbours,
    neighbours_of_gone,
    random_scores,
    rows_of,
    shared_rows,
    union,
    without,
)
from eac.data.core.graph import Graph
from eac.data.core.period import NodeChange

NAN = float("nan")


def test_the_share_is_of_all_nodes_and_rounded_down():
    scores = torch.arange(50.0)
    assert highest(scores, 0.05).tolist() == [49, 48]
    assert lowest(scores, 0.05).tolist() == [0, 1]


def test_one_node_is_chosen_where_the_share_is_less_than_one_node():
    assert highest(torch.tensor([1.0, 2.0, NAN]), 0.05).tolist() == [1]


def test_nothing_is_chosen_for_a_share_of_zero_or_without_scores():
    assert highest(torch.tensor([1.0, 2.0]), 0.0).tolist() == []
    assert highest(torch.tensor([NAN, NAN]), 0.5).tolist() == []


def test_of_equal_scores_the_first_nodes_are_chosen():
    assert highest(torch.zeros(4), 0.5).tolist() == [0, 1]
    assert lowest(torch.zeros(4), 0.5).tolist() == [0, 1]


def test_scores_taken_away_are_not_chosen_and_the_argument_is_kept():
    scores = torch.tensor([3.0, 2.0, 1.0])
    assert highest(without(scores, torch.tensor([0])), 0.4).tolist() == [1]
    assert scores.tolist() == [3, 2, 1]


def test_random_scores_repeat_with_the_seed_and_respect_what_is_unknown():
    scores = torch.tensor([1.0, NAN, 1.0, 1.0])
    first, again, other = (random_scores(scores, seed) for seed in (1, 1, 2))
    assert torch.equal(first.nan_to_num(-1), again.nan_to_num(-1))
    assert not torch.equal(first.nan_to_num(-1), other.nan_to_num(-1))
    assert first.isnan().tolist() == [False, True, False, False]


def test_rows_are_found_by_id_in_the_order_of_the_period():
    assert rows_of(["c", "a", "b"], ["b", "c", "stranger"]).tolist() == [0, 2]


def test_shared_nodes_are_paired_by_id_whatever_the_order():
    before, now = shared_rows(["a", "b", "c"], ["c", "x", "a"])
    assert before.tolist() == [2, 0]
    assert now.tolist() == [0, 2]


def test_returned_nodes_join_like_new_ones(period_of):
    change = NodeChange(kept=("b",), new=("c",), returned=("a",), gone=())
    assert joined_rows(period_of(["a", "b", "c"]), change).tolist() == [0, 2]


def test_neighbours_are_found_on_both_sides_of_an_edge():
    graph = Graph(4, torch.tensor([[0, 1, 3], [1, 2, 3]]), torch.ones(3))
    assert neighbours(graph, torch.tensor([1])).tolist() == [0, 2]
    assert neighbours(graph, torch.tensor([3])).tolist() == []


def test_a_node_that_leaves_is_missed_by_those_next_to_it_that_stay(period_of):
    before = period_of(["a", "b", "c", "d"])  # a chain: a - b - c - d
    now = period_of(["d", "a", "c"])
    assert neighbours_of_gone(before, now, ["b"]).tolist() == [1, 2]
    assert neighbours_of_gone(before, now, []).tolist() == []


def test_a_union_is_ascending_and_names_each_row_once():
    rows = [torch.tensor(r, dtype=torch.long) for r in ([3, 1], [], [1, 0])]
    assert union(*rows).tolist() == [0, 1, 3]
