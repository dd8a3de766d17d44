"""TFMoE: routing, what is trained when, and consolidation."""

import copy
from dataclasses import replace

import torch

from eac.artifacts.checkpoint import SavedState
from eac.backbones.stgnn import STGNN
from eac.data.batches.batch import Inputs
from eac.data.core.stream import MemoryStream
from eac.strategies.tfmoe import TFMoE
from eac.training.forecaster import Forecaster
from tests.strategies.contexts import begin, contexts, forecasts, shake
from tests.streams import tiny_period, tiny_stream


def strategy_of(model: Forecaster) -> TFMoE:
    assert isinstance(model.strategy, TFMoE)
    return model.strategy


def model_with(**settings):
    torch.manual_seed(0)
    return Forecaster(STGNN(), TFMoE(experts=2, **settings))


def loss_of(model, context):
    """The penalty of one training step."""
    batch = context.current.tensors.batch(torch.arange(8))
    model.train().scaled_forecast(batch.inputs, batch.graph)
    penalty = strategy_of(model).penalty(model.backbone)
    assert penalty is not None
    return penalty.item()


def learned_on(model, context):
    """Rows the loss counts."""
    rows = model.plan_period(context).loss_nodes
    assert rows is not None
    return rows.tolist()


def test_experts_begin_by_changing_no_forecast():
    model = model_with()
    context = next(contexts(tiny_stream(missing=True)))
    begin(model, context)
    batch = context.current.tensors.batch(torch.tensor([0, 5, 80]))
    assert torch.equal(forecasts(model, context), model.backbone(batch.inputs, batch.graph))


def test_each_expert_speaks_as_far_as_the_window_is_its_own():
    strategy = strategy_of(model_with())
    with torch.no_grad():
        for k in range(2):
            vae = dict(strategy.autoencoders[k].named_parameters())
            predictor = dict(strategy.predictors[k].named_parameters())
            for parameter in (*vae.values(), *predictor.values()):
                parameter.zero_()
            vae["decoder.2.bias"].fill_(2.0 * k)  # explains windows of zeros, of twos
            predictor["out.bias"].fill_(10.0 * (k + 1))
    x = torch.tensor([0.0, 2.0, 1.0])[None, :, None].expand(1, 3, 12)
    got = strategy.eval().adapt_features(torch.zeros(1, 3, 12), Inputs(x))[0, :, 0]
    torch.testing.assert_close(got, torch.tensor([10.0, 20.0, 15.0]))


def test_later_periods_learn_on_joined_nodes_and_those_explained_worst():
    quiet, loud = tiny_period("p0", "abcd"), tiny_period("p1", "dabce", index=1)
    series = loud.series.clone()
    series[60:80, 2] += 300.0 * torch.randn(20)  # node b, within the training part
    stream = MemoryStream([quiet, replace(loud, series=series)], name="drift")
    first, second = contexts(stream)
    model = model_with(replay_share=0.2)
    assert model.plan_period(first).loss_nodes is None
    assert learned_on(model, second) == [2, 4]


def test_a_period_without_nodes_to_learn_on_is_skipped():
    _, second = contexts(tiny_stream(["abcd", "dba"]))
    assert not model_with(replay_share=0.0).plan_period(second).train


def test_without_replay_nodes_that_joined_are_learned_on_once():
    _, second = contexts(tiny_stream(["abcd", "edbac"]))
    assert learned_on(model_with(replay_share=0.0), second) == [0]


def test_planning_changes_nothing_and_is_repeatable():
    model = model_with()
    before = SavedState.of(model)
    _, second, *_ = contexts(tiny_stream(missing=True))
    assert learned_on(model.train(), second) == learned_on(model.train(), second)
    assert all(torch.equal(v, before.tensors[k]) for k, v in SavedState.of(model).tensors.items())


def test_the_penalty_needs_a_batch_and_counts_it_once():
    model = model_with()
    context = next(contexts(tiny_stream()))
    begin(model, context)
    assert strategy_of(model).penalty(model.backbone) is None
    assert loss_of(model, context) > 0
    assert strategy_of(model).penalty(model.backbone) is None


def test_consolidation_counts_only_later_and_grows_as_autoencoders_move_away():
    model = model_with(reconstruction_weight=0.0)
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    assert loss_of(model, first) == 0
    shake(model)
    strategy_of(model).end_period(first, model.backbone)
    begin(model, second)
    torch.manual_seed(1)
    near = loss_of(model, second)
    shake(model, seed=1)
    torch.manual_seed(1)
    assert loss_of(model, second) > near > 0


def test_what_is_remembered_is_not_trained_and_follows_the_end_of_a_period():
    model = model_with()
    context = next(contexts(tiny_stream()))
    begin(model, context)
    old = copy.deepcopy(strategy_of(model).remembered.state_dict())
    shake(model)
    strategy = strategy_of(model)
    assert all(torch.equal(v, old[k]) for k, v in strategy.remembered.state_dict().items())
    strategy.end_period(context, model.backbone)
    now = strategy.autoencoders.state_dict()
    assert all(torch.equal(v, now[k]) for k, v in strategy.remembered.state_dict().items())


def test_the_backbone_is_frozen_later_unless_asked():
    _, second, *_ = contexts(tiny_stream())
    assert model_with().plan_period(second).freeze_backbone
    assert not model_with(freeze_backbone=False).plan_period(second).freeze_backbone


def test_a_trained_model_can_be_copied_and_restored():
    model, fresh = model_with(), model_with()
    periods = list(contexts(tiny_stream(missing=True)))
    for context in periods:
        begin(model, context)
        loss_of(model, context)
        shake(model)
    SavedState.of(copy.deepcopy(model)).restore(fresh)
    assert torch.equal(forecasts(fresh, periods[-1]), forecasts(model, periods[-1]))
