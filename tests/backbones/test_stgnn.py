"""The published backbone against a plain dense twin, and its settings."""

from dataclasses import replace

import pytest
import torch

from eac.backbones.stgnn import STGNN
from eac.data.batches.batch import Inputs
from eac.data.core.graph import Graph
from eac.data.core.windows import gather
from eac.errors import ConfigError


def random_graph(num_nodes, seed=0):
    """Edges at random; the last two nodes are isolated."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.rand(num_nodes, num_nodes, generator=generator)
    matrix = matrix * (torch.rand(num_nodes, num_nodes, generator=generator) < 0.15)
    matrix[-2:], matrix[:, -2:] = 0, 0
    return Graph.from_dense(matrix)


def plain_forward(model, x, prompt, graph):
    """The published computation as written, with dense products."""
    matrix = graph.to_dense().to(x.dtype)
    matrix = matrix / (matrix.sum(1, keepdim=True) + 1e-6)
    prompted = x + prompt
    first, second = model.gcn1, model.gcn2
    hidden = first.weight_neigh(matrix @ prompted) + first.weight_self(prompted)
    rows = torch.relu(hidden).reshape(-1, 1, hidden.shape[-1])
    hidden = model.tcn1(rows).reshape(hidden.shape)
    hidden = second.weight_neigh(matrix @ hidden) + second.weight_self(hidden)
    return model.fc(torch.nn.functional.gelu(hidden + x))


def case(num_nodes=23, batch=9, window=12, dtype=torch.float32, **settings):
    torch.manual_seed(0)
    graph, model = random_graph(num_nodes), STGNN(window=window, **settings).to(dtype)
    if dtype == torch.float64:
        graph = Graph(num_nodes, graph.edge_index, graph.edge_weight.double())
    series = torch.randn(40, num_nodes, dtype=dtype)
    starts = torch.randint(0, 40 - window, (batch,))
    near = model.needs.neighbours(series, graph)
    inputs = Inputs(gather(series, starts, window), gather(near, starts, window))
    prompt = torch.randn(num_nodes, window, dtype=dtype)
    return model, inputs, prompt, graph


def gradients(y_hat, model, prompt):
    wanted = [p for p in (*model.parameters(), prompt) if p.requires_grad]
    weight = torch.linspace(-1, 1, y_hat.numel(), dtype=y_hat.dtype).reshape(y_hat.shape)
    return torch.autograd.grad((y_hat * weight).sum(), wanted)


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


SETTINGS = [
    {},
    {"window": 7, "horizon": 3, "hidden": 10, "kernel_size": 5},
    {"num_nodes": 5, "batch": 1},
    {"hidden": 9, "kernel_size": 1, "window": 12},
]


def test_the_published_size_has_3308_parameters():
    assert sum(p.numel() for p in STGNN().parameters()) == 3308


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20], ids=["window by window", "in one go"])
@pytest.mark.parametrize("neighbours", [True, False], ids=["neighbour_x", "x alone"])
def test_forecasts_and_gradients_equal_the_plain_dense_forward(
    settings, chunk_bytes, neighbours, monkeypatch
):
    monkeypatch.setattr("eac.nn.fused.CHUNK_BYTES", chunk_bytes)
    model, inputs, prompt, graph = case(**settings)
    prompt.requires_grad_()
    inputs = inputs if neighbours else replace(inputs, neighbour_x=None)
    y_hat = model(inputs.with_prompt(prompt), graph)
    expected = plain_forward(model, inputs.x, prompt, graph)
    torch.testing.assert_close(y_hat, expected, rtol=1e-5, atol=1e-5)
    got, wanted = (flat(gradients(out, model, prompt)) for out in (y_hat, expected))
    assert (got - wanted).norm() <= 1e-5 * wanted.norm()


@pytest.mark.parametrize("settings", SETTINGS)
def test_each_gradient_is_that_of_the_plain_forward_in_float64(settings):
    model, inputs, prompt, graph = case(dtype=torch.float64, **settings)
    prompt.requires_grad_()
    y_hat = model(inputs.with_prompt(prompt), graph)
    expected = plain_forward(model, inputs.x, prompt, graph)
    torch.testing.assert_close(y_hat, expected)
    torch.testing.assert_close(gradients(y_hat, model, prompt), gradients(expected, model, prompt))


def test_frozen_weights_leave_the_same_gradient_to_the_prompt():
    model, inputs, prompt, graph = case()
    prompt.requires_grad_()
    expected = plain_forward(model, inputs.x, prompt, graph)
    wanted = gradients(expected, model, prompt)[-1]
    model.requires_grad_(False)
    (got,) = gradients(model(inputs.with_prompt(prompt), graph), model, prompt)
    assert (got - wanted).norm() <= 1e-5 * wanted.norm()


def test_the_readings_get_the_gradient_of_the_plain_forward():
    model, inputs, prompt, graph = case()
    x = inputs.x.clone().requires_grad_()
    got = torch.autograd.grad(model(Inputs(x).with_prompt(prompt), graph).sum(), x)[0]
    expected = torch.autograd.grad(plain_forward(model, x, prompt, graph).sum(), x)[0]
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_autocast_to_bfloat16_stays_near_the_float32_forecast():
    model, inputs, prompt, graph = case()
    inputs = inputs.with_prompt(prompt)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = model(inputs, graph)
    full = model(inputs, graph)
    assert (half.float() - full).norm() < 0.05 * full.norm()


def test_a_bfloat16_model_trains():
    model, inputs, prompt, graph = case(dtype=torch.bfloat16)
    model(inputs.with_prompt(prompt), graph).sum().backward()
    assert model.gcn1.weight_neigh.weight.grad.isfinite().all()


def test_a_subgraph_batch_equals_a_forward_on_the_small_graph_alone():
    model, inputs, prompt, graph = case()
    nodes = torch.tensor([4, 0, 11, 7])
    small = Inputs(inputs.x[:, nodes], prompt=prompt[nodes], nodes=nodes)
    expected = plain_forward(model, inputs.x[:, nodes], prompt[nodes], graph.subgraph(nodes))
    torch.testing.assert_close(model(small, graph.subgraph(nodes)), expected, rtol=1e-5, atol=1e-5)


def test_the_prompt_does_not_reach_the_residual():
    model, inputs, prompt, _ = case()
    features = torch.zeros_like(inputs.x)
    assert torch.equal(
        model.decode(features, inputs), model.decode(features, inputs.with_prompt(prompt))
    )


def test_dropout_zeroes_forecasts_in_training_only():
    model, inputs, _, graph = case(dropout=0.5)
    dropped = (model.train()(inputs, graph) == 0).float().mean()
    assert 0.4 < dropped < 0.6
    assert not (model.eval()(inputs, graph) == 0).any()


def test_an_even_kernel_is_refused():
    with pytest.raises(ConfigError, match="kernel_size=4 is even"):
        STGNN(kernel_size=4)


def test_an_unknown_activation_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"'gleu'.*gelu, relu"):
        STGNN(activation="gleu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_the_gpu_agrees_with_the_cpu():
    model, inputs, prompt, graph = case()
    expected = model(inputs.with_prompt(prompt), graph)
    moved = Inputs(inputs.x.cuda(), inputs.neighbour_x.cuda(), prompt.cuda())
    got = model.cuda()(moved, graph.to("cuda")).cpu()
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_a_network_that_has_forecast_in_inference_mode_can_still_be_trained():
    backbone, graph = STGNN(window=5, horizon=2, hidden=7), Graph.from_dense(torch.rand(3, 3))
    x = torch.randn(2, 3, 5)
    with torch.inference_mode():
        backbone(Inputs(x), graph)
    backbone(Inputs(x), graph).sum().backward()

    assert backbone.gcn2.weight_neigh.weight.grad is not None
