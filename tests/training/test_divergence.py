"""A training that diverges ends with its batch, node and rate, and the last good state is kept."""

from functools import partial

import pytest
import torch

from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.errors import DivergedError
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
    data = PeriodData(tiny_stream(("abcd", "abcde")), seed=3, batch_size=16, **settings)
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


def test_the_last_good_state_is_that_of_the_epoch_before(tmp_path):
    with pytest.raises(DivergedError, match=r"the loss is (inf|nan) in batch 1 of epoch 0"):
        make(tmp_path, OnlineAll(), 1e30).run()
    assert not list(tmp_path.rglob("last.ckpt"))
