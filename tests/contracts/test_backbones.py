"""What every backbone keeps, found by discovery."""

import inspect
from dataclasses import replace

import pytest
import torch
import yaml

from eac.backbones.base import Backbone
from eac.data.batches.batch import Inputs
from eac.data.core.graph import Graph
from eac.data.core.windows import gather
from eac.data.series.clock import Clock
from tests.contracts.discovered import HORIZON, WINDOW, backbone_makers, concrete

BACKBONES = concrete(Backbone)
MAKERS = backbone_makers()
BATCH = 4


@pytest.fixture(params=MAKERS)
def make_backbone(request):
    return MAKERS[request.param]


@pytest.fixture
def backbone(make_backbone):
    return make_backbone().eval()


def path_graph(num_nodes):
    """Each node hears the one before and the one after it."""
    row = torch.arange(num_nodes - 1)
    edges = torch.cat([torch.stack([row, row + 1]), torch.stack([row + 1, row])], dim=1)
    return Graph(num_nodes, edges, torch.rand(edges.shape[1]) + 0.5)


def directed_graph(num_nodes):
    """Edges at random; the last two nodes are isolated."""
    matrix = torch.rand(num_nodes, num_nodes) * (torch.rand(num_nodes, num_nodes) < 0.4)
    matrix[-2:], matrix[:, -2:] = 0, 0
    return Graph.from_dense(matrix)


def make_inputs(backbone, num_nodes, dtype=torch.float32):
    """Everything that a batch can hold but history."""
    x = torch.randn(BATCH, num_nodes, WINDOW, dtype=dtype)
    slot = torch.arange(WINDOW + HORIZON) + 7 * torch.arange(BATCH)[:, None]
    return Inputs(
        x=x,
        prompt=torch.randn(num_nodes, backbone.prompt_width, dtype=dtype),
        observed=torch.ones_like(x, dtype=torch.bool),
        clock=Clock(slot % 24, slot // 24 % 7, steps_per_day=24, days_per_week=7),
    )


def choose(inputs, nodes):
    """The same inputs for some of the nodes, in another order."""
    return replace(
        inputs,
        x=inputs.x[:, nodes],
        prompt=inputs.prompt[nodes],
        observed=inputs.observed[:, nodes],
        nodes=nodes,
    )


def assert_same(got, expected):
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_features_and_forecasts_have_the_declared_shapes(backbone):
    inputs, graph = make_inputs(backbone, 9), directed_graph(9)
    features = backbone.encode(inputs, graph)
    assert features.shape == (BATCH, 9, backbone.hidden)
    assert backbone.decode(features, inputs).shape == (BATCH, 9, HORIZON)
    assert (backbone.window, backbone.horizon) == (WINDOW, HORIZON)


@pytest.mark.parametrize("backbone_class", BACKBONES, ids=lambda cls: cls.__name__)
def test_its_constructor_takes_window_and_horizon_and_defaults_for_the_rest(backbone_class):
    arguments = inspect.signature(backbone_class).parameters
    assert {"window", "horizon"} <= set(arguments)
    assert all(argument.default is not argument.empty for argument in arguments.values())


def test_a_window_without_prompt_clock_or_mask_is_enough(backbone):
    graph = directed_graph(9)
    assert backbone(Inputs(torch.randn(BATCH, 9, WINDOW)), graph).isfinite().all()


def test_no_prompt_is_a_prompt_of_zeros(backbone):
    inputs, graph = make_inputs(backbone, 9), directed_graph(9)
    zeros = replace(inputs, prompt=torch.zeros_like(inputs.prompt))
    assert_same(backbone(replace(inputs, prompt=None), graph), backbone(zeros, graph))


def test_the_prompt_changes_the_forecast_through_encode_alone(backbone):
    inputs, graph = make_inputs(backbone, 9), directed_graph(9)
    bare = replace(inputs, prompt=None)
    features = backbone.encode(inputs, graph)
    assert torch.equal(backbone.decode(features, inputs), backbone.decode(features, bare))
    assert not torch.allclose(backbone(inputs, graph), backbone(bare, graph))


def test_the_prompt_of_a_node_changes_its_own_forecast(backbone):
    inputs, graph = make_inputs(backbone, 9), directed_graph(9)
    prompt = inputs.prompt.clone()
    prompt[8] += 1
    changed = backbone(inputs, graph) - backbone(replace(inputs, prompt=prompt), graph)
    assert changed[:, 8].abs().max() > 1e-6


def test_gradients_reach_every_parameter(backbone):
    inputs, graph = make_inputs(backbone, 9), directed_graph(9)
    backbone.train()(inputs, graph).square().sum().backward()
    without = [n for n, p in backbone.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_frozen_it_stays_the_same_and_still_teaches_the_prompt(backbone):
    inputs, graph = make_inputs(backbone, 9), directed_graph(9)
    backbone.train().requires_grad_(False)
    before = state_of(backbone)
    inputs.prompt.requires_grad_()
    for _ in range(2):
        backbone(inputs, graph).square().sum().backward()
    assert inputs.prompt.grad.any()
    assert inputs.prompt.grad.isfinite().all()
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


def test_nodes_in_another_order_get_the_same_forecasts_in_that_order(backbone):
    inputs, graph, order = make_inputs(backbone, 9), directed_graph(9), torch.randperm(9)
    expected = backbone(inputs, graph)[:, order]
    assert_same(backbone(choose(inputs, order), graph.permute(order)), expected)


def test_windows_of_a_batch_do_not_influence_each_other(backbone):
    inputs, graph = make_inputs(backbone, 9), directed_graph(9)
    clock = replace(inputs.clock, slot=inputs.clock.slot[2:3], day=inputs.clock.day[2:3])
    alone = replace(inputs, x=inputs.x[2:3], observed=inputs.observed[2:3], clock=clock)
    assert_same(backbone(alone, graph), backbone(inputs, graph)[2:3])


def test_nothing_measured_and_no_edges_give_finite_forecasts_and_gradients(backbone):
    inputs = make_inputs(backbone, 5)
    missing = torch.zeros_like(inputs.observed)
    inputs = replace(inputs, x=torch.zeros_like(inputs.x), observed=missing)
    y_hat = backbone.train()(inputs, Graph.empty(5))
    y_hat.square().sum().backward()
    assert y_hat.isfinite().all()
    assert all(p.grad.isfinite().all() for p in backbone.parameters() if p.grad is not None)


def test_edges_of_weight_zero_give_finite_forecasts(backbone):
    graph = path_graph(5)
    silent = Graph(5, graph.edge_index, torch.zeros_like(graph.edge_weight))
    assert backbone(make_inputs(backbone, 5), silent).isfinite().all()


def hearing(backbone):
    """Largest change of each node's forecast when the readings of node 0 change, on a path."""
    num_nodes = (backbone.needs.hops or 0) + 4
    inputs = make_inputs(backbone.double(), num_nodes, torch.float64)
    graph, x = path_graph(num_nodes), inputs.x.clone()
    x[:, 0] += 3
    change = backbone(replace(inputs, x=x), graph) - backbone(inputs, graph)
    return change.detach().abs().amax(dim=(0, 2))


def test_a_node_hears_as_far_as_declared_and_no_further(backbone):
    change = hearing(backbone)
    if backbone.needs.hops is None:
        assert (change > 0).all()
    else:
        assert change[backbone.needs.hops] > 0
        assert (change[backbone.needs.hops + 1 :] == 0).all()


def test_a_subgraph_as_wide_as_it_hears_gives_the_same_forecast(backbone):
    if backbone.needs.hops is None:
        pytest.skip(f"{type(backbone).__name__} declares that a node may hear all others")
    num_nodes, node = 2 * backbone.needs.hops + 7, backbone.needs.hops + 3
    inputs, graph = make_inputs(backbone, num_nodes), path_graph(num_nodes)
    nodes = graph.k_hop_subgraph(torch.tensor([node]), backbone.needs.hops)
    position = nodes.tolist().index(node)
    small = backbone(choose(inputs, nodes), graph.subgraph(nodes))
    assert_same(small[:, position], backbone(inputs, graph)[:, node])


@pytest.mark.parametrize("num_nodes", [1, 2, 13])
def test_the_same_weights_serve_any_number_of_nodes(backbone, num_nodes):
    backbone(make_inputs(backbone, 9), directed_graph(9))
    y_hat = backbone(make_inputs(backbone, num_nodes), path_graph(num_nodes))
    assert y_hat.shape == (BATCH, num_nodes, HORIZON)
    assert y_hat.isfinite().all()


def test_no_parameter_has_the_size_of_the_network(backbone):
    before = {name: value.shape for name, value in backbone.state_dict().items()}
    backbone(make_inputs(backbone, 13), directed_graph(13))
    assert {name: value.shape for name, value in backbone.state_dict().items()} == before


def test_a_saved_state_gives_the_same_forecasts_to_another_instance(backbone, make_backbone):
    inputs, graph = make_inputs(backbone, 9), directed_graph(9)
    other = make_backbone().eval()
    other.load_state_dict(backbone.state_dict(), strict=True)
    assert torch.equal(other(inputs, graph), backbone(inputs, graph))


def test_a_seed_decides_weights_and_forecasts(make_backbone):
    def once():
        torch.manual_seed(11)
        model = make_backbone().train()
        return model(make_inputs(model, 9), directed_graph(9))

    assert torch.equal(once(), once())


def test_the_graph_applied_once_to_the_series_changes_nothing(backbone):
    graph, series, starts = directed_graph(9), torch.randn(20, 9), torch.tensor([0, 3, 8, 14])
    if backbone.needs.neighbours is None:
        pytest.skip(f"{type(backbone).__name__} asks for nothing")
    near = backbone.needs.neighbours(series, graph)
    inputs = Inputs(gather(series, starts, WINDOW))
    helped = replace(inputs, neighbour_x=gather(near, starts, WINDOW))
    assert_same(backbone(helped, graph), backbone(inputs, graph))


def test_arguments_are_left_as_they_were(backbone):
    inputs, graph = make_inputs(backbone, 9), directed_graph(9)
    before = inputs.x.clone(), inputs.prompt.clone(), graph.edge_weight.clone()
    backbone(inputs, graph)
    assert torch.equal(inputs.x, before[0])
    assert torch.equal(inputs.prompt, before[1])
    assert torch.equal(graph.edge_weight, before[2])


def test_every_overlay_names_a_backbone_and_its_own_settings(repository):
    known = {cls.__name__: cls for cls in BACKBONES}
    paths = sorted((repository / "configs/backbones").glob("*.yaml"))
    assert paths
    for path in paths:
        named = yaml.safe_load(path.read_text())["model"]["backbone"]
        cls = known[named["class_path"].rsplit(".", 1)[-1]]
        assert set(named.get("init_args", {})) <= set(inspect.signature(cls).parameters), path.name
