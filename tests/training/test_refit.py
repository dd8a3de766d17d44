"""The second training: on both parts, brief, and exact across an interruption of either."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, seed_everything
from lightning.pytorch.callbacks import EMAWeightAveraging

from eac.artifacts.checkpoint import load_state
from eac.backbones.seasonal import SeasonalMLP
from eac.data.batches.datamodule import PeriodData
from eac.data.series.scaling import PerNode
from eac.metrics.losses import MAE
from eac.strategies.eac import EAC
from eac.training.callbacks import Shorter
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.schedules import WarmupCosine
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_stream


class KilledError(Exception):
    """Stands for a kill."""


class KillAt(Callback):
    """Raises at the start of an epoch of the first or of the second training of period 1."""

    def __init__(self, epoch: int, *, refit: bool):
        self._epoch, self._refit = epoch, refit

    def on_train_epoch_start(self, trainer, pl_module):
        refitting = Path(trainer.default_root_dir).name == "refit"
        here = trainer.datamodule.index == 1 and trainer.current_epoch == self._epoch
        if here and refitting == self._refit:
            raise KilledError


class Steps(Callback):
    """Notes the learning rate of every step, by period and by training."""

    def __init__(self):
        self.rates: dict[tuple[int, str], list[float]] = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        place = "refit" if Path(trainer.default_root_dir).name == "refit" else "first"
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self.rates.setdefault((trainer.datamodule.index, place), []).append(rate)


def make_runner(run_dir: Path, *extra: Callback, refit_epochs: int = 2) -> StreamRunner:
    """A small run of all that the practical recipe uses."""
    seed_everything(5, verbose=False)
    model = Forecaster(
        SeasonalMLP(12, 12, hidden=8, num_blocks=1, slot_rank=2, lags=("1d", "1w")),
        EAC(rank=2, freeze_backbone=False),
        optimizer=partial(torch.optim.AdamW, lr=0.01),
        lr_scheduler=partial(WarmupCosine, warmup_steps=1),
        loss=MAE(),
        loss_steps="cumulative",
        loss_units="raw",
    )
    data = PeriodData(
        tiny_stream(("abcd", "cabde")),
        seed=5,
        batch_size=8,
        nodes_per_window=3,
        steps_per_epoch=4,
        rehearsal=0.25,
        disguise=0.25,
        refit_epochs=refit_epochs,
        scaling=PerNode(),
    )
    base = DefaultTrainer(max_epochs=3)

    def make_trainer(directory, callbacks):
        average = EMAWeightAveraging(decay=0.9, update_starting_at_step=2, use_buffers=False)
        return base(directory, (average, Shorter(2, 0.5), *callbacks, *extra))

    return StreamRunner(model, data, run_dir=run_dir, make_trainer=make_trainer)


def numbers(record):
    return [replace(period, fit_seconds=0.0) for period in record.periods]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    directory = tmp_path_factory.mktemp("whole")
    return directory, make_runner(directory).run()


@pytest.mark.parametrize(("epoch", "refit"), [(1, False), (0, True), (1, True)])
def test_interrupted_in_either_training_and_resumed_equals_uninterrupted(
    tmp_path, whole, epoch, refit
):
    with pytest.raises(KilledError):
        make_runner(tmp_path, KillAt(epoch, refit=refit)).run()
    resumed = make_runner(tmp_path).run()

    assert numbers(resumed) == numbers(whole[1])
    for name, value in load_state(whole[0] / "period-01-p1").tensors.items():
        assert torch.equal(value, load_state(tmp_path / "period-01-p1").tensors[name]), name


def test_later_periods_and_refits_are_as_short_and_as_slow_as_asked(tmp_path):
    steps = Steps()
    make_runner(tmp_path, steps).run()

    assert {key: len(rates) for key, rates in steps.rates.items()} == {
        (0, "first"): 12,
        (0, "refit"): 8,
        (1, "first"): 8,
        (1, "refit"): 8,
    }
    first = {key: rates[0] for key, rates in steps.rates.items()}
    assert first[0, "first"] == pytest.approx(0.01)
    assert first[1, "first"] == pytest.approx(0.005)
    assert first[0, "refit"] == first[1, "refit"] == pytest.approx(0.01 / 3)


def test_a_refit_leaves_no_checkpoint_and_changes_the_weights(tmp_path, whole):
    make_runner(tmp_path, refit_epochs=0).run()
    with_refit = load_state(whole[0] / "period-00-p0").tensors["backbone.readout.weight"]
    without = load_state(tmp_path / "period-00-p0").tensors["backbone.readout.weight"]

    assert not torch.equal(with_refit, without)
    assert not list(whole[0].rglob("*.ckpt"))
