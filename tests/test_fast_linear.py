"""Linear maps by oneDNN are those of torch, and their gradients too."""

import pytest
import torch
from torch import nn

from eac import cpu
from eac.cpu import Linear


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """Any processor passes for one with the widest instructions."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: cpu.WIDE)


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


def of_torch(layer, x):
    return nn.functional.linear(x, layer.weight, layer.bias)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(300, 96), (5, 80, 96), (2, 3, 64, 96)])
def test_products_are_those_of_torch(bias, shape, counted):
    layer, x = Linear(96, 24, bias=bias), torch.randn(shape)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), of_torch(layer, x))
    assert len(counted) == 1


@pytest.mark.parametrize("x", [torch.randn(96, 400).T, torch.randn(96).expand(400, 96)])
def test_an_input_in_another_order_of_memory_is_taken_as_it_is(x, counted):
    layer = Linear(96, 24)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), of_torch(layer, x))
    assert len(counted) == 1


def gradients(made, of):
    return torch.autograd.grad(made.square().sum(), of)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(300, 96), (5, 80, 96)])
def test_gradients_are_those_of_torch(bias, shape, counted):
    layer, x = Linear(96, 24, bias=bias), torch.randn(shape, requires_grad=True)
    of = [x, *layer.parameters()]
    expected = gradients(of_torch(layer, x), of)
    for found, one in zip(gradients(layer(x), of), expected, strict=True):
        torch.testing.assert_close(found, one, rtol=1e-4, atol=1e-3)
    assert len(counted) == 3


def test_gradients_of_gradients_are_those_of_torch():
    layer, x = Linear(96, 24), torch.randn(300, 96)

    def second(made):
        of = tuple(layer.parameters())
        first = torch.autograd.grad(made.square().mean(), of, create_graph=True)
        return torch.autograd.grad(sum(part.square().sum() for part in first), of)

    for found, one in zip(second(layer(x)), second(of_torch(layer, x)), strict=True):
        torch.testing.assert_close(found, one, rtol=1e-4, atol=1e-4)


def test_a_gradient_without_memory_of_its_own_is_that_of_torch():
    layer, x = Linear(96, 24), torch.randn(300, 96)
    layer(x).sum().backward()
    torch.testing.assert_close(layer.weight.grad, x.sum(0).expand(24, -1), rtol=1e-4, atol=1e-3)


def test_what_is_frozen_gets_no_gradient(counted):
    layer, x = Linear(96, 24), torch.randn(300, 96)
    layer.weight.requires_grad_(False)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert layer.bias.grad is not None
    assert len(counted) == 1


@pytest.mark.parametrize("x", [torch.randn(3, 96), torch.randn(300, 96, dtype=torch.float64)])
def test_small_inputs_and_other_precisions_stay_with_torch(x, counted):
    assert Linear(96, 24, dtype=x.dtype)(x).dtype == x.dtype
    assert not counted


def test_autocast_stays_with_torch(counted):
    layer, x = Linear(96, 24), torch.randn(300, 96)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert not counted


@pytest.mark.parametrize("how", ["missing", "switched off"])
def test_nothing_is_needed_of_onednn(how, monkeypatch, counted):
    if how == "missing":
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    else:
        monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    x = torch.randn(300, 96)
    assert Linear(96, 24)(x).shape == (300, 24)
    assert not counted
    assert x.numel() > cpu.LARGE


def test_another_processor_stays_with_torch(monkeypatch, counted):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    layer, x = Linear(96, 24), torch.randn(300, 96)
    assert torch.equal(layer(x), of_torch(layer, x))
    assert not counted


def test_first_weights_are_those_of_torch():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        own = Linear(6, 3)
        torch.manual_seed(0)
        torch.testing.assert_close(own.weight, nn.Linear(6, 3).weight, rtol=0, atol=0)


def test_a_program_of_it_takes_any_number_of_rows():
    layer, dims = Linear(64, 3), ({0: torch.export.Dim("rows")},)
    program = torch.export.export(layer, (torch.ones(200, 64),), dynamic_shapes=dims).module()
    few = torch.rand(3, 64)
    torch.testing.assert_close(program(few), layer(few))
