"""The losses: what they count, where, and what minimises them."""

import pytest
import torch

from eac.errors import ConfigError
from eac.metrics.losses import MAE, MSE, Huber, Quantile


def shaped(*values):
    """One window of one node."""
    return torch.tensor(values)[None, None]


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_a_forecast_too_low_costs_the_quantile_and_one_too_high_the_rest(quantile):
    loss = Quantile(quantile)
    assert float(loss(shaped(6.0), shaped(10.0))) == pytest.approx(4 * quantile)
    assert float(loss(shaped(14.0), shaped(10.0))) == pytest.approx(4 * (1 - quantile))


def test_the_median_is_half_the_absolute_error():
    y_hat, y = torch.randn(3, 4, 5), torch.randn(3, 4, 5)
    torch.testing.assert_close(Quantile(0.5)(y_hat, y), MAE()(y_hat, y) / 2)


def test_the_best_constant_has_the_quantile_of_the_targets_below_it():
    y = torch.arange(1.0, 101)[None, None]
    costs = [float(Quantile(0.9)(torch.full_like(y, value), y)) for value in range(1, 101)]
    assert 1 + costs.index(min(costs)) in (90, 91)


@pytest.mark.parametrize("loss", [MAE(), Huber(0.5), Quantile(0.8)])
def test_what_the_mask_leaves_out_counts_nothing(loss):
    y_hat, y = shaped(1.0, 2.0, 50.0), shaped(3.0, 1.0, 0.0)
    mask = torch.tensor([[[True, True, False]]])
    torch.testing.assert_close(loss(y_hat, y, mask), loss(y_hat[..., :2], y[..., :2]))


def test_validation_counts_a_quantile_by_its_own_loss_and_the_others_by_their_error():
    y_hat, y = shaped(6.0, 14.0), shaped(10.0, 10.0)
    assert torch.equal(MAE().judged(y_hat, y), y_hat)
    counted = (Quantile(0.9).judged(y_hat, y) - y).abs()
    torch.testing.assert_close(counted, shaped(2 * 0.9 * 4, 2 * 0.1 * 4))
    torch.testing.assert_close(counted.mean(), 2 * Quantile(0.9)(y_hat, y))


@pytest.mark.parametrize("quantile", [0, 1, -0.5, 90])
def test_a_quantile_is_a_share(quantile):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Quantile(quantile)


def test_the_loss_of_complete_targets_and_its_gradient_are_those_of_an_open_mask():
    y_hat, y = torch.randn(3, 5, 4, requires_grad=True), torch.randn(3, 5, 4)
    for loss in (MSE(), MAE(), Huber()):
        complete, masked = loss(y_hat, y), loss(y_hat, y, torch.ones(3, 5, 4, dtype=torch.bool))
        torch.testing.assert_close(complete, masked)
        given = torch.autograd.grad(complete, y_hat)
        torch.testing.assert_close(given, torch.autograd.grad(masked, y_hat))
