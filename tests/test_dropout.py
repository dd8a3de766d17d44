"""Dropout drops as often as it says, keeps the mean, and draws what the seed says."""

import pytest
import torch

from eac.cpu import Dropout
from eac.errors import ConfigError


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_as_many_are_dropped_as_said_and_the_others_scaled(p):
    torch.manual_seed(0)
    found = Dropout(p)(torch.ones(400, 1001))
    kept = found != 0
    assert abs(1 - kept.double().mean() - p) < 0.004  # half a step of 1/256, and chance
    assert abs(found.double().mean() - 1) < 0.02
    assert len(found[kept].unique()) == 1


def test_each_of_eight_neighbours_is_dropped_alike():
    torch.manual_seed(0)
    kept = Dropout(0.25)(torch.ones(1 << 20)).view(-1, 8) != 0
    assert (kept.double().mean(0) - 0.75).abs().max() < 0.01
    both = kept.double().T @ kept.double() / len(kept)
    apart = both[~torch.eye(8, dtype=torch.bool)]
    assert (apart - 0.75**2).abs().max() < 0.01


def test_the_seed_decides_and_the_gradient_is_dropped_with_its_feature():
    layer, x = Dropout(0.5), torch.ones(64, requires_grad=True)
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    assert torch.equal(layer(x), first)
    assert not torch.equal(layer(x), first)
    [gradient] = torch.autograd.grad(first.sum(), [x])
    assert torch.equal(gradient, first.detach())


@pytest.mark.parametrize("layer", [Dropout(0.0), Dropout(0.001), Dropout(0.5).eval()])
def test_nothing_is_dropped_without_training_or_probability(layer):
    x = torch.randn(5)
    assert layer(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_a_probability_that_is_none_is_refused(p):
    with pytest.raises(ConfigError, match="at least 0 and below 1"):
        Dropout(p)
