"""Forecasts combined with the last reading: in a test, kept with the period, and from then on."""

from dataclasses import replace

import torch

from eac.artifacts.checkpoint import SavedState
from eac.backbones.seasonal import SeasonalMLP
from eac.backbones.stgnn import STGNN
from eac.calibration.combination import Combination
from eac.serving.predictor import Predictor
from eac.strategies.combined import Combined
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from tests.contracts.discovered import small_backbone
from tests.contracts.test_one_preparation import (
    HOUR,
    STOP,
    begun,
    kept,
    rainy_stream,
    readings,
    values,
)
from tests.strategies.test_st_ttc import data_of, quiet_trainer
from tests.streams import tiny_period


def model_with(strategy):
    torch.manual_seed(0)
    return Forecaster(STGNN(), strategy)


def forecasts_of_test(model, data):
    """Forecasts of the test part, in order."""
    found = []
    step = model.test_step

    def kept_step(batch, batch_idx):
        outputs = step(batch, batch_idx)
        found.append(outputs["y_hat"])
        return outputs

    model.test_step = kept_step
    quiet_trainer().test(model, datamodule=data, verbose=False)
    model.test_step = step
    return torch.cat(found)


def last_readings(data):
    period = data.period
    return torch.stack([period.series[start + 11] for start in data.starts("test").tolist()])


def test_a_test_is_the_plain_one_combined_step_by_step():
    data = data_of(train_fraction=0.4, eval_batch_size=7)
    plain = forecasts_of_test(model_with(EAC(seed=1)), data)
    combination, last = Combination(4, 12), last_readings(data)[..., None]
    expected = [
        combination.through(y, r, t) for t, (y, r) in enumerate(zip(plain, last, strict=True))
    ]
    got = forecasts_of_test(model_with(Combined(EAC(seed=1))), data)
    assert torch.equal(got, torch.stack(expected))
    assert not torch.allclose(got, plain)


def test_every_test_begins_afresh_and_is_kept():
    data, model = data_of(train_fraction=0.4), model_with(Combined(EAC(seed=1)))
    first, state = forecasts_of_test(model, data), SavedState.of(model)
    assert torch.equal(forecasts_of_test(model, data), first)
    assert state.extra["strategy._extra_state"]["node_ids"] == list("abcd")
    sums = state.tensors["strategy._extra_state::sums"]
    assert sums.shape[0] == 4
    assert sums.any()


def test_reports_name_the_strategy_inside_too():
    assert Combined(EAC()).title == "Combined EAC"


def test_validation_is_not_combined():
    data = data_of(train_fraction=0.4)
    found = []
    for strategy in (EAC(seed=1), Combined(EAC(seed=1))):
        model = model_with(strategy)
        quiet_trainer().validate(model, datamodule=data, verbose=False)
        found.append(model.errors.summary())
    assert found[0] == found[1]


def all_readings(period):
    """Readings of both periods of the sensors of the second, and the clock of the first."""
    first = rainy_stream()[0]
    rows = torch.full((first.num_steps, period.num_nodes), torch.nan)
    for column, node in enumerate(period.node_ids):
        if node in first.node_ids:
            rows[:, column] = first.series[:, first.node_ids.index(node)]
    return torch.cat([rows, period.series]), first.calendar


def one_after_the_other(strategy, memory_of=None):
    """A predictor asked at each step of the test part, and the test's own forecasts."""
    model, data = begun(small_backbone(SeasonalMLP))
    model.strategy = strategy(model.strategy)
    model.strategy.select_nodes(data.period.node_ids)
    if memory_of is not None:
        memory_of(model, data)
    predictor, period = Predictor(model, kept(data)), data.period
    starts = data.starts("test").tolist()
    model.strategy.begin_forecasts()
    batch = data.ready.tested.tensors.batch(torch.tensor(starts))
    with torch.no_grad():
        expected = model.strategy.adapt_forecast(model(batch), batch)
    found, series, clock = [], *all_readings(period)
    for start in starts:
        stop = len(series) - period.num_steps + start + data.window
        made, _ = predictor.forecast_grid(series[:stop], period.node_ids, clock)
        found.append(made)
    return torch.stack(found), expected, model


def test_a_server_that_asks_step_by_step_gets_the_forecasts_of_a_test():
    found, expected, _ = one_after_the_other(Combined)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    plain, _, _ = one_after_the_other(lambda strategy: strategy)
    assert not torch.allclose(found[10:], plain[10:])
    torch.testing.assert_close(found[0], plain[0], atol=2.0, rtol=0.1)


def test_a_finished_run_begins_with_what_its_test_has_taught():
    def end(model, data):
        model.strategy.begin_forecasts()
        batch = data.ready.tested.tensors.batch(data.starts("test"))
        with torch.no_grad():
            model.strategy.adapt_forecast(model(batch), batch)
        model.strategy.end_forecasts()

    found, fresh, model = one_after_the_other(Combined, end)
    assert not torch.allclose(found[0], fresh[0])
    state = model.strategy.get_extra_state()
    ids, sums = state["node_ids"], state["sums"]
    model.strategy.resume_forecasts()
    online = model.strategy.forecasts_memory()["sums"]
    assert torch.equal(online, sums.permute(1, 2, 0))
    model.strategy.select_nodes([*reversed(ids), "stranger"])
    model.strategy.resume_forecasts()
    other = model.strategy.forecasts_memory()["sums"]
    assert torch.equal(other[..., :-1], online.flip(-1))
    assert not other[..., -1].any()


def test_a_batch_without_last_readings_is_left_alone():
    data, model = data_of(train_fraction=0.4), model_with(Combined(EAC(seed=1)))
    forecasts_of_test(model, data)
    ready = data.prepared(model.backbone.needs).ready.tested.tensors
    batch = replace(ready.batch(data.starts("test")[:2]), last=None)
    y_hat = torch.ones(2, 4, 12)
    model.strategy.begin_forecasts()
    assert model.strategy.adapt_forecast(y_hat, batch) is y_hat


def test_the_last_reading_of_a_window_is_raw_and_nan_where_missing():
    series = tiny_period("p", "abcd").series.clone()
    series[30, 1] = torch.nan
    data = data_of(series)
    batch = data.prepared(model_with(EAC()).backbone.needs).ready.tested.tensors.batch(
        torch.tensor([19])
    )
    torch.testing.assert_close(batch.last(3)[0], series[28:31].T, equal_nan=True)


def test_what_was_read_since_the_run_ended_teaches_a_forecast():
    """The run's last readings stood still; in those since then each sensor swings again."""
    model, data = begun(small_backbone(SeasonalMLP))
    model.strategy = Combined(model.strategy)
    ids, horizon = data.period.node_ids, data.horizon
    model.strategy.select_nodes(ids)
    still = torch.full((len(ids), horizon), 5.0)
    combination = Combination(len(ids), horizon)
    for step in range(300):
        combination.through(still + 1, still[:, :1], step)
    rows = torch.from_numpy(combination.sums).permute(2, 0, 1)
    model.strategy.set_extra_state({"node_ids": list(ids), "sums": rows})
    start = data.period.calendar.start
    found = []
    for ended in (start + (STOP - 1) * HOUR, start + (STOP - 60) * HOUR):
        predictor = Predictor(model, replace(kept(data), ended=ended))
        found.append(values(predictor.predict(readings(STOP)), "cbad"))
    last = data.period.series[STOP - 1]
    known = last.isfinite()
    assert (found[0] - last[:, None])[known].abs().max() < 0.2
    assert (found[1] - last[:, None])[known].abs().max() > 1.0


def combined(series, null_value=None):
    """Forecasts of all test windows of a model that says 1 everywhere, combined."""
    data = data_of(series, null_value=null_value)
    model = model_with(Combined(EAC(seed=1)))
    ready = model.made_ready(data)
    batch = ready.tested.tensors.batch(data.starts("test"))
    model.strategy.begin_forecasts()
    return model.strategy.adapt_forecast(torch.ones(len(batch.starts), 4, 12), batch), model


def test_a_reading_that_errors_leave_out_is_none():
    series = tiny_period("p", "abcd").series.clone()
    outage = torch.rand(series.shape, generator=torch.Generator().manual_seed(3)) < 0.3
    zeros, gaps = (torch.where(outage, value, series) for value in (0.0, torch.nan))
    found, model = combined(zeros, null_value=0.0)
    assert torch.equal(found, combined(gaps)[0])
    assert not torch.equal(found, combined(zeros)[0])
    state = model.strategy.get_extra_state()
    again = Combined(EAC(seed=1))
    again.set_extra_state(state)
    assert again.get_extra_state()["null_value"] == 0.0
    again.set_extra_state({k: v for k, v in state.items() if k != "null_value"})
    assert again.get_extra_state()["null_value"] is None  # as of runs of before
