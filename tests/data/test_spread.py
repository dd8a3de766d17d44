"""Measurements on some of the nodes: which ones, and that they stand for all of them."""

import math

import pytest
import torch

from eac.data.batches import spread as spreads
from eac.data.batches.spread import GOLDEN, node_errors, spread, standard_error


def test_few_windows_and_nodes_are_all_measured():
    assert spread(torch.arange(512), 512) is None
    assert spread(torch.arange(512), 513) is not None


def test_each_window_takes_different_nodes_and_each_node_is_in_about_as_many_windows(monkeypatch):
    monkeypatch.setattr(spreads, "NODE_WINDOWS", 600)
    starts = torch.arange(7, 307, 3)  # 100 windows, 6 of 20 nodes each
    some = spread(starts, 20)
    assert some is not None
    nodes = some.at(starts)

    assert nodes.shape == (100, 6)
    assert all(len(set(row)) == 6 for row in nodes.tolist())
    assert nodes.flatten().bincount(minlength=20).tolist() == pytest.approx([30] * 20, abs=3)
    halves = [part.flatten().bincount(minlength=20) for part in nodes.split(50)]
    assert int((halves[0] - halves[1]).abs().max()) <= 3  # as evenly in either half of the time


def test_a_window_takes_the_same_nodes_in_any_order_of_the_windows(monkeypatch):
    monkeypatch.setattr(spreads, "NODE_WINDOWS", 12)
    starts = torch.tensor([5, 10, 15, 20])
    some = spread(starts, 9, nodes=torch.tensor([1, 4, 5, 8]))
    assert some is not None
    assert torch.equal(some.at(starts.flip(0)), some.at(starts).flip(0))
    assert set(some.at(starts).flatten().tolist()) <= {1, 4, 5, 8}


def test_fewer_nodes_than_the_budget_allows_are_all_taken(monkeypatch):
    monkeypatch.setattr(spreads, "NODE_WINDOWS", 20)
    some = spread(torch.arange(4), 10, nodes=torch.tensor([3, 7]))
    assert some is not None
    assert some.at(torch.arange(4)).tolist() == [[3, 7]] * 4


def test_the_standard_error_is_what_repeated_samples_scatter_by():
    generator = torch.Generator().manual_seed(0)
    everything = torch.rand(30, 40, generator=generator)
    means, said = [], []
    for _ in range(400):
        chosen = torch.stack([torch.randperm(40, generator=generator)[:10] for _ in range(30)])
        errors = everything.gather(1, chosen)
        means.append(errors.mean())
        said.append(standard_error(errors, 0.25))
    assert float(torch.stack(means).std()) == pytest.approx(
        float(torch.stack(said).mean()), rel=0.1
    )


def test_the_share_by_which_windows_move_on_is_the_golden_one():
    assert pytest.approx(1.0) == GOLDEN * (1 + GOLDEN)


def test_a_node_is_measured_on_what_was_observed_of_it():
    y_hat = torch.tensor([[[1.0, 9.0, 4.0], [5.0, 5.0, 5.0]]])
    y = torch.tensor([[[3.0, 0.0, 3.0], [0.0, 0.0, 0.0]]])
    mask = torch.tensor([[[True, False, True], [False, False, False]]])
    first, second = node_errors(y_hat, y, mask)[0].tolist()
    assert first == 1.5  # of 2 and 1; the 9 was not observed
    assert math.isnan(second)
