"""What every strategy promises: plans change nothing, order does not count, runs can be stopped."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, seed_everything
from torch import Tensor

from eac.artifacts.checkpoint import SavedState
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core.stream import MemoryStream
from eac.records.folders import done_folders
from eac.records.record import read_period
from eac.rundir.requests import Request, ask
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.contracts.discovered import HORIZON, WINDOW, concrete, default_strategy
from tests.streams import tiny_period

CHURN = ("abcde", "ecfba", "bdfxea")
"""Node f joins and d leaves; then x joins, d returns and c leaves; the order always changes."""

EPOCHS = 2

ORDER_COUNTS = {
    "PECPM": "starts its clusters of windows from windows drawn by row",
    "STBP": "drops out features by row while it trains",
    "STKEC": "starts its clusters of nodes from nodes drawn by row, and replays nodes drawn by row",
    "TFMoE": "draws the noise of its autoencoders by row while it trains",
}
"""Strategies that draw by row, so that another order of nodes is another draw."""


def tiny_periods() -> MemoryStream:
    """Three periods of 120 steps: two training batches and one test batch in each."""
    return MemoryStream(
        [tiny_period(f"p{i}", ids, index=i, num_steps=120) for i, ids in enumerate(CHURN)],
        name="tiny",
    )


def in_another_order() -> MemoryStream:
    """The same periods, the nodes of each in reverse order."""
    periods = [period.permute(torch.arange(period.num_nodes).flip(0)) for period in tiny_periods()]
    return MemoryStream(periods, name="tiny")


def bits(value: Any, name: str = "") -> dict[str, bytes]:
    """Every tensor below ``value``, as bytes, by its path."""
    if isinstance(value, Tensor):
        return {name: value.detach().numpy().tobytes()}
    if is_dataclass(value):
        inner = {part.name: getattr(value, part.name) for part in fields(value)}
    elif isinstance(value, dict):
        inner = value
    elif isinstance(value, list | tuple):
        inner = dict(enumerate(value))
    else:
        return {}
    found: dict[str, bytes] = {}
    for key, part in inner.items():
        found |= bits(part, f"{name}/{key}")
    return found


def state_of(model: Forecaster) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Bits of all parameters, buffers and extra states, and the rest of the extra states."""
    state = SavedState.of(model)
    return bits(state.tensors), state.extra


class Watched(Forecaster):
    """Plans each period twice, and keeps what there was before and after each time."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.plans: list[tuple[PeriodPlan, ...]] = []
        self.found: list[list[Any]] = []

    def plan_period(self, context: PeriodContext) -> PeriodPlan:
        found, plans = [self._everything(context)], []
        for _ in range(2):
            plans.append(super().plan_period(context))
            found.append(self._everything(context))
        self.found.append(found)
        self.plans.append(tuple(plans))
        return plans[0]

    def _everything(self, context: PeriodContext) -> list[Any]:
        modes = [module.training for module in self.modules()]
        learned = [parameter.requires_grad for parameter in self.parameters()]
        views = bits([context.current, context.previous])
        return [state_of(self), modes, learned, views, bits(torch.get_rng_state())]


class Forecasts(Callback):
    """Keeps what is forecast in the test of each period, by node id."""

    def __init__(self):
        self.by_id: dict[tuple[str, str], list[Tensor]] = {}

    def on_test_batch_end(self, trainer, pl_module, outputs, *args):
        period = trainer.datamodule.period
        for node, y_hat in zip(period.node_ids, outputs["y_hat"].unbind(1), strict=True):
            self.by_id.setdefault((period.name, node), []).append(y_hat)


class StoppedError(Exception):
    """Stands for a kill."""


class StopInTheSecondPeriod(Callback):
    """Raises after the first epoch of the second period, or at its test if nothing is trained."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            self.on_test_start(trainer, pl_module)

    def on_test_start(self, trainer, pl_module):
        if trainer.datamodule.index == 1:
            raise StoppedError


def run(
    strategy: type[Strategy],
    directory: Path,
    stream: MemoryStream,
    *extra: Callback,
    model: type[Forecaster] = Forecaster,
) -> Forecaster:
    """Runs over the stream, and returns the model as the last period leaves it."""
    seed_everything(7, verbose=False)
    forecaster = model(STGNN(WINDOW, HORIZON, hidden=8), default_strategy(strategy))
    data = PeriodData(stream, window=WINDOW, horizon=HORIZON, seed=7, batch_size=32)
    base = DefaultTrainer(max_epochs=EPOCHS)

    def trainer(folder, callbacks):
        return base(folder, (*callbacks, *extra))

    StreamRunner(forecaster, data, run_dir=directory, make_trainer=trainer).run()
    return forecaster


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Gives the watched and uninterrupted run of a strategy, run once, and its forecasts."""

    @cache
    def of(strategy: type[Strategy]) -> tuple[Watched, Forecasts]:
        forecasts, directory = Forecasts(), tmp_path_factory.mktemp(strategy.__name__)
        return run(strategy, directory, tiny_periods(), forecasts, model=Watched), forecasts

    return of


def strategies(broken: dict[str, str]) -> list[Any]:
    """Every strategy by name; one that is known to break the promise must go on breaking it."""

    def marks(name: str) -> Sequence[pytest.MarkDecorator]:
        return [pytest.mark.xfail(strict=True, reason=broken[name])] if name in broken else []

    return [
        pytest.param(cls, id=cls.__name__, marks=marks(cls.__name__)) for cls in concrete(Strategy)
    ]


def answers(plan: PeriodPlan) -> tuple[dict[str, bytes], dict[str, Any]]:
    """What a plan says, its tensors as bits."""
    said = {part.name: getattr(plan, part.name) for part in fields(plan)}
    return bits(said), {name: x for name, x in said.items() if not isinstance(x, Tensor)}


@pytest.mark.parametrize("strategy", strategies({}))
def test_a_plan_changes_nothing_and_comes_out_the_same_again(strategy, whole):
    model, _ = whole(strategy)
    assert len(model.plans) == len(CHURN)
    for before, after, after_again in model.found:
        assert after == before
        assert after_again == before
    for plan, again in model.plans:
        assert answers(again) == answers(plan)


@pytest.mark.parametrize("strategy", strategies(ORDER_COUNTS))
def test_another_order_of_nodes_gives_each_node_the_same_forecasts(strategy, whole, tmp_path):
    _, ours = whole(strategy)
    theirs = Forecasts()
    run(strategy, tmp_path, in_another_order(), theirs)
    assert len(ours.by_id) == sum(map(len, CHURN))
    torch.testing.assert_close(theirs.by_id, ours.by_id, rtol=1e-4, atol=0)


@pytest.mark.parametrize("strategy", strategies({}))
def test_a_run_stopped_in_the_second_period_ends_in_the_same_bits(strategy, whole, tmp_path):
    """Plans each period once, the whole run twice: so that counts for nothing either."""
    model, _ = whole(strategy)
    with pytest.raises(StoppedError):
        run(strategy, tmp_path, tiny_periods(), StopInTheSecondPeriod())
    assert not (tmp_path / "period-01-p1" / "metrics.json").exists()
    assert state_of(run(strategy, tmp_path, tiny_periods())) == state_of(model)


class Moved(Callback):
    """Asks for everything after the first period; keeps what the second changed in the backbone."""

    def __init__(self, run_dir: Path):
        self.run_dir = run_dir
        self.before: dict[str, Tensor] = {}
        self.names: set[str] = set()

    def on_test_end(self, trainer, pl_module):
        if trainer.datamodule.index == 0:
            ask(self.run_dir, Request("refresh everything", "network drift", "all rose"))

    def on_train_start(self, trainer, pl_module):
        if trainer.datamodule.index == 1:
            self.before = {n: p.detach().clone() for n, p in pl_module.backbone.named_parameters()}

    def on_train_end(self, trainer, pl_module):
        if trainer.datamodule.index == 1:
            now = dict(pl_module.backbone.named_parameters())
            names = [n for n, p in self.before.items() if not torch.equal(p, now[n])]
            plain = (name.replace("parametrizations.", "") for name in names)
            self.names = {name.removesuffix(".original") for name in plain}


@pytest.mark.parametrize("strategy", strategies({}))
def test_a_period_that_is_asked_to_refresh_everything_trains_the_whole_backbone(strategy, tmp_path):
    moved, two = Moved(tmp_path), MemoryStream(list(tiny_periods())[:2], name="tiny")
    run(strategy, tmp_path, two, moved)
    assert moved.names >= {name for name, _ in STGNN(WINDOW, HORIZON, hidden=8).named_parameters()}
    notes = [read_period(folder).notes for _, folder in done_folders(tmp_path)]
    assert "asked to refresh everything: network drift" not in notes[0]
    assert notes[1][0] == "asked to refresh everything: network drift"
