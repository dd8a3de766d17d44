"""Operators along time: what each mixes, and with what."""

import pytest
import torch

from eac.errors import ConfigError
from eac.nn.temporal import AttentionOverTime, ConvOverTime, LSTMOverTime

OPERATORS = [ConvOverTime, LSTMOverTime, AttentionOverTime]


@pytest.mark.parametrize("operator", OPERATORS)
def test_sequences_do_not_mix(operator):
    layer, x = operator(8), torch.randn(5, 6, 8)
    torch.testing.assert_close(layer(x)[3:4], layer(x[3:4]))


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_shape_is_kept(operator):
    assert operator(8)(torch.randn(5, 6, 8)).shape == (5, 6, 8)


def test_the_lstm_hears_the_past_alone():
    layer, x = LSTMOverTime(4), torch.randn(1, 6, 4)
    later = x.clone()
    later[:, 3:] += 1
    assert torch.equal(layer(x)[:, :3], layer(later)[:, :3])


def test_the_convolution_sums_a_step_and_its_neighbours():
    layer = ConvOverTime(1)
    weight = torch.tensor([[[1.0, 10.0, 100.0]]])
    layer.conv.load_state_dict({"weight": weight, "bias": torch.zeros(1)})
    x = torch.tensor([[[1.0], [2.0], [3.0]]])
    assert layer(x).flatten().tolist() == [210.0, 321.0, 32.0]


def test_attention_with_equal_scores_adds_the_mean_of_the_sequence():
    layer = AttentionOverTime(2, num_heads=1)
    with torch.no_grad():
        layer.attention.in_proj_weight.copy_(
            torch.cat([torch.zeros(4, 2), torch.eye(2)])  # queries and keys 0, values themselves
        )
        layer.attention.out_proj.weight.copy_(torch.eye(2))
    x = torch.tensor([[[1.0, 0.0], [3.0, 6.0]]])
    assert torch.allclose(layer(x), torch.tensor([[[3.0, 3.0], [5.0, 9.0]]]))


def test_heads_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ConfigError, match="6 channels"):
        AttentionOverTime(6, num_heads=4)


def test_an_even_kernel_is_refused():
    with pytest.raises(ConfigError, match="kernel_size=2"):
        ConvOverTime(6, kernel_size=2)
