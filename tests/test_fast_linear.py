"""Linear maps by oneDNN are those of torch, and taken only where nothing else is asked for."""

import pytest
import torch
from torch import nn

from eac import cpu
from eac.cpu import FastLinear, fast_linear


@pytest.fixture
def counted(monkeypatch):
    """How often a product was taken by oneDNN."""
    calls, real = [], torch.ops.mkldnn._linear_pointwise

    def product(*args):
        calls.append(args[0].shape)
        return real(*args)

    class Operators:
        _linear_pointwise = staticmethod(product)

    monkeypatch.setattr(torch.ops, "mkldnn", Operators)
    return calls


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(300, 96), (5, 80, 96), (2, 3, 64, 96)])
def test_products_are_those_of_torch(bias, shape, counted):
    layer, x = nn.Linear(96, 24, bias=bias), torch.randn(shape)
    with torch.no_grad():
        expected = layer(x)
        with fast_linear(x):
            found = layer(x)
    torch.testing.assert_close(found, expected)
    assert len(counted) == 1


def test_an_input_in_another_order_of_memory_is_taken_as_it_is():
    layer, x = nn.Linear(96, 24), torch.randn(96, 400).T
    with torch.no_grad(), fast_linear(x):
        found = layer(x)
    torch.testing.assert_close(found, layer(x))


def test_a_gradient_is_that_of_torch(counted):
    layer, x = nn.Linear(96, 24), torch.randn(300, 96)
    with fast_linear(x), FastLinear():
        layer(x).sum().backward()
    assert layer.weight.grad is not None
    assert not counted


@pytest.mark.parametrize("x", [torch.randn(3, 96), torch.randn(300, 96, dtype=torch.float64)])
def test_small_inputs_and_other_precisions_stay_with_torch(x, counted):
    layer = nn.Linear(96, 24, dtype=x.dtype)
    with torch.no_grad(), fast_linear(x):
        assert layer(x).dtype == x.dtype
    assert not counted


@pytest.mark.parametrize("how", ["missing", "switched off"])
def test_nothing_is_needed_of_onednn(how, monkeypatch, counted):
    if how == "missing":
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    else:
        monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    layer, x = nn.Linear(96, 24), torch.randn(300, 96)
    with torch.no_grad(), fast_linear(x):
        assert layer(x).shape == (300, 24)
    assert not counted
    assert x.numel() > cpu.LARGE


def test_a_network_with_a_small_input_is_left_alone():
    with torch.no_grad():
        assert not isinstance(fast_linear(torch.ones(1, 95, 12)), FastLinear)
        assert isinstance(fast_linear(torch.ones(64, 95, 12)), FastLinear)
