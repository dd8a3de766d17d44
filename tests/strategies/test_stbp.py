"""STBP: the bank by node id, what is frozen, and the sizes of the published network."""

import pytest
import torch

from eac.artifacts.checkpoint import SavedState
from eac.backbones.stbp import STBPBackbone
from eac.backbones.stgnn import STGNN
from eac.data.batches.batch import Inputs
from eac.data.core.graph import Graph
from eac.strategies.stbp import STBP
from eac.training.forecaster import Forecaster
from tests.strategies.contexts import begin, contexts, forecasts, shake
from tests.streams import tiny_period, tiny_stream

FIRST = 12 * 64 + 64 + 12 * 64 + 2 * 33
SECOND = 64 * 12 + 12 + 64 * 12 + 2 * 7
BLOCK = 6 * (64 * 64 + 64)
READOUT = 12 * 12 + 12
ROW = 3 * 64


def strategy_of(model: Forecaster) -> STBP:
    assert isinstance(model.strategy, STBP)
    return model.strategy


def model_with(backbone=None, **settings):
    return Forecaster(backbone or STBPBackbone(attention=False), STBP(seed=1, **settings))


def test_parameters_are_those_of_the_published_layers_and_a_row_per_node():
    model = model_with()
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    assert model.parameter_counts()[0] == FIRST + SECOND + BLOCK + READOUT + 4 * ROW
    begin(model, second)
    assert model.parameter_counts()[0] == 5 * ROW


def test_tuning_new_rows_trains_those_alone_and_skips_a_period_without():
    model = model_with(STGNN(), tune="new")
    plans, counts = [], []
    for context in contexts(tiny_stream()):
        plans.append(model.plan_period(context).train)
        begin(model, context)
        counts.append(model.parameter_counts()[0])
    assert plans == [True, True, True, False]
    assert counts[1:3] == [3 * 12, 3 * 12]


def test_a_returning_node_finds_its_row():
    model = model_with()
    rows = {}
    for context in contexts(tiny_stream()):
        begin(model, context)
        bank = strategy_of(model).bank
        now = dict(zip(bank.node_ids, bank.prompts(), strict=True))
        assert all(torch.equal(now[node], rows[node]) for node in now if node in rows)
        assert set(now) == set(context.current.period.node_ids)
        shake(model)
        rows |= dict(zip(bank.node_ids, bank.prompts(), strict=True))
    assert set(rows) == set("abcdex")


def test_a_node_without_a_row_keeps_its_features():
    model = model_with()
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    model.select_nodes(second.current.period.node_ids)
    stranger = second.current.period.node_ids.index("e")
    batch = second.current.tensors.batch(torch.tensor([0]))
    features = torch.randn(1, 5, 64)
    out = strategy_of(model.eval()).adapt_features(features, batch.inputs)
    same = (out == features).all(-1)[0]
    assert same.nonzero().flatten().tolist() == [stranger]


def test_nodes_listed_in_another_order_get_the_same_forecasts():
    model, order = model_with(), torch.tensor([3, 1, 0, 2])
    (context,) = contexts(tiny_stream(["abcd"]))
    begin(model, context)
    shake(model)
    batch = context.current.tensors.batch(torch.tensor([0, 9]))
    expected = model.eval().scaled_forecast(batch.inputs, batch.graph)
    model.select_nodes(tiny_period("p", "abcd").permute(order).node_ids)
    got = model.scaled_forecast(Inputs(batch.inputs.x[:, order]), batch.graph.permute(order))
    torch.testing.assert_close(got, expected[:, order])


def test_a_fresh_model_takes_up_the_bank():
    model, fresh = model_with(tune="new"), model_with(tune="new")
    periods = list(contexts(tiny_stream()))
    for context in periods:
        begin(model, context)
        shake(model)
    SavedState.of(model).restore(fresh)
    fresh.select_nodes(periods[-1].current.period.node_ids)
    assert torch.equal(forecasts(fresh, periods[-1]), forecasts(model, periods[-1]))


def test_the_backbone_alone_has_a_block_and_ignores_the_graph():
    backbone, x = STBPBackbone().eval(), torch.randn(2, 4, 12)
    assert sum(p.numel() for p in backbone.parameters()) == FIRST + BLOCK + SECOND + READOUT
    ring = tiny_period("p", "abcd").graph
    assert torch.equal(backbone(Inputs(x), ring), backbone(Inputs(x), Graph.empty(4)))


def test_the_prompt_reaches_the_features_but_not_the_residual():
    backbone, x = STBPBackbone().eval(), torch.randn(2, 4, 12)
    plain, prompted = Inputs(x), Inputs(x).with_prompt(torch.ones(4, 12))
    features = backbone.encode(prompted, Graph.empty(4))
    torch.testing.assert_close(features, backbone.encode(Inputs(x + 1), Graph.empty(4)))
    assert torch.equal(backbone.decode(features, prompted), backbone.decode(features, plain))


@pytest.mark.parametrize("num_nodes", [1, 40])
def test_the_backbone_takes_any_number_of_nodes_and_other_windows(num_nodes):
    backbone = STBPBackbone(window=7, horizon=3, hidden=9)
    y_hat = backbone(Inputs(torch.zeros(2, num_nodes, 7)), Graph.empty(num_nodes))
    assert y_hat.shape == (2, num_nodes, 3)
    assert y_hat.isfinite().all()
