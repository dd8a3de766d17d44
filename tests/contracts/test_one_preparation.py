"""A forecast from a frame is the test part's forecast, bit for bit, for every backbone."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

import pandas as pd
import pytest
import torch

from eac.artifacts.checkpoint import SavedState
from eac.artifacts.saved_data import SavedData
from eac.backbones.base import Backbone
from eac.backbones.seasonal import SeasonalMLP
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.covariates import Covariates
from eac.data.core.period import NodeChange
from eac.data.core.stream import MemoryStream
from eac.data.series.readings import PartScaling
from eac.data.series.scaling import Scaler
from eac.serving.predictor import Predictor
from eac.strategies.base import PeriodContext
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from tests.contracts.discovered import HORIZON, WINDOW, backbone_makers, small_backbone
from tests.streams import tiny_period

HOUR = timedelta(hours=1)
START = datetime(2023, 12, 7)
STEPS = 240
STOP = 203
"""Forecasts are made in the test part of the second period: on Christmas day, a Monday."""
COUNTRY = "NO" if importlib.util.find_spec("holidays") else None
MAKERS = backbone_makers() | {
    "SeasonalMLP-rain": lambda: small_backbone(SeasonalMLP, lags=("1d", "1w"), covariates=("rain",))
}


@cache
def rainy_stream() -> MemoryStream:
    """Two periods with gaps and a covariate; d joins and the order changes."""
    periods = []
    for index, nodes in enumerate(("abc", "cbad")):
        plain = tiny_period(f"p{index}", nodes, index=index, num_steps=STEPS)
        rain = torch.rand(STEPS, 1, 1, generator=torch.Generator().manual_seed(index))
        series = plain.series.clone()
        series.view(-1)[::7] = torch.nan
        series[150:160, 0] = torch.nan
        calendar = Calendar.from_timestamps(START + index * STEPS * HOUR, HOUR)
        ahead = Covariates(("rain",), rain)
        periods.append(replace(plain, series=series, calendar=calendar, covariates=ahead))
    return MemoryStream(periods, name="rainy")


def begun(backbone: Backbone, **settings: object) -> tuple[Forecaster, PeriodData]:
    """A model that has begun both periods, and the second one as it was prepared."""
    model = Forecaster(backbone, EAC(rank=2, seed=1)).eval()
    settings = {"window": WINDOW, "horizon": HORIZON, "holidays": COUNTRY} | settings
    data, before, seen = PeriodData(rainy_stream(), **settings), None, set()
    for index in range(2):
        data = data.for_period(index).prepared(backbone.needs)
        ids = data.period.node_ids
        change = NodeChange.between(ids, before.period.node_ids if before else (), seen)
        context = PeriodContext(index, index, data.view, before, change)
        model.begin_period(context, model.plan_period(context))
        before, seen = data.view, seen | set(ids)
    return model, data


def kept(data: PeriodData) -> SavedData:
    """What a run keeps of the second period."""
    scales, layout, ids = data.ready.scales, data.layout, data.period.node_ids
    inputs: PartScaling = scales.inputs
    return SavedData(
        window=layout.window,
        horizon=layout.horizon,
        protocol=layout.protocol,
        scaling=layout.scaling,
        carry=layout.carry,
        holidays=layout.holidays,
        covariates=scales.covariates,
        step=HOUR,
        days_per_week=7,
        clock=None,
        ended=None,
        never_read=frozenset(),
        graph=data.period.graph,
        node_ids=ids,
        inputs=Scaler(*(part[-1].expand(len(ids)) for part in (inputs.mean, inputs.scale))),
        targets=scales.targets,
    )


def readings(stop: int, nodes: str = "cbad", ahead: int = 0) -> pd.DataFrame:
    """Everything read before a step of the second period, and the rain of some steps after it."""
    frames = []
    for period in rainy_stream():
        stamps = [period.calendar.time_of(step) for step in range(period.num_steps)]
        for column, node in enumerate(period.node_ids):
            if node in nodes:
                rain = period.covariates.values[:, 0, 0].numpy()
                y = period.series[:, column].numpy()
                frames.append(pd.DataFrame({"unique_id": node, "ds": stamps, "y": y, "rain": rain}))
    frame = pd.concat(frames, ignore_index=True)
    now = START + (STEPS + stop) * HOUR
    frame = frame[frame["ds"] < now + ahead * HOUR].reset_index(drop=True)
    return frame.assign(y=frame["y"].where(frame["ds"] < now))


def values(forecasts: pd.DataFrame, nodes: str) -> torch.Tensor:
    table = forecasts.set_index("unique_id")["y_hat"]
    rows = [torch.tensor(table.loc[[node]].to_numpy()) for node in nodes]
    return torch.stack(rows)


CASES = [(name, {"carry": 0.5}) for name in MAKERS]
CASES += [(name, {"protocol": "published"}) for name in ("STGNN", "STID")]
"""Under ``published`` every part has its own scale, which a forecast knows of the test part."""


@pytest.mark.parametrize(("name", "settings"), CASES, ids=str)
def test_a_forecast_from_a_frame_is_that_of_the_test_part(name, settings):
    torch.manual_seed(2)
    model, data = begun(MAKERS[name](), **settings)
    with torch.no_grad():
        expected = model(data.full.batch(torch.tensor([STOP - WINDOW])))[0]
    ahead = HORIZON if model.backbone.needs.covariates else 0
    found = Predictor(model, kept(data)).predict(readings(STOP, ahead=ahead))
    assert torch.equal(values(found, "cbad"), expected)


def test_two_threads_get_what_each_would_get_alone_and_the_model_stays_as_it_was():
    model, data = begun(STGNN(WINDOW, HORIZON, hidden=8))
    predictor, before = Predictor(model, kept(data)), SavedState.of(model)
    rows = model.strategy.rows.clone()
    stranger = readings(STOP, "c").assign(unique_id="new")
    frames = [readings(STOP, "cb"), pd.concat([readings(STOP, "ad"), stranger])] * 4
    alone = [predictor.predict(frame) for frame in frames]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(predictor.predict, frames))
    for one, other in zip(alone, together, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    after = SavedState.of(predictor.forecaster)
    assert after.extra == before.extra
    assert after.tensors.keys() == before.tensors.keys()
    assert all(torch.equal(after.tensors[name], value) for name, value in before.tensors.items())
    assert torch.equal(predictor.forecaster.strategy.rows, rows)
