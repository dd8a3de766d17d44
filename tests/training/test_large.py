"""A large network: the same numbers as a small one, from parts and from one layout."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import torch

from eac.backbones import base
from eac.backbones.seasonal import SeasonalMLP
from eac.data.batches import batch as batches
from eac.data.batches import preparation
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.needs import Needs
from eac.data.core.calendar import Calendar
from eac.data.core.stream import MemoryStream
from eac.data.manage.convert import convert
from eac.data.readers.open import open_stream
from eac.strategies.eac import EAC
from eac.strategies.st_ttc import STTTC
from eac.training.forecaster import Forecaster
from eac.training.results import again
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_stream

START, HOUR = datetime(2024, 1, 1), timedelta(hours=1)


def dated_stream(churn):
    periods = [
        replace(period, calendar=Calendar.from_timestamps(START + 160 * i * HOUR, HOUR))
        for i, period in enumerate(tiny_stream(churn, missing=True))
    ]
    return MemoryStream(periods, name="dated")


def record_of(path, *, ttc=False, stream=None):
    data = PeriodData(
        stream or tiny_stream(("abcd", "bcda"), missing=True),
        nodes_per_window=1,
        batch_size=16,
        steps_per_epoch=2,
        carry=0.9,
        rehearsal=0.3,
    )
    torch.manual_seed(0)
    strategy = STTTC(EAC(rank=2)) if ttc else EAC(rank=2)
    model = Forecaster(
        SeasonalMLP(12, 12, hidden=8, num_blocks=1, lags=("1d",), network=True), strategy
    )
    run = StreamRunner(model, data, run_dir=path, make_trainer=DefaultTrainer(max_epochs=1)).run()
    return [period.errors.point["MAE"]["mean"] for period in run.periods]


@pytest.mark.parametrize("ttc", [False, True], ids=["plain", "learning from forecasts"])
def test_forecasts_in_parts_and_in_one_layout_have_the_same_errors(tmp_path, monkeypatch, ttc):
    expected = record_of(tmp_path / "whole", ttc=ttc)
    monkeypatch.setattr(batches, "WHOLE", 2)
    monkeypatch.setattr(base, "PART_BYTES", 1 << 10)
    monkeypatch.setattr(preparation, "TWICE", 1)
    monkeypatch.setattr(again, "SAMPLED", 30)
    assert record_of(tmp_path / "parts", ttc=ttc) == pytest.approx(expected, rel=1e-5)


def test_a_mapped_stream_has_the_errors_of_the_same_stream_in_memory(tmp_path):
    stream = dated_stream(("abcd", "ecba"))
    errors = []
    for layout in ("table", "npy"):
        opened = open_stream(convert(stream, tmp_path / layout, layout))
        assert opened.load(0).mapped == (layout == "npy")
        errors.append(record_of(tmp_path / f"run-{layout}", stream=opened))
    assert errors[1] == pytest.approx(errors[0], rel=1e-6)


def test_a_batch_is_cut_only_where_it_is_large(monkeypatch):
    needs = SeasonalMLP(lags=("1d",), network=True).needs
    data = PeriodData(tiny_stream(("abcd",)), nodes_per_window=1).prepared(needs)
    batch = data.ready.tested.tensors.in_parts(torch.tensor([30, 31]))
    assert [part() is batch for part in batch.parts(4)] == [True]
    monkeypatch.setattr(batches, "WHOLE", 7)
    parts = [part() for part in batch.parts(6)]
    assert [part.inputs.nodes.tolist() for part in parts] == [[0, 1, 2], [3]]
    whole = data.ready.tested.tensors.batch(torch.tensor([30, 31])).inputs
    for name in ("x", "neighbour_x", "history", "neighbour_history", "network"):
        joined = torch.cat([getattr(part.inputs, name) for part in parts], 1)
        assert torch.equal(joined, getattr(whole, name))


def test_a_series_of_one_layout_is_held_once(monkeypatch):
    needs = SeasonalMLP(lags=("1d",), network=True).needs
    ready = PeriodData(tiny_stream(("abcd",)), nodes_per_window=1).prepared(needs).ready
    assert ready.full is not ready.tested.tensors
    monkeypatch.setattr(preparation, "TWICE", 1)
    large = PeriodData(tiny_stream(("abcd",)), nodes_per_window=1).prepared(needs).ready
    assert large.full is large.tested.tensors
    steps = range(20, 60)
    assert torch.equal(large.full.scaled(steps), ready.full.scaled(steps))


@pytest.mark.parametrize(
    ("needs", "apart"), [(Needs(hops=0), True), (Needs(hops=1), False), (Needs(), False)]
)
def test_who_hears_the_batch_is_not_forecast_apart(needs, apart):
    assert needs.apart is apart
    assert SeasonalMLP().needs.apart
    assert not STTTC(EAC(rank=2)).forecasts_apart
    assert EAC(rank=2).forecasts_apart
