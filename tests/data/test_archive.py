"""Rows of nodes that are gone: they come back as they were, and nothing else does."""

import copy

import torch

from eac.data.core.archive import Archive


def filled():
    archive = Archive()
    archive.put(["a", "b"], {"row": torch.tensor([[1.0, 2.0], [3.0, 4.0]])})
    archive.put(["c"], {"row": torch.tensor([[5.0, 6.0]])})
    return archive


def test_rows_come_back_in_the_order_asked_for():
    assert filled().rows(["c", "a"])["row"].tolist() == [[5.0, 6.0], [1.0, 2.0]]


def test_what_is_taken_is_there_no_more_and_leaves_the_rest():
    archive = filled()
    archive.take(["a", "c"])

    assert list(archive) == ["b"]
    assert len(archive._blocks) == 1
    assert archive.take(["b"])["row"].tolist() == [[3.0, 4.0]]
    assert not archive._blocks


def test_a_node_that_leaves_again_has_its_newest_row():
    archive = filled()
    archive.put(["b"], {"row": torch.tensor([[7.0, 8.0]])})

    assert archive.rows(["b"])["row"].tolist() == [[7.0, 8.0]]
    assert len(archive) == 3


def test_a_copy_is_left_alone():
    archive = filled()
    other = copy.deepcopy(archive)
    archive.clear()

    assert len(other) == 3
    assert other.rows(["a"])["row"].tolist() == [[1.0, 2.0]]


def test_what_was_put_in_does_not_follow_later_changes():
    rows, archive = torch.ones(1, 2), Archive()
    archive.put(["a"], {"row": rows})
    rows.zero_()

    assert archive.rows(["a"])["row"].tolist() == [[1.0, 1.0]]
