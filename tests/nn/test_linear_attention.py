"""Linear attention and the layers of STBP against plain numpy."""

import numpy as np
import pytest
import torch

from eac.nn.linear_attention import ContextBlock, SpectralLinear, linear_attention


def softmax(x):
    weight = np.exp(x - x.max(-1, keepdims=True))
    return weight / weight.sum(-1, keepdims=True)


def plain_attention(query, key, value):
    """Every pair of nodes written out, for one window."""
    query, key = (softmax(a / np.sqrt(a.shape[-1])) for a in (query, key))
    out = np.zeros_like(value)
    for i in range(len(value)):
        for j in range(len(value)):
            pair = sum(query[i, c] * key[j, c] / key[:, c].sum() for c in range(key.shape[1]))
            out[i] += pair * value[j]
    return out


def test_linear_attention_equals_the_sum_over_pairs():
    query, key, value = torch.randn(3, 2, 5, 4, dtype=torch.float64)
    got = linear_attention(query, key, value).numpy()
    for b in range(2):
        expected = plain_attention(query[b].numpy(), key[b].numpy(), value[b].numpy())
        np.testing.assert_allclose(got[b], expected)


def test_weights_sum_to_one_however_many_nodes_there_are():
    for num_nodes in (1, 3, 50):
        query, key = torch.randn(2, 1, num_nodes, 4)
        ones = linear_attention(query, key, torch.ones(1, num_nodes, 2))
        torch.testing.assert_close(ones, torch.ones(1, num_nodes, 2))


def test_a_channel_that_no_node_uses_gathers_a_mean_all_the_same():
    key = torch.tensor([0.0, 1e4]).expand(1, 3, 2).clone().requires_grad_()
    out = linear_attention(-key, key, torch.ones(1, 3, 1))
    out.sum().backward()
    torch.testing.assert_close(out, torch.ones(1, 3, 1))
    assert key.grad.isfinite().all()


def test_a_block_permutes_with_its_nodes():
    block, order = ContextBlock(6).eval(), torch.tensor([2, 0, 3, 1])
    features, bank = torch.randn(2, 4, 6), torch.randn(4, 18)
    swapped = block(features[:, order], bank[order])
    torch.testing.assert_close(swapped, block(features, bank)[:, order])


def test_a_gate_of_zero_leaves_a_node_as_it_is():
    block, features, bank = ContextBlock(6).eval(), torch.randn(2, 4, 6), torch.randn(4, 18)
    bank[1, :6] = 0
    out = block(features, bank)
    assert torch.equal(out[:, 1], features[:, 1])
    assert not torch.equal(out[:, 0], features[:, 0])


def test_scale_and_key_steer_the_block():
    block, features, bank = ContextBlock(6).eval(), torch.randn(2, 4, 6), torch.ones(4, 18)
    scaled, keyed = bank.clone(), bank.clone()
    scaled[:, 6:12] = 2.0
    keyed[0, 12:15] = 5.0  # equal in all channels it would change nothing
    outputs = [block(features, b) for b in (bank, scaled, keyed)]
    assert not torch.allclose(outputs[0], outputs[1])
    assert not torch.allclose(outputs[0], outputs[2])


def test_without_a_bank_the_block_is_one_of_gate_one_scale_zero_and_no_key():
    block, features = ContextBlock(2).eval(), torch.tensor([[[1.0, -1.0], [-1.0, 1.0]]])
    with torch.no_grad():
        named = dict(block.named_parameters())
        for parameter in named.values():
            parameter.zero_()
        for name in ("value.0.weight", "out.0.weight"):
            named[name].copy_(torch.eye(2))
        named["value.0.bias"].fill_(1.0)
    # already normalised; value = relu(x + 1) = (2, 0), (0, 2); equal keys: their mean is (1, 1)
    expected = features + 1.0
    torch.testing.assert_close(block(features), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("out", [5, 8])
def test_the_filter_acts_on_frequencies_of_the_output(out):
    layer, x = SpectralLinear(3, out).double(), torch.randn(2, 4, 3, dtype=torch.float64)
    y = (x @ layer.filtered.weight.T + layer.filtered.bias).detach().numpy()
    factor = layer.filter.detach().numpy()
    factor = factor[:, 0] + 1j * factor[:, 1]
    expected = np.fft.irfft(np.fft.rfft(y) * factor, n=out)
    expected += (x @ layer.plain.weight.T).detach().numpy()
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, atol=1e-12)


def test_a_filter_of_ones_is_a_plain_layer():
    layer, x = SpectralLinear(3, 8), torch.randn(2, 4, 3)
    with torch.no_grad():
        layer.filter.copy_(torch.tensor([1.0, 0.0]).expand(5, 2))
    torch.testing.assert_close(layer(x), layer.filtered(x) + layer.plain(x))
