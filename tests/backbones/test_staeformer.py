"""STAEformer: what attends to what, and where the adaptive embedding comes from."""

import pytest
import torch

from eac.backbones.staeformer import STAEformer
from eac.data.batches.batch import Inputs
from eac.data.core.graph import Graph
from eac.errors import ConfigError

SMALL = {"hidden": 4, "adaptive": 4, "num_layers": 1, "feed_forward": 8}
NO_GRAPH = Graph.empty(3)


def test_prompts_hold_an_embedding_for_every_step():
    assert STAEformer(window=12, adaptive=80).prompt_width == 960


def test_the_prompt_stands_beside_the_readings_step_by_step():
    model = STAEformer(5, 2, **SMALL).eval()
    model.along_time, model.among_nodes = torch.nn.Identity(), torch.nn.Identity()
    prompt = torch.arange(3 * 5 * 4.0).view(3, 20)
    features = model.encode(Inputs(torch.zeros(1, 3, 5), prompt=prompt), NO_GRAPH)
    assert features.shape == (1, 3, 5 * 16)
    assert torch.equal(features.view(3, 5, 16)[1, 2, 12:], prompt[1, 8:12])


def test_layers_along_time_keep_nodes_apart_and_layers_among_nodes_keep_steps_apart():
    model, x = STAEformer(5, 2, **SMALL).eval(), torch.zeros(1, 3, 5)
    changed = x.clone()
    changed[0, 0, 0] = 3

    def moved():
        steps = [model.encode(Inputs(v), NO_GRAPH).view(3, 5, 16) for v in (changed, x)]
        return (steps[0] - steps[1]).abs().amax(-1) > 1e-6

    among_nodes, model.among_nodes = model.among_nodes, torch.nn.Identity()
    assert moved().tolist() == [[True] * 5, [False] * 5, [False] * 5]
    model.along_time, model.among_nodes = torch.nn.Identity(), among_nodes
    assert moved().tolist() == [[True] + [False] * 4] * 3


def test_the_graph_is_not_used():
    model, inputs = STAEformer(5, 2, **SMALL).eval(), Inputs(torch.randn(2, 3, 5))
    assert torch.equal(model(inputs, Graph.from_dense(torch.ones(3, 3))), model(inputs, NO_GRAPH))


def test_the_published_size_without_what_is_particular_to_nodes():
    width, feed_forward = 152, 256
    attention = 4 * (width * width + width)
    layer = attention + 2 * width * feed_forward + feed_forward + width + 4 * width
    embeddings = (3 * 24 + 24) + (24 + 7) * 24
    count = 6 * layer + embeddings + 12 * (12 * width + 1)
    assert sum(p.numel() for p in STAEformer().parameters()) == count


def test_layers_begin_with_different_weights():
    first, second = (layer.linear1.weight for layer in STAEformer(num_layers=2).along_time)
    assert not torch.equal(first, second)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ConfigError, match="num_heads=5"):
        STAEformer(num_heads=5)
