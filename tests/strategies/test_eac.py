"""EAC over periods whose sensors change altogether."""

import torch

from eac.backbones.stgnn import STGNN
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from tests.strategies.contexts import begin, contexts, shake
from tests.streams import tiny_stream


def test_what_prompts_have_in_common_outlives_a_full_change_of_sensors():
    torch.manual_seed(0)
    model = Forecaster(STGNN(hidden=8), EAC(rank=2))
    first, second, third = contexts(tiny_stream(["abcd", "efgh", "abef"]))
    begin(model, first)
    shake(model)
    pool = model.strategy.pool
    rows = pool.rows(["a", "b"])
    basis, learned = pool.basis.clone(), pool(rows).detach().clone()
    for context, before in ((second, first), (third, second)):
        model.strategy.end_training(before, model.backbone)
        model.strategy.end_period(before, model.backbone)
        begin(model, context)
        assert torch.equal(pool.basis, basis)
    assert torch.equal(pool(pool.rows(["a", "b"])), learned)
