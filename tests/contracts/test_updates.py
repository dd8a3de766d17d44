"""What every strategy with a frozen backbone keeps when the backbone is given updates."""

from functools import cache
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, seed_everything
from torch import Tensor

from eac.artifacts.checkpoint import SavedState, load_state, load_tensors, write_state
from eac.backbones.stgnn import STGNN
from eac.continual.updates import Compression, Expansion, merge_updates
from eac.data.batches.datamodule import PeriodData
from eac.nn.low_rank_update import updates
from eac.records.record import read_run
from eac.strategies.base import PeriodContext, Strategy
from eac.strategies.compressed import Compressed
from eac.strategies.eac import EAC
from eac.strategies.wrapper import Wrapper
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.contracts.discovered import HORIZON, WINDOW, backbone_makers, concrete, default_strategy
from tests.strategies.contexts import begin, contexts, shake
from tests.streams import CHURN, tiny_stream

MAKERS = backbone_makers()


@cache
def periods() -> tuple[PeriodContext, ...]:
    return tuple(contexts(tiny_stream(), window=WINDOW, horizon=HORIZON))


@cache
def freezing() -> tuple[type[Strategy], ...]:
    """Strategies that freeze the backbone in later periods, found by asking them."""
    found = []
    for cls in concrete(Strategy):
        if issubclass(cls, Wrapper):
            continue
        model = Forecaster(MAKERS["STGNN"](), default_strategy(cls))
        begin(model, periods()[0])
        if model.plan_period(periods()[1]).freeze_backbone:
            found.append(cls)
    return tuple(found)


@torch.no_grad()
def forecast(model: Forecaster, context: PeriodContext) -> Tensor:
    """Scaled forecasts of one window of all nodes."""
    batch = context.current.tensors.batch(torch.tensor([5]))
    return model.eval().scaled_forecast(batch.inputs, batch.graph)


@pytest.mark.parametrize("make_backbone", MAKERS.values(), ids=MAKERS)
def test_an_update_of_zero_changes_no_bit_and_a_trained_one_does(make_backbone):
    first, second, *_ = periods()
    for strategy in freezing():
        model = Forecaster(make_backbone(), Compressed(default_strategy(strategy), rank=1))
        begin(model, first)
        begin(model, second)
        started = forecast(model, second)
        pairs = [update for update, _ in updates(model.backbone).values()]
        for update in pairs:
            torch.nn.init.ones_(update.up)
        assert not torch.equal(forecast(model, second), started), strategy
        for update in pairs:
            update.renew(update.down[:0])
        assert torch.equal(forecast(model, second), started), strategy


@pytest.mark.parametrize("make_backbone", MAKERS.values(), ids=MAKERS)
def test_a_saved_state_with_updates_gives_the_same_bits_to_a_fresh_model(make_backbone):
    def model():
        return Forecaster(make_backbone(), Compressed(EAC(rank=2), rank=1))

    trained, fresh = model(), model()
    for context in periods()[:3]:
        begin(trained, context)
        shake(trained)
    SavedState.of(trained).restore(fresh)
    fresh.select_nodes(periods()[2].current.period.node_ids)
    assert torch.equal(forecast(fresh, periods()[2]), forecast(trained, periods()[2]))


@pytest.mark.parametrize("make_backbone", MAKERS.values(), ids=MAKERS)
def test_going_back_to_an_earlier_period_gives_its_bits_for_the_sensors_it_had(make_backbone):
    for strategy in freezing():
        model = Forecaster(make_backbone(), Compressed(default_strategy(strategy), rank=1))
        first, second, third, fourth = periods()
        for context in (first, second):
            begin(model, context)
            shake(model)
        then, state = forecast(model, second), SavedState.of(model)
        for context in (third, fourth):
            begin(model, context)
            shake(model)
        state.restore(model)
        model.select_nodes(second.current.period.node_ids)
        assert torch.equal(forecast(model, second), then), strategy


@pytest.mark.parametrize("make_backbone", MAKERS.values(), ids=MAKERS)
def test_an_expansion_trains_no_more_than_its_share(make_backbone):
    everything = Forecaster(make_backbone(), EAC(rank=2, freeze_backbone=False))
    model = Forecaster(make_backbone(), Compressed(EAC(rank=2), rank=Expansion(share=0.5)))
    for context in periods()[:2]:
        begin(everything, context)
        begin(model, context)
    tuned, whole = model.parameter_counts()[0], everything.parameter_counts()[0]
    vectors = sum(p.numel() for p in everything.backbone.parameters() if p.ndim < 2)
    own = sum(p.numel() for p in everything.strategy.parameters())
    assert vectors + own < tuned <= max(0.5 * whole, vectors + own)


@pytest.mark.parametrize("make_backbone", MAKERS.values(), ids=MAKERS)
def test_an_update_merged_into_its_weights_forecasts_the_same(make_backbone):
    model = Forecaster(make_backbone(), Compressed(EAC(rank=2), rank=1))
    for context in periods()[:3]:
        begin(model, context)
        shake(model)
    before = forecast(model, periods()[2])
    merge_updates(model.backbone)
    assert torch.equal(forecast(model, periods()[2]), before)


def test_what_a_period_stores_is_constant_over_50_periods(tmp_path):
    constant = Compression(energy=1.0, max_rank=3)
    strategy = Compressed(EAC(rank=2), rank=1, compression=constant)
    model = Forecaster(STGNN(WINDOW, HORIZON), strategy)
    (first, later, *_), sizes = periods(), []
    begin(model, first)
    write_state(tmp_path, SavedState.of(model), None)
    for number in range(50):
        begin(model, later)
        shake(model, seed=number)
        directory = tmp_path.parent / f"{tmp_path.name}-{number}"
        directory.mkdir()
        write_state(directory, SavedState.of(model), tmp_path)
        sizes.append((directory / "state.safetensors").stat().st_size)
    assert len(set(sizes[3:])) == 1
    whole = (tmp_path / "state.safetensors").stat().st_size
    assert sizes[-1] < whole


class KilledError(Exception):
    """Stands for a kill."""


class KillIn(Callback):
    """Raises at the start of the second epoch of a period."""

    def __init__(self, period: str):
        self._period = period

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1 and trainer.datamodule.period.name == self._period:
            raise KilledError


def run(directory: Path, num_periods: int = 4, *extra: Callback) -> Forecaster:
    """A run over the first periods of the tiny stream; returns the model it leaves."""
    seed_everything(7, verbose=False)
    model = Forecaster(STGNN(WINDOW, HORIZON, hidden=8), Compressed(EAC(rank=2), rank=1))
    stream = tiny_stream(CHURN[:num_periods])
    data = PeriodData(stream, window=WINDOW, horizon=HORIZON, seed=7, batch_size=16)
    base = DefaultTrainer(max_epochs=2)

    def trainer(folder, callbacks):
        return base(folder, (*callbacks, *extra))

    StreamRunner(model, data, run_dir=directory, make_trainer=trainer).run()
    return model


def test_a_run_killed_in_an_update_ends_in_the_same_bits(tmp_path):
    whole = run(tmp_path / "whole")
    with pytest.raises(KilledError):
        run(tmp_path / "cut", 4, KillIn("p2"))
    resumed = run(tmp_path / "cut")
    assert_equal_states(resumed, whole)
    ranks = [period.update and period.update.rank for period in read_run(tmp_path / "cut").periods]
    assert ranks == [None, 1, 1, 1]


def test_the_state_of_an_earlier_period_forecasts_as_the_model_did_then(tmp_path):
    then, later = run(tmp_path / "then", 2), run(tmp_path / "later", 4)
    load_state(tmp_path / "later" / "period-01-p1").restore(later)
    later.select_nodes(periods()[1].current.period.node_ids)
    assert torch.equal(forecast(later, periods()[1]), forecast(then, periods()[1]))


def test_a_later_period_stores_factors_and_vectors_and_no_matrix_of_the_base(tmp_path):
    run(tmp_path, 2)
    state = load_tensors(tmp_path / "period-01-p1")
    wide = {name for name, value in state.items() if "original" in name and value.numel() > 48}
    assert wide == set()


def assert_equal_states(a: Forecaster, b: Forecaster) -> None:
    first, second = SavedState.of(a).tensors, SavedState.of(b).tensors
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
