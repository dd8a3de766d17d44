"""Calibration by frequency against numpy, autograd, torch's Adam and a plain loop."""

import numpy as np
import pytest
import torch

from eac.errors import PlanError
from eac.nn.calibration import Bands, NodeAdam, OnlineCalibration

HORIZON = 12


def plainly_calibrated(y_hat, amplitude, phase, groups=4):
    """Spectrum changed frequency by frequency, as published."""
    spectrum = np.fft.rfft(y_hat)
    size = spectrum.shape[-1] // groups
    for k in range(spectrum.shape[-1]):
        g = min(k // size, groups - 1)
        spectrum[..., k] *= (1 + amplitude[..., g]) * np.exp(1j * phase[..., g])
    return np.fft.irfft(spectrum, n=y_hat.shape[-1])


def autograd_steps(y_hat, y, mask, learning_rate):
    """Settings after each window, by autograd and torch's Adam on one node."""
    setting = torch.zeros(2, 1, 4, dtype=y_hat.dtype, requires_grad=True)
    adam = torch.optim.Adam([setting], lr=learning_rate)
    bands = Bands.split(HORIZON, 4).like(y_hat)
    settings = [setting.detach().clone()]
    for made, true, seen in zip(y_hat, y, mask, strict=True):
        adam.zero_grad()
        error = (bands.calibrate(made, setting) - true)[seen]
        error.square().mean().backward()
        adam.step()
        settings.append(setting.detach().clone())
    return settings


def windows(count, num_nodes=1, dtype=torch.float64):
    y_hat = torch.randn(count, num_nodes, HORIZON, dtype=dtype) + 5
    y = torch.randn(count, num_nodes, HORIZON, dtype=dtype) + 6
    return y_hat, y, torch.rand(count, num_nodes, HORIZON) < 0.8


@pytest.mark.parametrize("horizon", [12, 7, 3, 1])
def test_calibration_equals_a_change_of_each_frequency(horizon):
    groups = min(4, horizon // 2 + 1)
    y_hat = torch.randn(3, horizon, dtype=torch.float64)
    setting = torch.randn(2, 3, groups, dtype=torch.float64)
    got = Bands.split(horizon, 4).calibrate(y_hat, setting)
    expected = plainly_calibrated(y_hat.numpy(), *setting.numpy(), groups=groups)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_a_quarter_turn_makes_a_cosine_a_negative_sine():
    time = torch.arange(HORIZON) * (2 * torch.pi / HORIZON)
    setting = torch.zeros(2, 1, 4)
    setting[1, 0, 1] = torch.pi / 2
    setting[0, 0, 0] = 1.0
    got = Bands.split(HORIZON, 4).like(setting).calibrate((3 + time.cos())[None], setting)
    torch.testing.assert_close(got, (6 - time.sin())[None], rtol=1e-5, atol=1e-5)


def test_no_change_leaves_a_forecast_bit_for_bit():
    y_hat = torch.randn(5, 3, HORIZON)
    bands = Bands.split(HORIZON, 4).like(y_hat)
    assert torch.equal(bands.calibrate(y_hat, torch.zeros(5, 2, 3, 4)), y_hat)


def test_the_gradient_is_that_of_autograd():
    y_hat, y = torch.randn(2, 3, HORIZON, dtype=torch.float64)
    setting = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    bands = Bands.split(HORIZON, 4)
    residual = bands.calibrate(y_hat, setting) - y
    (expected,) = torch.autograd.grad(residual.square().sum() / 2, setting)
    got = bands.gradient(y_hat, setting.detach(), residual.detach())
    torch.testing.assert_close(got, expected)


def test_the_first_step_of_adam_is_the_learning_rate_against_the_gradient():
    adam = NodeAdam.start(2, 1, torch.zeros(()))
    gradient = torch.tensor([[[4.0], [4.0]], [[-0.5], [-0.5]]])
    after = adam.step(gradient, torch.tensor([True, False]), learning_rate=0.1)
    torch.testing.assert_close(after.setting, torch.tensor([[[-0.1], [0.0]], [[0.1], [0.0]]]))
    assert after.steps.tolist() == [1, 0]


def test_settings_follow_autograd_and_the_adam_of_torch():
    y_hat, y, mask = windows(40)
    calibration = OnlineCalibration(4, learning_rate=0.01)
    got = calibration(y_hat, y, mask, torch.arange(40))
    settings = autograd_steps(y_hat, y, mask, 0.01)
    known = [max(0, i - HORIZON + 1) for i in range(40)]  # windows learned from before window i
    bands = Bands.split(HORIZON, 4)
    expected = torch.stack([bands.calibrate(y_hat[i], settings[k]) for i, k in enumerate(known)])
    torch.testing.assert_close(got, expected)


def test_the_first_horizon_of_windows_is_not_changed_and_the_next_is():
    y_hat, y, mask = windows(14, num_nodes=3)
    got = OnlineCalibration(4, 0.01)(y_hat, y, mask, torch.arange(14))
    assert torch.equal(got[:HORIZON], y_hat[:HORIZON])
    assert not torch.equal(got[HORIZON], y_hat[HORIZON])


@pytest.mark.parametrize("stride", [1, 5, 12, 30])
@pytest.mark.parametrize("changed", [0, 7, 25, 39])
def test_a_changed_target_changes_only_forecasts_made_at_its_step_or_later(stride, changed):
    y_hat, y, mask = windows(40, num_nodes=2)
    starts = 100 + stride * torch.arange(40)
    mask[changed] = True
    before = OnlineCalibration(4, 0.01)(y_hat, y, mask, starts)
    spoiled = y.clone()
    spoiled[changed, :, -1] += 1000.0
    after = OnlineCalibration(4, 0.01)(y_hat, spoiled, mask, starts)
    may_change = starts >= starts[changed] + HORIZON
    assert torch.equal(before[~may_change], after[~may_change])
    if may_change.any():
        assert not torch.equal(before[may_change], after[may_change])


@pytest.mark.parametrize("batch_size", [1, 3, 16, 64])
def test_the_size_of_a_batch_changes_nothing(batch_size):
    y_hat, y, mask = windows(40, num_nodes=2)
    whole = OnlineCalibration(4, 0.01)(y_hat, y, mask, torch.arange(40))
    calibration = OnlineCalibration(4, 0.01)
    parts = zip(*(t.split(batch_size) for t in (y_hat, y, mask, torch.arange(40))), strict=True)
    torch.testing.assert_close(torch.cat([calibration(*part) for part in parts]), whole)


def test_a_node_without_targets_is_not_changed():
    y_hat, y, mask = windows(30, num_nodes=2)
    mask[:, 0] = False
    got = OnlineCalibration(4, 0.01)(y_hat, y, mask, torch.arange(30))
    assert torch.equal(got[:, 0], y_hat[:, 0])
    assert not torch.equal(got[:, 1], y_hat[:, 1])


def test_missing_targets_are_never_looked_at():
    y_hat, y, mask = windows(30, num_nodes=2)
    spoiled = torch.where(mask, y, torch.full_like(y, torch.nan))
    expected = OnlineCalibration(4, 0.01)(y_hat, y, mask, torch.arange(30))
    assert torch.equal(OnlineCalibration(4, 0.01)(y_hat, spoiled, mask, torch.arange(30)), expected)


def test_inference_mode_gives_the_same():
    y_hat, y, mask = windows(30, num_nodes=2)
    expected = OnlineCalibration(4, 0.01)(y_hat, y, mask, torch.arange(30))
    with torch.inference_mode():
        got = OnlineCalibration(4, 0.01)(y_hat, y, mask, torch.arange(30))
    assert torch.equal(got, expected)


def test_a_constant_bias_is_learned_away():
    y = torch.rand(400, 1, HORIZON) + 10
    got = OnlineCalibration(4, 0.01)(0.8 * y, y, torch.ones_like(y) > 0, torch.arange(400))
    assert (got[-1] - y[-1]).abs().mean() < 0.2 * (0.8 * y[-1] - y[-1]).abs().mean()


def test_windows_out_of_order_are_refused():
    y_hat, y, mask = windows(3)
    with pytest.raises(PlanError, match="step 4 came after the one at step 9"):
        OnlineCalibration(4, 0.01)(y_hat, y, mask, torch.tensor([0, 9, 4]))
