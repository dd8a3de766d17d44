"""What a guarded update leaves unchanged, by hand."""

import numpy as np
import pytest
import torch

from eac.continual.null_space import Protection, null_projection
from eac.errors import ConfigError
from eac.nn.guard import Guard
from eac.nn.prompt_pool import PromptPool


def test_the_projection_takes_away_the_principal_directions():
    rows = torch.tensor([[3.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # energies 9, 1 and 0
    assert torch.equal(null_projection(rows, 0.9), torch.diag(torch.tensor([0.0, 1.0, 1.0])))
    assert torch.equal(null_projection(rows, 1.0), torch.diag(torch.tensor([0.0, 0.0, 1.0])))
    assert torch.equal(null_projection(rows, 0.0), torch.eye(3))
    assert torch.equal(null_projection(rows[:0]), torch.eye(3))


def test_the_projection_agrees_with_numpy_on_oblique_rows():
    rows = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    _, _, right = np.linalg.svd(rows.numpy())
    expected = right[4:].T @ right[4:]
    np.testing.assert_allclose(null_projection(rows).numpy(), expected, atol=1e-5)


def guarded_pool(protection, absent, num_fresh=0):
    """Six nodes of rank 3 whose rows span two directions, some absent, and fresh ones."""
    pool = PromptPool(4, 3, seed=0)
    pool.grow(list("abcdef"))
    with torch.no_grad():
        pool.node_factor[:, 2] = 0
        pool.node_factor.mul_(10)
    old, gone = pool.factors(list("abcdef")), torch.tensor([n in absent for n in "abcdef"])
    pool.grow([f"new{i}" for i in range(num_fresh)])
    radius = torch.cat([protection.radii(old, gone), torch.full((num_fresh,), torch.inf)])
    free = protection.free_directions(old, gone)
    pool.fence(Guard(pool.node_factor, radius, pool.basis, free))
    return pool


def train(pool, steps=30):
    """AdamW, whose scaled steps and weight decay leave every linear subspace."""
    optimizer = torch.optim.AdamW(pool.parameters(), lr=0.1, weight_decay=0.1)
    target = torch.randn(len(pool.node_ids), 4, generator=torch.Generator().manual_seed(2))
    for _ in range(steps):
        optimizer.zero_grad()
        (pool(pool.rows(pool.node_ids)) - target).square().sum().backward()
        optimizer.step()


def test_prompts_of_absent_nodes_stay_and_the_basis_moves_in_the_direction_left():
    pool = guarded_pool(Protection(energy=1.0), absent="abc", num_fresh=2)
    before, basis = pool.prompts(), pool.basis.detach().clone()
    train(pool)
    pool.fence(None)
    torch.testing.assert_close(pool.prompts()[:3], before[:3], atol=1e-5, rtol=0)
    torch.testing.assert_close(pool.basis[:2], basis[:2], atol=1e-5, rtol=0)
    assert (pool.basis[2] - basis[2]).abs().max() > 0.1
    assert (pool.prompts()[3:] - before[3:]).abs().amax(1).min() > 0.1


def test_taking_the_fence_away_changes_no_prompt():
    pool = guarded_pool(Protection(energy=1.0, radius=0.2), absent="a")
    train(pool)
    inside = pool.prompts()
    pool.fence(None)
    torch.testing.assert_close(pool.prompts(), inside)


def test_present_rows_stay_in_their_trust_region_and_fresh_ones_are_free():
    pool = guarded_pool(Protection("old", energy=1.0, radius=0.5), absent="f", num_fresh=1)
    first = pool.node_factor.detach().clone()
    limit = 0.5 * first[:6].square().sum(1).mean().sqrt()
    train(pool)
    pool.fence(None)
    moved = (pool.node_factor - first).norm(dim=1)
    assert (moved[:5] <= limit + 1e-5).all()
    assert moved[5] == 0
    assert moved[6] > limit


def test_a_row_is_drawn_back_to_the_ball_by_hand():
    guard = Guard(torch.zeros(3, 2), torch.tensor([1.0, torch.inf, 0.0]))
    moved = torch.tensor([[3.0, 4.0], [3.0, 4.0], [3.0, 4.0]])
    expected = torch.tensor([[0.6, 0.8], [3.0, 4.0], [0.0, 0.0]])
    torch.testing.assert_close(guard.factor(moved), expected)


def test_a_pool_without_a_basis_is_guarded_by_rows_alone():
    pool = PromptPool(4, None, seed=0)
    pool.grow(["a", "b"])
    first = pool.prompts()
    pool.fence(Guard(pool.node_factor, torch.tensor([0.0, torch.inf])))
    train(pool)
    assert torch.equal(pool.prompts()[0], first[0])
    assert not torch.equal(pool.prompts()[1], first[1])


def test_the_fence_is_no_part_of_a_saved_state():
    pool = guarded_pool(Protection(), absent="a")
    assert set(pool.state_dict()) == {"settled", "node_factor", "basis", "_extra_state"}


@pytest.mark.parametrize("settings", [{"energy": 1.5}, {"radius": -1.0}])
def test_an_impossible_protection_is_refused(settings):
    with pytest.raises(ConfigError, match="Protection"):
        Protection(**settings)
