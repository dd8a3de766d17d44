"""STID against a plain twin, and where its identities come from."""

from dataclasses import replace

import torch

from eac.backbones.stid import STID
from eac.data.batches.batch import Inputs
from eac.data.core.graph import Graph
from eac.data.series.clock import Clock


def inputs_of(num_nodes=3, window=5, horizon=2):
    slot = torch.arange(window + horizon) + torch.tensor([[3], [20]])
    clock = Clock(slot % 24, slot // 24, steps_per_day=24, days_per_week=7)
    return Inputs(torch.randn(2, num_nodes, window), clock=clock)


def test_it_equals_the_paper_with_the_prompt_as_node_embedding():
    model, inputs, embedding = STID(5, 2, hidden=4).eval(), inputs_of(), torch.randn(3, 4)
    rows = []
    for window in range(2):
        for node in range(3):
            last = 4  # the window's last step
            parts = [
                model.series(inputs.x[window, node]),
                embedding[node],
                model.clock.day[inputs.clock.slot[window, last]],
                model.clock.week[inputs.clock.day[window, last]],
            ]
            h = torch.cat(parts)
            for layer in model.layers:
                first, _, _, second = layer.inner
                h = h + second(torch.relu(first(h)))
            rows.append(model.readout(h))
    expected = torch.stack(rows).view(2, 3, 2)
    got = model(inputs.with_prompt(embedding), Graph.empty(3))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_prompts_are_as_wide_as_the_node_embedding():
    assert STID(hidden=16).prompt_width == 16


def test_the_published_widths_make_the_published_layers():
    model = STID()
    layers = 3 * 2 * (128 * 128 + 128)
    clock = (24 + 7) * 32
    assert sum(p.numel() for p in model.parameters()) == 13 * 32 + clock + layers + 12 * 129


def test_the_hour_changes_the_forecast_and_the_forecast_hours_do_not():
    model, inputs = STID(5, 2, hidden=4).eval(), inputs_of()
    slot = inputs.clock.slot.clone()
    slot[:, 5:] = 0
    blind = replace(inputs, clock=replace(inputs.clock, slot=slot))
    assert torch.equal(model(blind, Graph.empty(3)), model(inputs, Graph.empty(3)))
    slot[:, 4] = 11
    moved = replace(inputs, clock=replace(inputs.clock, slot=slot))
    assert not torch.equal(model(moved, Graph.empty(3)), model(inputs, Graph.empty(3)))
