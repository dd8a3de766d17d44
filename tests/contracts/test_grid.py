"""Every strategy trains every backbone, on nodes that join, leave, return and change places."""

import math
from dataclasses import dataclass, field
from functools import partial

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor

from eac.backbones.base import Backbone
from eac.data.batches.datamodule import PeriodData
from eac.data.core.stream import MemoryStream
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy
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

RATES = {"STAEformer": 1e-3, "Universal": 1e-3}
"""Learning rates of backbones whose first steps overshoot at the default one."""


def tiny_data():
    """Two training batches and one test batch in each of three periods."""
    periods = [tiny_period(f"p{i}", ids, index=i, num_steps=60) for i, ids in enumerate(CHURN)]
    stream = MemoryStream(periods, name="tiny")
    return PeriodData(stream, window=WINDOW, horizon=HORIZON, batch_size=14)


class Planned(Forecaster):
    """Keeps the plan of each period."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.plans: list[PeriodPlan] = []

    def plan_period(self, context: PeriodContext) -> PeriodPlan:
        self.plans.append(super().plan_period(context))
        return self.plans[-1]


@dataclass
class Fit:
    """What one training did.

    Attributes:
        loss: Of all training windows, before and after.
        moved: Names of the parameters and buffers that another value was found in afterwards.
        open: Numbers in each parameter that was to be trained, by name.
    """

    loss: list[float]
    moved: set[str] = field(default_factory=set)
    open: dict[str, int] = field(default_factory=dict)


class Fits(Callback):
    """Compares the model before and after each training, by period."""

    def __init__(self):
        self.by_period: dict[int, Fit] = {}
        self._before: dict[str, Tensor] = {}

    def on_train_start(self, trainer, pl_module):
        self._before = {name: value.clone() for name, value in tensors_of(pl_module).items()}
        fit = Fit([training_loss(pl_module, trainer.datamodule)])
        fit.open = {n: p.numel() for n, p in pl_module.named_parameters() if p.requires_grad}
        self.by_period[trainer.datamodule.index] = fit

    def on_train_end(self, trainer, pl_module):
        fit, before = self.by_period[trainer.datamodule.index], self._before
        after = tensors_of(pl_module)
        fit.moved = {name for name in after if not torch.equal(after[name], before[name])}
        fit.loss.append(training_loss(pl_module, trainer.datamodule))


def tensors_of(model):
    """Parameters, and the buffers of the backbone."""
    buffers = {name: b for name, b in model.named_buffers() if name.startswith("backbone.")}
    return {name: p.detach() for name, p in model.named_parameters()} | buffers


@torch.no_grad()
def training_loss(model, data):
    """The loss of all training windows at once, without anything that is drawn in training."""
    modes = {module: module.training for module in model.modules()}
    batch = data.ready.trained.tensors.batch(data.starts("train"))
    with torch.random.fork_rng():
        y_hat = model.eval().scaled_forecast(batch.inputs, batch.graph)
        loss = float(model.training_settings(data).loss(y_hat, batch))
    for module, mode in modes.items():
        module.training = mode
    return loss


@pytest.mark.parametrize("backbone", concrete(Backbone), ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("strategy", concrete(Strategy), ids=lambda cls: cls.__name__)
def test_the_strategy_trains_what_its_plan_says_of_the_backbone(strategy, backbone, tmp_path):
    optimizer = partial(torch.optim.AdamW, lr=RATES.get(backbone.__name__, 0.03))
    model = Planned(small_backbone(backbone), default_strategy(strategy), optimizer=optimizer)
    fits, base = Fits(), DefaultTrainer(max_epochs=1)

    def trainer(folder, callbacks):
        return base(folder, (*callbacks, fits))

    record = StreamRunner(model, tiny_data(), run_dir=tmp_path, make_trainer=trainer).run()

    assert [period.num_nodes for period in record.periods] == [4, 4, 5]
    assert all(math.isfinite(mae) for p in record.periods for mae in p.sensors.mae)
    assert all(p.isfinite().all() for p in model.parameters())
    trained = [index for index, plan in enumerate(model.plans) if plan.train]
    assert list(fits.by_period) == trained
    assert [p.epochs for p in record.periods] == [int(plan.train) for plan in model.plans]
    assert fits.by_period[0].loss[1] < fits.by_period[0].loss[0]
    for index, fit in fits.by_period.items():
        plan = model.plans[index]
        assert fit.moved & set(fit.open)
        assert not fit.moved & {name for name, _ in model.named_parameters()} - set(fit.open)
        if plan.freeze_backbone and not (plan.train_head or plan.train_update):
            assert not any(name.startswith("backbone.") for name in fit.open)
            assert not any(name.startswith("backbone.") for name in fit.moved)
        assert record.periods[index].trainable_parameters == sum(fit.open.values())
