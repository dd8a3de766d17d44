"""Each extension point with a file of one's own, and nothing else of the package touched."""

import string
from itertools import cycle, islice

import pandas as pd
import pytest
import torch

from eac.backbones.revin import RevIN
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.metrics.horizon import FORMULAS, HorizonErrors, divide
from eac.records.horizon_table import METRICS, check_tables, mean_table
from eac.serving.predictor import load_run
from eac.strategies.eac import EAC
from eac.strategies.pretrain import Pretrain
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.examples_of_extension.daylight import Daylight
from tests.examples_of_extension.every_second import EverySecond
from tests.examples_of_extension.letters import Letters
from tests.examples_of_extension.quantiles import Quantiles
from tests.streams import tiny_stream
from tests.training.test_predictor import dated_stream, long

SIZES = {"window": 6, "horizon": 3}


def run(tmp_path, model, data):
    trainer = DefaultTrainer(max_epochs=1)
    return StreamRunner(model, data, run_dir=tmp_path, make_trainer=trainer).run()


def test_a_strategy(tmp_path):
    model = Forecaster(STGNN(6, 3, hidden=4), EverySecond())
    record = run(tmp_path, model, PeriodData(tiny_stream(["abc", "cab", "bca"]), **SIZES))
    assert [period.epochs for period in record.periods] == [1, 0, 1]


def test_a_backbone_with_a_new_input(tmp_path):
    """It trains, and a forecast of the finished run finds the input too."""
    model = Forecaster(Daylight(6, 3), EAC(rank=2))
    data = PeriodData(dated_stream(), **SIZES)
    run(tmp_path, model, data)
    stop = 145
    with torch.no_grad():
        ready = data.for_period(2).prepared(model.backbone.needs)
        batch = ready.full.batch(torch.tensor([stop - 6]))
        expected = model.eval()(batch)[0]
    noon = (data.stream.load(2).calendar.slot_of_day(torch.tensor(stop)) - 12).item()
    assert batch.inputs.extras["sun"][0, 0, 0, 6] == pytest.approx(
        torch.cos(torch.tensor(noon * torch.pi / 12)).item(), abs=1e-6
    )
    fresh = Forecaster(Daylight(6, 3), EAC(rank=2))
    found = load_run(tmp_path, fresh).predict(long(data, 2, stop))
    y_hat = torch.tensor(found["y_hat"].to_numpy()).view(expected.shape)
    assert torch.equal(y_hat, expected)


def test_a_reader(tmp_path):
    text = "".join(islice(cycle(string.ascii_lowercase), 100))
    stream = Letters([f"x{text} y{text[::-1]}", f"y{text[5:]}. z{text[4:]}"])
    record = run(
        tmp_path, Forecaster(STGNN(6, 3, hidden=4), Pretrain()), PeriodData(stream, **SIZES)
    )
    assert [period.num_nodes for period in record.periods] == [2, 2]


def test_a_loss_of_several_outputs(tmp_path):
    """Its outputs pass through RevIN and scaling, and the middle one is counted and forecast."""
    model = Forecaster(STGNN(6, 3, hidden=4), EAC(rank=2), loss=Quantiles(), revin=0.1)
    data = PeriodData(dated_stream(), **SIZES)
    record = run(tmp_path, model, data)
    assert all(period.errors.point["MAE"]["mean"] > 0 for period in record.periods)
    data = data.for_period(2).prepared(model.backbone.needs)
    batch = data.full.batch(torch.tensor([3, 40]))
    with torch.no_grad():
        outputs = model.eval().outputs(batch)
    assert outputs.shape == (3, 2, 4, 3)
    assert torch.equal(model(batch), outputs[1])
    assert not torch.equal(outputs[0], outputs[2])
    fresh = Forecaster(STGNN(6, 3, hidden=4), EAC(rank=2), loss=Quantiles(), revin=0.1)
    frame = load_run(tmp_path, fresh).predict(long(data, 2, 145))
    assert isinstance(frame, pd.DataFrame)
    assert frame["y_hat"].notna().all()


def test_a_metric(monkeypatch):
    """Its formula in ``metrics/horizon.py`` and its name and unit in ``records``; no more."""
    old = HorizonErrors(num_nodes=1, horizon=2).summary()
    monkeypatch.setitem(METRICS, "NMAE", "%")
    monkeypatch.setitem(
        FORMULAS, "NMAE", lambda sums: divide(sums["absolute"], sums["target"], unit=100.0)
    )
    errors = HorizonErrors(num_nodes=1, horizon=2)
    errors.update(torch.tensor([[[1.0, 5.0]]]), torch.tensor([[[2.0, 4.0]]]))
    table = errors.summary()
    assert table.point["NMAE"] == {"1": 50.0, "2": 25.0, "mean": 37.5}
    check_tables({"old": old, "new": table}, "record")
    assert mean_table([table, old]).point["NMAE"] == table.point["NMAE"]


def test_quantiles_by_hand():
    """Of the differences -2 and 4: 0.1 of 2 and 0.9 of 4, the half of both, 0.9 of 2, 0.1 of 4."""
    y = torch.tensor([[[2.0, -4.0]]])
    y_hat = torch.zeros(3, 1, 1, 2)
    expected = (0.1 * 2 + 0.9 * 4 + 0.5 * 2 + 0.5 * 4 + 0.9 * 2 + 0.1 * 4) / 6
    assert Quantiles()(y_hat, y).item() == pytest.approx(expected)
    everywhere = torch.ones(1, 1, 2, dtype=torch.bool)
    assert Quantiles()(y_hat, y, everywhere).item() == pytest.approx(expected)
    assert Quantiles()(y_hat, y, everywhere & (y > 0)).item() == pytest.approx(1.0)


def test_revin_keeps_the_axis_of_outputs():
    model = Forecaster(STGNN(6, 3, hidden=4), Pretrain(), loss=Quantiles(), revin=0.1)
    assert isinstance(model.backbone, RevIN)
    batch = PeriodData(tiny_stream(), **SIZES).full.batch(torch.tensor([0]))
    outputs = model.eval()(batch), model.outputs(batch)
    assert outputs[1].shape == (3, *outputs[0].shape)
    torch.testing.assert_close(outputs[1], outputs[0].expand(3, -1, -1, -1))
