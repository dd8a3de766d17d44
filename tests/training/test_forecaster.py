"""The Lightning module by itself: schedules, rates, seeds, and what wrappers pass on."""

import pytest
import torch
from lightning.pytorch import Trainer
from torch.optim.lr_scheduler import StepLR

from eac.backbones.outputs import ManyOutputs
from eac.backbones.revin import RevIN
from eac.backbones.seasonal import SeasonalMLP
from eac.backbones.stgnn import STGNN
from eac.continual.start import some_windows
from eac.data.batches.datamodule import PeriodData
from eac.errors import ConfigError
from eac.protocols.draws import OwnDraws
from eac.protocols.published_draws import PublishedDraws
from eac.strategies.eac import EAC
from eac.strategies.online_all import OnlineAll
from eac.strategies.stbp import STBP
from eac.training.callbacks import Shorter
from eac.training.forecaster import Forecaster
from eac.training.pace import share_of_rate, stepping
from eac.training.runner import StreamRunner
from eac.training.schedules import WarmupCosine
from eac.training.trainers import DefaultTrainer
from tests.examples_of_extension.quantiles import Quantiles
from tests.strategies.contexts import begin, contexts
from tests.streams import CHURN, tiny_stream


def sgd():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


def test_a_schedule_says_itself_how_it_is_stepped():
    cosine = WarmupCosine(sgd(), warmup_steps=1, last=0.1)
    assert stepping(cosine, 40.0) == {"scheduler": cosine, "interval": "step"}
    assert cosine.total_steps == 40
    plain = StepLR(sgd(), 1)
    assert stepping(plain, 40) == {"scheduler": plain, "interval": "epoch"}


def test_a_schedule_that_ends_with_training_needs_an_end():
    with pytest.raises(ConfigError, match=r"WarmupCosine .* Give trainer\.max_epochs"):
        stepping(WarmupCosine(sgd()), float("inf"))
    assert stepping(StepLR(sgd(), 1), float("inf"))["interval"] == "epoch"


def test_the_last_pace_that_says_something_counts():
    first, second = Shorter(3, 0.5, from_period=0), Shorter(2, 0.2, from_period=1)
    assert share_of_rate([first, second], 0) == 0.5
    assert share_of_rate([first, second], 1) == 0.2
    assert share_of_rate([], 1) == 1.0


@pytest.mark.parametrize("wrap", [lambda b: b, RevIN, ManyOutputs], ids=["bare", "revin", "many"])
def test_published_first_weights_reach_the_network_inside(wrap):
    torch.manual_seed(0)
    inside = STGNN(hidden=4)
    PublishedDraws(7).first_weights(wrap(inside), keep=True)
    twin = STGNN(hidden=4)
    torch.manual_seed(7)
    for layer in twin.published_layers():
        layer.reset_parameters()
    for name, value in twin.state_dict().items():
        assert torch.equal(inside.state_dict()[name], value), name


@pytest.mark.parametrize("make", [EAC, STBP])
def test_prompts_without_a_seed_take_that_of_the_run(make):
    """Whatever torch's own seed was when the strategy was built."""
    context = next(contexts(tiny_stream()))
    pools = []
    for at_construction, run in ((1, 5), (2, 5), (1, 6)):
        torch.manual_seed(at_construction)
        model = Forecaster(STGNN(hidden=4), make())
        vars(context)["draws"] = OwnDraws(run)
        begin(model, context)
        pool = model.strategy.pool if make is EAC else model.strategy.bank
        pools.append(pool.prompts())
    assert torch.equal(pools[0], pools[1])
    assert not torch.equal(pools[0], pools[2])


def test_the_null_value_has_one_source():
    """What the data say is left out of the loss, of validation and of the errors alike."""
    model = Forecaster(STGNN(hidden=4), OnlineAll())
    data = PeriodData(tiny_stream(), null_value=40.0)
    assert model.training_settings(data).null_value == 40.0
    assert model.training_settings(PeriodData(tiny_stream(), protocol="published")).null_value == 0


def test_without_a_runner_the_model_begins_once_and_finds_the_nodes_of_another_period(tmp_path):
    model = Forecaster(STGNN(6, 3, hidden=4), EAC(rank=2))
    data = PeriodData(tiny_stream(), window=6, horizon=3, batch_size=32)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(max_epochs=1, default_root_dir=tmp_path, accelerator="cpu", **quiet)
    trainer.fit(model, datamodule=data)
    assert model.node_ids == data.period.node_ids
    later = data.for_period(1)
    trainer.test(model, datamodule=later, verbose=False)
    assert model.node_ids == later.period.node_ids
    assert model.strategy.pool.node_ids == list(data.period.node_ids)
    assert model.strategy.rows.tolist() == [2, 0, 1, 3, -1]


@pytest.mark.parametrize(
    "settings", [{}, {"revin": 0.1}, {"loss": Quantiles()}], ids=["bare", "revin", "many"]
)
def test_in_every_period_the_network_inside_sees_which_lags_are_known(tmp_path, settings):
    """Periods of 160 hours: before the second one week is known, before the third two."""
    inside = SeasonalMLP(hidden=4, num_blocks=1)
    data, trainer = PeriodData(tiny_stream(CHURN[:3]), batch_size=64), DefaultTrainer(max_epochs=1)
    found = []
    looked = inside.look_back
    inside.look_back = lambda batch, fresh: (
        looked(batch, fresh=fresh),
        found.append(inside.lag_learned.tolist()),
    )
    forecaster = Forecaster(inside, EAC(rank=2), **settings)
    StreamRunner(forecaster, data, run_dir=tmp_path, make_trainer=trainer).run()
    assert found == [[True, False, False], [True, True, False], [True, True, True]]


def test_how_much_is_known_does_not_depend_on_the_number_of_nodes():
    """Of a large network few windows were looked at, the first ones, which know least."""
    churn = ["".join(chr(200 + node) for node in range(500))]
    data = PeriodData(tiny_stream(churn)).prepared(SeasonalMLP(lags=["1d"]).needs)
    batch = some_windows(data.view)
    assert batch.inputs.history_observed.any(1).float().mean() > 0.5
    assert batch.y.shape[0] > 30
    assert batch.y.shape[1] <= 64
