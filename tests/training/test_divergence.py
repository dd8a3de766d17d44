"""A training that diverges ends with its batch, node and rate, and the last good state is kept."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.disk import watched
from eac.errors import DivergedError, StreamError
from eac.records.record import read_run
from eac.strategies.eac import EAC
from eac.strategies.online_all import OnlineAll
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_stream


def make(run_dir, strategy, rate, **settings):
    torch.manual_seed(3)
    optimizer = partial(torch.optim.SGD if rate > 1e9 else torch.optim.AdamW, lr=rate)
    model = Forecaster(STGNN(hidden=4), strategy, optimizer=optimizer)
    data = PeriodData(tiny_stream(("abcd", "abcde")), seed=3, **{"batch_size": 16, **settings})
    trainer = DefaultTrainer(max_epochs=2)
    return StreamRunner(model, data, run_dir=run_dir, make_trainer=trainer)


@pytest.mark.parametrize("strategy", [EAC, OnlineAll])
def test_a_rate_of_a_million_ends_with_a_sentence(tmp_path, strategy):
    said = r"diverged in period 'p0': .* at a learning rate of 1e\+06"
    with pytest.raises(DivergedError, match=said):
        make(tmp_path, strategy(), 1e6).run()
    assert read_run(tmp_path).periods == ()
    assert len(make(tmp_path, strategy(), 0.01).run().periods) == 2  # a smaller rate, as it says


def test_a_loss_that_is_no_number_names_batch_and_node(tmp_path):
    runner = make(tmp_path, OnlineAll(), 0.01)
    with torch.no_grad():
        next(iter(runner.forecaster.backbone.parameters())).fill_(torch.inf)
    with pytest.raises(DivergedError, match=r"loss is nan in batch 0 of epoch 0, .* node 'a', at"):
        runner.run()


@pytest.mark.parametrize(
    ("value", "protocol", "said"),
    [
        (torch.nan, "strict", r"in steps 108 to 127\. Nothing can be chosen by it\. Give another"),
        (0.0, "published", r"in steps 108 to 12\d; a reading of 0 counts as none\. Nothing can"),
    ],
)
def test_a_validation_part_without_readings_is_refused_before_training(
    tmp_path, value, protocol, said
):
    runner = make(tmp_path, OnlineAll(), 0.01, protocol=protocol)
    runner.data.period.series[96:128] = value

    with pytest.raises(StreamError, match=f"period 'p0': no reading of its validation .* {said}"):
        runner.run()
    runner.data.period.series[120] = 40.0
    assert len(make(tmp_path, OnlineAll(), 0.01, protocol=protocol).run().periods) == 2


def test_the_last_good_state_is_that_of_the_epoch_before(tmp_path):
    with pytest.raises(DivergedError, match=r"the loss is (inf|nan) in batch 1 of epoch 0"):
        make(tmp_path, OnlineAll(), 1e30).run()
    assert not list(tmp_path.rglob("last.ckpt"))


def test_a_loss_that_stays_a_number_names_batch_node_and_rate_too(tmp_path):
    said = r"error is .*, and the loss is \S+ in batch \d+ of epoch \d, .* node '[a-d]', at .* 100"
    with pytest.raises(DivergedError, match=said):
        make(tmp_path, OnlineAll(), 100.0).run()
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_validation_that_is_no_number_is_a_divergence(tmp_path):
    one_batch = make(tmp_path, OnlineAll(), 1e30, batch_size=10_000)  # whose loss is a number
    with pytest.raises(DivergedError, match=r"best validation error is inf, .* of 1e\+30"):
        one_batch.run()


def test_a_later_period_that_diverges_keeps_those_before_and_the_advice_works(tmp_path):
    whole = make(tmp_path / "a", OnlineAll(), 0.01).run()
    runner = make(tmp_path / "b", OnlineAll(), 0.01)

    def spoil(run_dir):
        with torch.no_grad():
            next(iter(runner.forecaster.backbone.parameters())).fill_(torch.inf)

    runner._after_period = spoil
    with pytest.raises(DivergedError, match=r"period 'p1'.* and another run directory, and look"):
        runner.run()
    assert [p.errors for p in read_run(tmp_path / "b").periods] == [whole.periods[0].errors]
    mended = make(tmp_path / "b", OnlineAll(), 0.01).run()
    assert [p.errors for p in mended.periods] == [p.errors for p in whole.periods]


def test_a_training_of_other_data_is_not_gone_on_with(tmp_path, caplog):
    whole = make(tmp_path / "a", OnlineAll(), 0.01).run()
    runner = make(tmp_path / "b", OnlineAll(), 0.01)
    periods = runner.data.stream._periods
    runner.data.stream._periods = (replace(periods[0], series=periods[0].series + 1), periods[1])

    def stop(operation, path):
        if (operation, path.name) == ("write", "readings.safetensors"):
            raise KeyboardInterrupt

    with (
        watched(lambda o, p: stop(o, Path(p.name.split("-")[-1]))),
        pytest.raises(KeyboardInterrupt),
    ):
        runner.run()
    assert (tmp_path / "b" / "period-00-p0" / "last.ckpt").is_file()
    resumed = make(tmp_path / "b", OnlineAll(), 0.01).run()
    assert [p.errors for p in resumed.periods] == [p.errors for p in whole.periods]
    assert "period p0 changed since its training was interrupted" in caplog.text
