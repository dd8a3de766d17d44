"""ST-TTC: on top of any strategy, strictly causal, afresh for every test."""

from dataclasses import replace

import pytest
import torch
from lightning.pytorch import Trainer

from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core.stream import MemoryStream
from eac.strategies.eac import EAC
from eac.strategies.online_all import OnlineAll
from eac.strategies.st_ttc import STTTC
from eac.training.forecaster import Forecaster
from tests.strategies.contexts import contexts
from tests.streams import tiny_period, tiny_stream

FUTURE = 140


def model_with(strategy=None, learning_rate=0.01):
    torch.manual_seed(0)
    return Forecaster(STGNN(), STTTC(strategy or EAC(seed=1), learning_rate=learning_rate))


def quiet_trainer(**settings):
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        **settings,
    )


def data_of(series=None, **settings):
    period = tiny_period("p", "abcd")
    series = period.series if series is None else series
    return PeriodData(MemoryStream([replace(period, series=series)], name="one"), **settings)


def predicted(model, data):
    parts = quiet_trainer().predict(model, datamodule=data) or []
    return torch.cat([part for part in parts if isinstance(part, torch.Tensor)])


def test_parameters_and_their_names_are_those_of_the_other_strategy():
    context = next(contexts(tiny_stream()))
    models = model_with(), Forecaster(STGNN(), EAC(seed=1))
    for model in models:
        model.begin_period(context, model.plan_period(context))
    assert models[0].parameter_counts() == models[1].parameter_counts()
    names = {name.removeprefix("strategy.") for name, _ in models[0].strategy.named_parameters()}
    assert names == {name for name, _ in models[1].strategy.named_parameters()}


@pytest.mark.parametrize("eval_batch_size", [1, 5, 64])
def test_a_changed_future_changes_no_forecast_made_before_it(eval_batch_size):
    series = tiny_period("p", "abcd").series
    spoiled = series.clone()
    spoiled[FUTURE:] = 1000.0
    data = [data_of(s, eval_batch_size=eval_batch_size) for s in (series, spoiled)]
    before, after = (predicted(model_with(), d) for d in data)
    made_before = data[0].starts("test") + 12 <= FUTURE
    assert 0 < made_before.sum() < len(made_before)
    assert torch.equal(before[made_before], after[made_before])
    assert not torch.equal(before[~made_before], after[~made_before])


def test_forecasts_are_those_of_the_other_strategy_until_a_first_window_is_known():
    torch.manual_seed(0)
    model = Forecaster(STGNN(), STTTC(OnlineAll(), learning_rate=0.01))
    torch.manual_seed(0)
    plain = predicted(Forecaster(STGNN(), OnlineAll()), data_of(train_fraction=0.4))
    got = predicted(model, data_of(train_fraction=0.4))
    assert torch.equal(got[:12], plain[:12])
    assert not torch.equal(got[12:], plain[12:])


def test_a_test_counts_the_forecasts_that_are_predicted():
    model, data = model_with(), data_of(train_fraction=0.4)
    y_hat = predicted(model, data)
    y = data.full.batch(data.starts("test")).y
    quiet_trainer().test(model, datamodule=data, verbose=False)
    torch.testing.assert_close(model.errors.mae().float(), (y - y_hat).abs().mean())


@pytest.mark.parametrize("inference_mode", [True, False])
def test_every_test_begins_afresh(inference_mode):
    model, data = model_with(), data_of(train_fraction=0.4)
    errors = []
    for _ in range(2):
        trainer = quiet_trainer(inference_mode=inference_mode)
        trainer.test(model, datamodule=data, verbose=False)
        errors.append(model.errors.mae())
    assert torch.equal(*errors)


def test_validation_is_not_calibrated():
    data = data_of(val_fraction=0.35, train_fraction=0.4)
    errors = []
    for learning_rate in (0.0, 0.1):
        model = model_with(learning_rate=learning_rate)
        quiet_trainer().validate(model, datamodule=data, verbose=False)
        errors.append(model.errors.mae())
    assert torch.equal(*errors)


def test_other_nodes_are_tested_without_what_was_learned_of_the_first():
    stream = tiny_stream(missing=True)
    data = PeriodData(stream, train_fraction=0.4)
    used, unused = model_with(), model_with()
    for model in (used, unused):
        context = next(contexts(stream))
        model.begin_period(context, model.plan_period(context))
    quiet_trainer().test(used, datamodule=data, verbose=False)
    errors = []
    for model in (used, unused):
        later = data.for_period(2)
        model.select_nodes(later.period.node_ids)
        quiet_trainer().test(model, datamodule=later, verbose=False)
        errors.append(model.errors.mae())
    assert torch.equal(*errors)
