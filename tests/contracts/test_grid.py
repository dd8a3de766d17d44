"""Every strategy trains every backbone, on nodes that join, leave, return and change places."""

import math

import pytest
import torch

from eac.backbones.base import Backbone
from eac.data.batches.datamodule import PeriodData
from eac.data.core.stream import MemoryStream
from eac.strategies.base import Strategy
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.contracts.discovered import (
    HORIZON,
    WINDOW,
    concrete,
    default_strategy,
    small_backbone,
)
from tests.streams import tiny_period

CHURN = ("abcd", "caeb", "edxbc")
"""Node e joins and d leaves; then x joins, d returns and a leaves; the order always changes."""


def tiny_data():
    """Two training batches and one test batch in each of three periods."""
    periods = [tiny_period(f"p{i}", ids, index=i, num_steps=60) for i, ids in enumerate(CHURN)]
    stream = MemoryStream(periods, name="tiny")
    return PeriodData(stream, window=WINDOW, horizon=HORIZON, batch_size=14)


@pytest.mark.parametrize("backbone", concrete(Backbone), ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("strategy", concrete(Strategy), ids=lambda cls: cls.__name__)
def test_the_strategy_trains_the_backbone_over_the_stream(strategy, backbone, tmp_path):
    model = Forecaster(small_backbone(backbone), default_strategy(strategy))
    before = [p.detach().clone() for p in model.backbone.parameters()]
    trainer = DefaultTrainer(max_epochs=1)
    record = StreamRunner(model, tiny_data(), run_dir=tmp_path, make_trainer=trainer).run()
    assert [period.num_nodes for period in record.periods] == [4, 4, 5]
    assert record.periods[0].epochs == 1
    assert all(math.isfinite(mae) for p in record.periods for mae in p.sensors.mae)
    after = list(model.backbone.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))
    assert all(p.isfinite().all() for p in model.parameters())
