"""The prompt pool grows by id, forgets nothing, and is compressed as closely as its rank allows."""

import numpy as np
import pytest
import torch

from eac.errors import CheckpointError, ConfigError
from eac.nn.prompt_pool import PromptPool


def test_growing_the_pool_keeps_old_prompts():
    pool = PromptPool(12, 6, seed=1)
    pool.grow(["a", "b"])
    before = pool(pool.rows(["a", "b"])).detach().clone()
    assert pool.grow(["b", "c"]) == 1
    assert torch.equal(pool(pool.rows(["a", "b"])), before)


def test_first_values_lie_within_a_tenth_and_do_not_depend_on_order():
    one, other = PromptPool(12, 6, seed=1), PromptPool(12, 6, seed=1)
    names = [f"n{i}" for i in range(500)]
    one.grow(names)
    other.grow(names[::-1])
    assert torch.equal(one(one.rows(names)), other(other.rows(names)))
    values = one.node_factor.detach()
    assert values.abs().max() <= 0.1
    assert values.mean().abs() < 0.005
    assert float(values.std()) == pytest.approx(0.2 / 12**0.5, rel=0.05)


def test_an_unknown_id_has_a_zero_prompt():
    pool = PromptPool(4, 2)
    assert torch.equal(pool(pool.rows(["x"])), torch.zeros(1, 4))
    pool.grow(["a"])
    assert torch.equal(pool(pool.rows(["x"])), torch.zeros(1, 4))


@pytest.mark.parametrize("start", [6, None])
@pytest.mark.parametrize("rank", [1, 3])
def test_compression_is_the_closest_product_of_that_rank(start, rank):
    pool = PromptPool(8, start, seed=0)
    pool.grow([f"n{i}" for i in range(20)])
    full = pool.prompts().numpy()
    assert pool.compress(rank=rank) == rank
    left, values, right = np.linalg.svd(full, full_matrices=False)
    best = (left[:, :rank] * values[:rank]) @ right[:rank]
    np.testing.assert_allclose(pool.prompts().numpy(), best, atol=1e-5)
    np.testing.assert_allclose(pool.spectrum().numpy()[:rank], values[:rank], rtol=1e-4)


def test_energy_chooses_the_smallest_rank_that_keeps_it():
    pool = PromptPool(3, None)
    pool.grow(["a", "b", "c"])
    with torch.no_grad():
        pool.node_factor.copy_(torch.diag(torch.tensor([3.0, 2.0, 1.0])))
    assert pool.compress(energy=0.9) == 2  # 9 + 4 of 14
    with pytest.raises(ConfigError, match="one of the two"):
        pool.compress()


def test_settled_rows_get_no_gradient_and_new_rows_do():
    pool = PromptPool(4, 2)
    pool.grow(["a"])
    pool.freeze_rows()
    pool.grow(["b"])
    pool(pool.rows(["a", "b"])).sum().backward()
    assert pool.settled.grad is None
    assert pool.basis.grad is None
    assert pool.node_factor.grad.abs().sum() > 0


@pytest.mark.parametrize("rank", [2, None])
def test_rows_that_are_freed_are_as_they_were_and_get_a_gradient_again(rank):
    pool = PromptPool(4, rank, seed=0)
    pool.grow(["a"])
    pool.freeze_rows()
    pool.grow(["b"])
    before = pool(pool.rows(["a", "b"])).detach()
    pool.free_rows()
    after = pool(pool.rows(["a", "b"]))
    assert torch.equal(after, before)
    after.square().sum().backward()
    assert len(pool.node_factor.grad) == 2
    assert all(p.requires_grad for p in (pool.node_factor, pool.basis) if p is not None)


@pytest.mark.parametrize("rank", [2, None])
def test_a_pool_takes_the_size_of_what_it_loads(rank):
    pool = PromptPool(4, rank, seed=5)
    pool.grow(["a", "b"])
    pool.freeze_rows()
    pool.grow(["c"])
    fresh = PromptPool(4, rank)
    fresh.load_state_dict(pool.state_dict())
    assert fresh.node_ids == ["a", "b", "c"]
    assert torch.equal(fresh.prompts(), pool.prompts())
    pool.grow(["d"])
    fresh.grow(["d"])
    assert torch.equal(fresh.prompts(), pool.prompts())


def test_ids_that_do_not_fit_the_rows_are_refused():
    pool = PromptPool(4, 2)
    pool.grow(["a"])
    state = pool.state_dict()
    state["_extra_state"]["node_ids"].append("ghost")
    with pytest.raises(CheckpointError, match="damaged"):
        PromptPool(4, 2).load_state_dict(state)


@pytest.mark.parametrize("rank", [0, 5])
def test_a_rank_outside_the_width_is_refused(rank):
    with pytest.raises(ConfigError, match=f"rank={rank}"):
        PromptPool(4, rank)


def test_a_retired_row_comes_back_bit_for_bit_and_trains_again():
    pool = PromptPool(width=6, rank=3, seed=0)
    pool.grow("abcd")
    before = pool.factors("abcd")
    pool.retire("bd")
    assert pool.node_ids == ["b", "d"]
    assert sorted(pool.archived) == ["a", "c"]
    assert torch.equal(pool.factors("bd"), before[[1, 3]])
    assert pool.rows("a").tolist() == [-1]

    pool.recall("dca")
    assert pool.node_ids == ["b", "d", "c", "a"]
    assert torch.equal(pool.factors("abcd"), before)
    assert pool.node_factor.requires_grad
    assert pool.grow("ae") == 1


def test_rows_that_were_frozen_retire_too():
    pool = PromptPool(width=6, rank=3, seed=0)
    pool.grow("ab")
    pool.freeze_rows()
    pool.grow("cd")
    before = pool.factors("abcd")
    pool.retire("bc")

    assert pool.settled.shape[0] == 1
    assert pool.node_factor.shape[0] == 1
    pool.recall("ad")
    assert torch.equal(pool.factors("abcd"), before)


def test_a_pool_remembers_what_an_earlier_state_knew_and_it_does_not():
    early, late = PromptPool(width=6, rank=3, seed=0), PromptPool(width=6, rank=3, seed=1)
    early.grow("ab")
    late.grow("bc")
    late.remember(early.state_dict(), early.node_ids)

    assert late.archived == ["a"]
    late.recall("a")
    assert torch.equal(late.factors("a"), early.factors("a"))
    assert not torch.equal(late.factors("b"), early.factors("b"))


def test_rows_brought_back_for_a_test_are_there_again_once_the_state_is_put_back():
    pool = PromptPool(width=6, rank=3, seed=0)
    pool.grow("abc")
    before = pool.factors("c")
    pool.retire("ab")
    state = pool.state_dict()
    pool.recall("c")
    pool.load_state_dict(state)

    assert pool.archived == ["c"]
    pool.recall("c")
    assert torch.equal(pool.factors("c"), before)
