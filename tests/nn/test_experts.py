"""Autoencoders and their mixture against hand calculation and torch.distributions."""

import math

import torch
from torch.distributions import Normal, kl_divergence

from eac.nn.experts import GraphLearningPredictor, WindowVAE, gate, mixture_loss


def zero_vae():
    """Reconstructs zero from a standard normal code."""
    vae = WindowVAE(4, latent=2)
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.zero_()
    return vae


def test_the_error_is_half_the_sum_of_squares_over_what_was_observed():
    x = torch.tensor([[1.0, 2.0, 3.0, 100.0]])
    observed = torch.tensor([[True, True, True, False]])
    error, divergence = zero_vae()(x, observed)
    assert error.tolist() == [7.0]
    assert divergence.tolist() == [0.0]


def test_the_divergence_is_that_of_normal_distributions():
    vae = zero_vae()
    mean, log_variance = torch.tensor([0.5, -2.0]), torch.tensor([1.0, -0.7])
    with torch.no_grad():
        last = dict(vae.named_parameters())["encoder.2.bias"]
        last.copy_(torch.cat([mean, log_variance]))
    code = Normal(mean, (log_variance / 2).exp())
    expected = kl_divergence(code, Normal(torch.zeros(2), torch.ones(2))).sum()
    torch.testing.assert_close(vae(torch.zeros(1, 4))[1], expected[None])


def test_forecasting_draws_no_code():
    vae, x = WindowVAE(4), torch.randn(3, 4)
    assert torch.equal(vae(x)[0], vae(x)[0])
    assert not torch.equal(vae(x, sample=True)[0], vae(x, sample=True)[0])


def test_the_gate_is_the_posterior_of_the_experts():
    got = gate(torch.tensor([[0.0, math.log(3.0)]]))  # likelihoods 1 and 1/3
    torch.testing.assert_close(got, torch.tensor([[0.75, 0.25]]))


def test_the_loss_of_a_mixture_is_minus_the_log_of_the_mean_likelihood():
    got = mixture_loss(torch.tensor([[0.0, math.log(3.0)]]))
    torch.testing.assert_close(got, torch.tensor(-math.log((1 + 1 / 3) / 2)))


def test_the_loss_of_a_mixture_reaches_experts_by_their_share():
    losses = torch.tensor([[0.0, math.log(3.0)]], requires_grad=True)
    mixture_loss(losses).backward()
    torch.testing.assert_close(losses.grad, torch.tensor([[0.75, 0.25]]))


def test_a_predictor_begins_by_changing_nothing():
    assert (GraphLearningPredictor(5)(torch.randn(2, 3, 5)) == 0).all()
