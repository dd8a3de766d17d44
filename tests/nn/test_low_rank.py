"""Low-rank layers against a hand calculation."""

import pytest
import torch

from eac.errors import ConfigError
from eac.nn.low_rank import LowRankStack


def filled_stack():
    """Layers ``x -> [x0 + x1, 0]`` and ``x -> [0, 3 x0]`` of rank one."""
    stack = LowRankStack(width=2, rank=1)
    for down, up in (([[1.0, 1.0]], [[1.0], [0.0]]), ([[1.0, 0.0]], [[0.0], [3.0]])):
        stack.grow(seed=0)
        with torch.no_grad():
            stack.down.copy_(torch.tensor(down))
            stack.up.copy_(torch.tensor(up))
    return stack


def test_layers_add_up():
    assert filled_stack()(torch.tensor([[2.0, 5.0]])).tolist() == [[7.0, 6.0]]


def test_growing_changes_no_output():
    stack = filled_stack()
    stack.grow(seed=1)
    assert stack.num_layers == 3
    assert stack(torch.tensor([[2.0, 5.0]])).tolist() == [[7.0, 6.0]]


def test_only_the_last_layer_trains():
    stack = filled_stack()
    trained = {name for name, p in stack.named_parameters() if p.requires_grad}
    assert trained == {"down", "up"}
    assert stack.down.shape == (1, 2)


def test_equal_seeds_give_equal_first_values_within_their_bound():
    first, second = LowRankStack(4, 2), LowRankStack(4, 2)
    first.grow(seed=3)
    second.grow(seed=3)
    assert torch.equal(first.down, second.down)
    assert first.down.abs().max() <= 0.5
    assert (first.up == 0).all()


def test_a_fresh_stack_takes_the_height_of_a_saved_one():
    stack, fresh = filled_stack(), LowRankStack(2, 1)
    fresh.load_state_dict(stack.state_dict())
    assert fresh(torch.tensor([[2.0, 5.0]])).tolist() == [[7.0, 6.0]]
    assert not fresh.settled_up.requires_grad
    assert fresh.up.requires_grad


@pytest.mark.parametrize("rank", [0, 5])
def test_an_impossible_rank_is_refused(rank):
    with pytest.raises(ConfigError, match=f"rank={rank} with features of width 4"):
        LowRankStack(4, rank)
