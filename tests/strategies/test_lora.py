"""ST-LoRA: one layer per period, older ones and the backbone frozen."""

import torch

from eac.artifacts.checkpoint import SavedState
from eac.backbones.stbp import STBPBackbone
from eac.backbones.stgnn import STGNN
from eac.strategies.lora import LoRA
from eac.training.forecaster import Forecaster
from tests.strategies.contexts import begin, contexts, forecasts, shake
from tests.streams import tiny_stream


def strategy_of(model: Forecaster) -> LoRA:
    assert isinstance(model.strategy, LoRA)
    return model.strategy


def test_parameters_are_those_of_one_layer_after_period_0():
    model, counts = Forecaster(STGNN(), LoRA(rank=6)), []
    for context in contexts(tiny_stream()):
        begin(model, context)
        counts.append(model.parameter_counts())
    layer = 2 * 6 * 12
    assert counts == [(3308 + layer, 3308 + layer), *((layer, 3308 + n * layer) for n in (2, 3, 4))]


def test_a_new_layer_begins_by_changing_no_forecast():
    model = Forecaster(STBPBackbone(), LoRA())
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    shake(model)
    before = forecasts(model, second)
    begin(model, second)
    torch.testing.assert_close(forecasts(model, second), before)


def test_training_a_period_leaves_backbone_and_older_layers_bit_for_bit():
    model = Forecaster(STGNN(), LoRA())
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    shake(model)
    older = strategy_of(model).layers.up.detach().clone()
    begin(model, second)
    frozen = [p.detach().clone() for p in model.backbone.parameters()]
    shake(model)
    assert torch.equal(strategy_of(model).layers.settled_up, older)
    assert all(map(torch.equal, model.backbone.parameters(), frozen))


def test_a_fresh_model_takes_up_all_layers():
    model, fresh = (Forecaster(STGNN(), LoRA()) for _ in range(2))
    periods = list(contexts(tiny_stream()))
    for context in periods:
        begin(model, context)
        shake(model)
    SavedState.of(model).restore(fresh)
    assert torch.equal(forecasts(fresh, periods[-1]), forecasts(model, periods[-1]))
