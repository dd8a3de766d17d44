"""New sensors just after they joined: what is counted, what is known then, and what a run keeps."""

from dataclasses import replace

import pytest
import torch

from eac.backbones.seasonal import SeasonalMLP
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core.period import NodeChange
from eac.data.core.stream import MemoryStream
from eac.data.series.scaling import PerNode
from eac.records.record import read_run
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from eac.training.peers import boosters_of
from eac.training.results.arrivals import Arrival, SpanErrors
from eac.training.results.newcomers import joining
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_period

STEPS = 480  # twenty days
CHANGE = NodeChange(("a", "b"), ("c",), (), ())


def _stream(late: int = 0) -> MemoryStream:
    """Sensor c joins in the second period; ``late``: it is read from this step on."""
    first = tiny_period("p0", "ab", num_steps=STEPS)
    second = tiny_period("p1", "abc", index=1, num_steps=STEPS)
    series = second.series.clone()
    series[:late, 2] = torch.nan
    return MemoryStream([first, replace(second, series=series)], name="joins")


def _data(stream: MemoryStream, **settings) -> PeriodData:
    return PeriodData(stream, window=6, horizon=3, scaling=PerNode(), **settings)


def _arrival(late: int = 0, **settings) -> Arrival:
    data = _data(_stream(late), **settings).for_period(1)
    found = Arrival.of(data, CHANGE)
    assert found is not None
    return found


def _model(backbone: STGNN | SeasonalMLP, data: PeriodData) -> Forecaster:
    model = Forecaster(backbone, EAC(rank=2, seed=0))
    model.strategy.pool.grow(data.period.node_ids)
    model.select_nodes(data.period.node_ids)
    return model


@pytest.mark.parametrize("late", [0, 30])
def test_spans_are_counted_from_the_first_reading_of_the_sensor(late):
    arrival = _arrival(late)
    errors = SpanErrors(arrival)
    series = arrival.data.period.series[:, 2]
    for start in arrival.starts:
        age = int(start) + 6 - late
        y = series[start + 6 : start + 9]
        off = 1.0 if age <= 24 else 3.0 if age <= 7 * 24 else 7.0
        errors.update(start[None], (y + off)[None, None])
    found = errors.by_span()

    # windows end before the test part, at step 384
    ages = torch.tensor([start + 6 - late for start in range(late, 384 - 6 - 3 + 1)])
    off = torch.where(ages <= 24, 1.0, torch.where(ages <= 168, 3.0, 7.0))
    assert found["day"] == pytest.approx(1.0)
    assert found["week"] == pytest.approx(float(off[ages <= 168].mean()), rel=1e-5)
    assert found["month"] == pytest.approx(float(off.mean()), rel=1e-5)


@pytest.mark.parametrize("nodes_per_window", [None, 1])
def test_the_measure_before_training_knows_nothing_of_what_follows(nodes_per_window):
    def first_day(shift: float) -> object:
        stream = _stream()
        later = stream.load(1).series.clone()
        later[60:] += shift
        periods = [stream.load(0), replace(stream.load(1), series=later)]
        data = _data(MemoryStream(periods, name="joins"), nodes_per_window=nodes_per_window)
        torch.manual_seed(0)
        backbone = SeasonalMLP(window=6, horizon=3, hidden=8)
        model = _model(backbone, data.for_period(0))
        second = data.for_period(1).prepared(backbone.needs)
        joined = joining(model, data.for_period(0), second, CHANGE)
        return joined._first["before"]["day"]

    assert first_day(0.0) == first_day(500.0)


def test_measuring_leaves_the_model_and_the_draws_as_they_were():
    data = _data(_stream())
    model = _model(STGNN(window=6, horizon=3), data.for_period(0))
    before = {
        name: value.clone() for name, value in model.state_dict().items() if "extra" not in name
    }
    torch.manual_seed(3)
    joining(model, data.for_period(0), data.for_period(1), NodeChange(("a", "b"), ("c",), (), ()))
    drawn = torch.rand(1)

    assert model.strategy.pool.node_ids == ["a", "b"]
    assert model.node_ids == ("a", "b")
    for name, value in model.named_parameters():
        assert torch.equal(before[name], value)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))


def test_a_period_without_new_sensors_has_nothing_to_measure():
    data = _data(_stream())
    change = NodeChange(("a", "b"), (), (), ())
    model = _model(STGNN(window=6, horizon=3), data.for_period(0))

    assert joining(model, data.for_period(0), data.for_period(1), change) is None
    assert joining(model, None, data.for_period(0), replace(change, new=("a",))) is None


def test_sensors_may_join_after_a_period_that_was_trained(tmp_path):
    third = tiny_period("p2", "abcd", index=2, num_steps=STEPS)
    stream = MemoryStream([_stream().load(0), _stream().load(1), third], name="joins")
    forecaster = Forecaster(SeasonalMLP(window=6, horizon=3, hidden=8), EAC(rank=2, seed=0))
    StreamRunner(
        forecaster,
        _data(stream, nodes_per_window=1, batch_size=64),
        run_dir=tmp_path,
        make_trainer=DefaultTrainer(max_epochs=1),
    ).run()

    found = [period.newcomers for period in read_run(tmp_path).periods]
    assert [0 if new is None else new.num_nodes for new in found] == [0, 1, 1]
    assert forecaster.strategy.pool.node_ids == ["a", "b", "c", "d"]


def test_a_run_keeps_what_new_sensors_came_to(tmp_path):
    data = _data(_stream(), batch_size=64)
    forecaster = Forecaster(STGNN(window=6, horizon=3), EAC(rank=2, seed=0))
    StreamRunner(
        forecaster, data, run_dir=tmp_path, make_trainer=DefaultTrainer(max_epochs=1)
    ).run()
    first, second = read_run(tmp_path).periods

    assert first.newcomers is None
    assert second.newcomers is not None
    assert second.newcomers.num_nodes == 1
    assert list(second.newcomers.first) == ["before", "after", "last", "day", "week"]
    assert second.newcomers.test["after"] == second.groups["new"].point["MAE"]["mean"]
    assert second.newcomers.test["week"] is not None
    assert all(v is not None for v in second.newcomers.first["before"].values())


def test_the_peer_forecasts_new_sensors_by_the_models_of_the_period_before():
    pytest.importorskip("lightgbm", reason="needs the extra eac[peers]")
    data = _data(_stream())
    model = _model(STGNN(window=6, horizon=3), data.for_period(0))
    boosters = boosters_of(["lightgbm"], None)
    joined = joining(
        model,
        data.for_period(0),
        data.for_period(1),
        NodeChange(("a", "b"), ("c",), (), ()),
        boosters,
    )

    assert boosters._fitted[0] == 0
    assert joined._naive["lightgbm"]["week"] < joined._naive["last"]["week"]


def test_thinned_windows_weigh_the_same_in_longer_spans(monkeypatch):
    monkeypatch.setattr("eac.training.results.arrivals.NODE_WINDOWS", 200)
    arrival = _arrival()
    assert arrival.every == (1, 6)  # 24 and 376 windows of three sensors
    errors = SpanErrors(arrival)
    series = arrival.data.period.series[:, 2]
    ages = arrival.starts + 6
    off = torch.where(ages <= 24, 1.0, 7.0)
    for start, wrong in zip(arrival.starts, off, strict=True):
        errors.update(start[None], (series[start + 6 : start + 9] + wrong)[None, None])
    found = errors.by_span()

    kept = ages[(arrival.starts % 6 == 0) & (ages <= 168)]
    assert found["day"] == pytest.approx(1.0)
    assert len(arrival.starts) > len(arrival.starts[arrival.starts % 6 == 0])
    expected = float(torch.where(kept <= 24, 1.0, 7.0).mean())
    assert found["week"] == pytest.approx(expected, rel=1e-5)


def test_the_first_day_of_who_joins_late_is_not_thinned(monkeypatch):
    monkeypatch.setattr("eac.training.results.arrivals.NODE_WINDOWS", 200)
    first = _arrival(late=30).first.tolist()
    stream = _stream(late=30)
    second = stream.load(1)
    series = second.series.clone()
    series[:200, 1] = torch.nan
    data = _data(MemoryStream([stream.load(0), replace(second, series=series)], name="two"))
    arrival = Arrival.of(data.for_period(1), NodeChange(("a",), ("b", "c"), (), ()))
    assert first == [30]
    assert arrival is not None
    assert arrival.first.tolist() == [200, 30]
    for begin in (30, 200):
        assert {*range(begin, begin + 24)} <= {*arrival.starts.tolist()}
