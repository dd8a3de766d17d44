"""A run over a stream: frozen backbones, resumption, identity of nodes, refusal of changes."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, seed_everything
from lightning.pytorch.callbacks import EMAWeightAveraging

from eac.artifacts.checkpoint import load_state
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core.stream import GraphStream, MemoryStream
from eac.errors import RunError
from eac.records.record import RunRecord
from eac.strategies.base import Strategy
from eac.strategies.eac import EAC
from eac.strategies.online_all import OnlineAll
from eac.strategies.online_new import OnlineNew
from eac.strategies.pretrain import Pretrain
from eac.strategies.retrain import Retrain
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.streams import CHURN, tiny_period, tiny_stream

EPOCHS = 3


class KilledError(Exception):
    """Stands for a kill at an epoch's end."""


class KillAfter(Callback):
    """Raises at the start of an epoch, or when a later period's training would start."""

    def __init__(self, epoch: int):
        self._epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self._epoch:
            raise KilledError


def make_runner(
    run_dir: Path,
    stream: GraphStream | None = None,
    strategy: Strategy | None = None,
    *,
    extra: tuple[Callback, ...] = (),
    patience: int = 6,
) -> StreamRunner:
    """A small run; built from the same seed each time, as a command line would."""
    seed_everything(7, verbose=False)
    forecaster = Forecaster(STGNN(hidden=8), strategy or EAC(rank=2))
    data = PeriodData(stream or tiny_stream(), seed=7, batch_size=16)
    base = DefaultTrainer(max_epochs=EPOCHS, patience=patience)
    return StreamRunner(
        forecaster,
        data,
        run_dir=run_dir,
        make_trainer=lambda directory, callbacks: base(directory, (*callbacks, *extra)),
    )


def numbers(record: RunRecord) -> list:
    """Everything of a record that must repeat; times may differ."""
    return [replace(period, fit_seconds=0.0) for period in record.periods]


STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "EAC": lambda: EAC(rank=2),
    "OnlineAll": OnlineAll,
    "Retrain": Retrain,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Callable[..., tuple[RunRecord, Path]]:
    """Gives the uninterrupted run of a strategy, run once, and its folder, to be read only."""

    @cache
    def of(name: str = "EAC") -> tuple[RunRecord, Path]:
        directory = tmp_path_factory.mktemp(name)
        return make_runner(directory, strategy=STRATEGIES[name]()).run(), directory

    return of


def test_backbone_is_bitwise_unchanged_after_period_0_and_only_prompts_train(whole):
    record, directory = whole()
    first = load_state(directory / "period-00-p0").tensors
    for index in (1, 2, 3):
        state = load_state(directory / f"period-{index:02d}-p{index}").tensors
        for name, value in first.items():
            if name.startswith("backbone."):
                assert torch.equal(value, state[name]), name
        prompts = state["strategy.pool.node_factor"].numel() + state["strategy.pool.basis"].numel()
        assert record.periods[index].trainable_parameters == prompts
        assert not torch.equal(first["strategy.pool.basis"], state["strategy.pool.basis"])


def test_later_periods_save_only_what_differs_from_period_0(whole):
    from safetensors import safe_open

    with safe_open(whole()[1] / "period-01-p1" / "state.safetensors", "pt") as file:
        assert all(name.startswith("strategy.pool") for name in file.keys())  # noqa: SIM118


def test_two_runs_with_one_seed_are_equal_bit_for_bit(whole, tmp_path):
    assert numbers(make_runner(tmp_path).run()) == numbers(whole()[0])


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("epoch", [1, 2])
def test_interrupted_and_resumed_equals_uninterrupted(whole, tmp_path, name, epoch):
    make = STRATEGIES[name]
    killed = make_runner(tmp_path, strategy=make(), extra=(KillAfter(epoch),))
    with pytest.raises(KilledError):
        killed.run()
    assert (tmp_path / "period-00-p0" / "last.ckpt").is_file()
    resumed = make_runner(tmp_path, strategy=make()).run()
    assert numbers(resumed) == numbers(whole(name)[0])


def test_resuming_after_early_stopping_trains_no_further_epoch(tmp_path):
    whole = make_runner(tmp_path / "whole", patience=1).run()

    class KillAtTest(Callback):
        def on_test_start(self, trainer, pl_module):
            raise KilledError

    with pytest.raises(KilledError):
        make_runner(tmp_path / "cut", patience=1, extra=(KillAtTest(),)).run()
    assert numbers(make_runner(tmp_path / "cut", patience=1).run()) == numbers(whole)


def test_a_finished_run_is_read_and_not_trained_again(whole, tmp_path):
    first, directory = whole()
    shutil.copytree(directory, tmp_path / "run")
    again = make_runner(tmp_path / "run", extra=(KillAfter(0),)).run()
    assert again.periods == first.periods


def test_periods_that_appeared_since_are_trained_as_if_they_had_been_there(whole, tmp_path):
    make_runner(tmp_path, tiny_stream(CHURN[:2])).run()
    assert numbers(make_runner(tmp_path).run()) == numbers(whole()[0])


def test_a_changed_old_period_is_refused_by_name(tmp_path):
    make_runner(tmp_path, tiny_stream(CHURN[:2])).run()
    periods = list(tiny_stream())
    periods[0].series[5, 1] += 1
    with pytest.raises(RunError, match="period 'p0' changed"):
        make_runner(tmp_path, MemoryStream(periods, name="tiny")).run()


def test_a_directory_of_another_run_is_refused(tmp_path):
    make_runner(tmp_path).run()
    with pytest.raises(RunError, match="other settings"):
        make_runner(tmp_path, strategy=Retrain()).run()


def test_a_directory_of_the_same_classes_in_other_sizes_is_refused(tmp_path):
    make_runner(tmp_path).run()
    with pytest.raises(RunError, match="other settings"):
        make_runner(tmp_path, strategy=EAC(rank=3)).run()


def test_node_order_permuted_gives_the_same_forecasts_permuted(tmp_path):
    periods = list(tiny_stream(missing=True))
    orders = [torch.randperm(p.num_nodes, generator=torch.manual_seed(3)) for p in periods]
    shuffled = [p.permute(order) for p, order in zip(periods, orders, strict=True)]
    plain = make_runner(tmp_path / "a", MemoryStream(periods, name="tiny")).run()
    other = make_runner(tmp_path / "b", MemoryStream(shuffled, name="tiny")).run()
    for ours, theirs in zip(plain.periods, other.periods, strict=True):
        left = dict(zip(ours.sensors.node_ids, ours.sensors.mae, strict=True))
        right = dict(zip(theirs.sensors.node_ids, theirs.sensors.mae, strict=True))
        assert left == pytest.approx(right, rel=1e-4)


def test_a_returning_node_finds_the_prompt_it_left(tmp_path):
    runner = make_runner(tmp_path, strategy=EAC(rank=2, tune="new"))
    runner.run()
    pool = runner.forecaster.strategy.pool
    before = load_state(tmp_path / "period-00-p0")
    row = before.extra["strategy.pool._extra_state"]["node_ids"].index("b")
    left = before.tensors["strategy.pool.node_factor"][row] @ before.tensors["strategy.pool.basis"]
    torch.testing.assert_close(pool(pool.rows(["b"]))[0], left)
    assert runner.run().periods[3].nodes.returned == 2


def test_missing_readings_are_neither_learned_from_nor_counted(tmp_path):
    stream = list(tiny_stream(missing=True))
    period = stream[0]
    hidden = period.series.isnan()
    data = PeriodData(MemoryStream([period], name="tiny"))
    batch = data.full.batch(data.starts("train"))
    assert torch.isfinite(batch.y).all()
    assert torch.isfinite(batch.inputs.x).all()
    observed = torch.stack([~hidden[s + 12 : s + 24].T for s in data.starts("train").tolist()])
    assert torch.equal(batch.mask, observed)


def test_pretrain_tests_later_periods_without_training(tmp_path):
    record = make_runner(tmp_path, strategy=Pretrain()).run()
    assert [period.epochs for period in record.periods] == [EPOCHS, 0, 0, 0]
    assert [period.trainable_parameters > 0 for period in record.periods] == [True] + [False] * 3


def test_retrain_starts_every_period_from_the_same_first_weights(tmp_path):
    same = [replace(tiny_period("p0", "abcd"), name=f"p{i}") for i in range(2)]
    seen = []

    class Look(Callback):
        def on_train_start(self, trainer, pl_module):
            seen.append({k: v.clone() for k, v in pl_module.state_dict().items()})

    stream = MemoryStream(same, name="tiny")
    runner = make_runner(tmp_path, stream, Retrain(), extra=(Look(),))
    first = {name: value.clone() for name, value in runner.forecaster.state_dict().items()}
    runner.run()
    assert len(seen) == 2
    for state in seen:
        assert all(torch.equal(first[name], state[name]) for name in first)


def test_a_training_sees_the_nodes_of_its_plan_and_a_test_sees_all(tmp_path):
    seen = {}

    class Look(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            seen[trainer.datamodule.index, "train"] = batch.inputs.x.shape[1]

        def on_test_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
            seen[trainer.datamodule.index, "test"] = batch.inputs.x.shape[1]

    stream = tiny_stream(("abcdefghi", "abcdefghij"))
    make_runner(tmp_path, stream, OnlineNew(), extra=(Look(),)).run()
    # node j hears i and a, they hear h and b: the two hops of the backbone
    assert seen == {(0, "train"): 9, (0, "test"): 9, (1, "train"): 5, (1, "test"): 10}


def test_tuning_new_prompts_only_leaves_old_prompts_bitwise_unchanged(tmp_path):
    make_runner(tmp_path, strategy=EAC(rank=2, tune="new")).run()
    first = load_state(tmp_path / "period-00-p0").tensors
    second = load_state(tmp_path / "period-01-p1").tensors
    assert torch.equal(second["strategy.pool.settled"], first["strategy.pool.node_factor"])
    assert torch.equal(second["strategy.pool.basis"], first["strategy.pool.basis"])


def test_averaged_weights_keep_each_node_at_its_prompt(tmp_path):
    average = EMAWeightAveraging(decay=0.5, use_buffers=True)
    runner = make_runner(tmp_path, tiny_stream(CHURN[:1]), extra=(average,))
    runner.run()
    strategy = runner.forecaster.strategy
    assert torch.equal(strategy.rows, strategy.pool.rows("abcd"))


def test_without_expansion_a_new_node_has_no_prompt(tmp_path):
    runner = make_runner(tmp_path, strategy=EAC(rank=2, expand=False))
    runner.run()
    pool = runner.forecaster.strategy.pool
    assert sorted([*pool.node_ids, *pool.archived]) == list("abcd")
    assert torch.equal(pool(pool.rows(["e"])), torch.zeros(1, 12))
