"""What is known ahead, from training to forecasts of a finished run."""

import importlib.util
from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd
import pytest
import torch
from lightning.pytorch import seed_everything

from eac.backbones.seasonal import SeasonalMLP
from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.covariates import Covariates
from eac.data.core.stream import MemoryStream
from eac.errors import StreamError
from eac.serving.predictor import load_run
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_period

HOUR = timedelta(hours=1)
START = datetime(2023, 12, 7)
STEPS = 240
COUNTRY = "NO" if importlib.util.find_spec("holidays") else None
"""Forecasts below are made on Christmas day, which is a Monday."""


def rainy_stream():
    """Two periods in which readings follow a rain that no past foretells."""
    periods = []
    for index, nodes in enumerate(("abc", "cbad")):
        plain = tiny_period(f"p{index}", nodes, index=index, num_steps=STEPS)
        generator = torch.Generator().manual_seed(index)
        rain = (torch.rand(STEPS, 1, 1, generator=generator) < 0.3).float()
        calendar = Calendar.from_timestamps(START + index * STEPS * HOUR, HOUR)
        series, ahead = plain.series - 30 * rain[:, :, 0], Covariates(("rain",), rain)
        periods.append(replace(plain, series=series, calendar=calendar, covariates=ahead))
    return MemoryStream(periods, name="rainy")


def build(covariates):
    seed_everything(5, verbose=False)
    backbone = SeasonalMLP(6, 3, hidden=16, num_blocks=1, lags=("1d",), covariates=covariates)
    model = Forecaster(backbone, EAC(rank=2), optimizer=lambda p: torch.optim.AdamW(p, lr=0.01))
    settings = {"window": 6, "horizon": 3, "batch_size": 16, "seed": 5, "holidays": COUNTRY}
    data = PeriodData(rainy_stream(), **settings)
    return model, data


def trained(run_dir, covariates, epochs):
    model, data = build(covariates)
    trainer = DefaultTrainer(max_epochs=epochs)
    return StreamRunner(model, data, run_dir=run_dir, make_trainer=trainer).run()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("rain")
    return run_dir, trained(run_dir, ("rain",), epochs=6)


def error(record):
    return sum(p.errors.point["MAE"]["mean"] for p in record.periods) / len(record.periods)


def test_a_rain_known_ahead_halves_the_error(run, tmp_path):
    assert error(run[1]) < error(trained(tmp_path, (), epochs=6)) / 2


def recent(*, until, ahead):
    """The second period up to a step, and rows with the rain of some steps after it."""
    held = rainy_stream().load(1)
    stamps = pd.date_range(held.calendar.start, periods=STEPS, freq="h")[: until + ahead]
    rows = []
    for column, node in enumerate(held.node_ids):
        y = held.series[: until + ahead, column].clone()
        y[until:] = torch.nan
        rain = held.covariates.values[: until + ahead, 0, 0]
        rows.append(pd.DataFrame({"unique_id": node, "ds": stamps, "y": y, "rain": rain}))
    return pd.concat(rows, ignore_index=True)


def test_a_finished_run_forecasts_as_its_own_data_would(run):
    model, data = build(("rain",))
    predictor = load_run(run[0], model)
    until = 200
    found = predictor.predict(recent(until=until, ahead=3))
    assert found["ds"].min() == pd.Timestamp(START) + (STEPS + until) * HOUR

    own = data.for_period(1).prepared(model.backbone.needs)
    batch = own.full.batch(torch.tensor([until - 6]))
    if COUNTRY:
        assert batch.inputs.clock.holiday.all()
    with torch.no_grad():
        expected = predictor.forecaster(batch)[0]
    y_hat = torch.tensor(found["y_hat"].to_numpy(), dtype=torch.float32).view(4, 3)
    torch.testing.assert_close(y_hat, expected, rtol=1e-3, atol=1e-3)


def test_what_is_known_after_the_horizon_changes_no_forecast(run):
    predictor = load_run(run[0], build(("rain",))[0])
    near = predictor.predict(recent(until=200, ahead=3))
    far = predictor.predict(recent(until=200, ahead=30))
    pd.testing.assert_frame_equal(near, far)


def test_without_the_column_or_without_the_future_it_asks_for_them(run):
    predictor = load_run(run[0], build(("rain",))[0])
    frame = recent(until=200, ahead=3)
    with pytest.raises(StreamError, match="no column 'rain'"):
        predictor.predict(frame.drop(columns="rain"))
    with pytest.raises(StreamError, match="2 of the 3 steps after its last reading"):
        predictor.predict(recent(until=200, ahead=2))
