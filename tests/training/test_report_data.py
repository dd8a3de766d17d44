"""What is kept of a period for its page: true to the test, bounded, and without a trace."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import torch

from eac.artifacts.checkpoint import SavedState
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.hours import OpenHours
from eac.data.core.period import NodeChange
from eac.data.core.stream import MemoryStream
from eac.data.manage.describe import survey
from eac.records.details import PeriodDetails, read_details
from eac.records.record import SensorErrors, read_period
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from eac.training.peers import baseline_errors
from eac.training.results import again, report_data
from eac.training.results.report_data import collect_details
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.report.runs import period as period_record
from tests.streams import tiny_period, tiny_stream


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> StreamRunner:
    torch.manual_seed(0)
    forecaster = Forecaster(STGNN(hidden=8), EAC(rank=2))
    data = PeriodData(tiny_stream(("abcd", "bcde"), missing=True), batch_size=16)
    where = tmp_path_factory.mktemp("run")
    trainer = DefaultTrainer(max_epochs=1)
    runner = StreamRunner(forecaster, data, run_dir=where, make_trainer=trainer)
    runner.run()
    return runner


def _details(run: StreamRunner) -> PeriodDetails:
    found = read_details(run.run_dir / "period-01-p1")
    assert found is not None
    return found


def test_traces_have_the_errors_of_the_test(run):
    record, traces = read_period(run.run_dir / "period-01-p1"), _details(run).traces
    assert record.sensors is not None
    pairs = zip(record.sensors.node_ids, record.sensors.mae, strict=True)
    known = {node: error for node, error in pairs if error is not None}
    for sensor in (*traces.worst, *traces.best):
        pairs = [
            (y_hat, sensor.truth[origin + lead - 1])
            for origin, row in enumerate(sensor.forecast)
            for lead, y_hat in zip(traces.leads, row, strict=True)
        ]
        errors = [abs(a - b) for a, b in pairs if a is not None and b is not None]
        assert sum(errors) / len(errors) == pytest.approx(known[sensor.node_id], rel=1e-3)
    order = [known[sensor.node_id] for sensor in (*traces.worst, *traces.best[::-1])]
    assert order == sorted(order, reverse=True)
    assert len(order) == 4


def test_what_was_found_in_the_data_is_kept(run):
    found, series = _details(run).quality, run.data.stream.load(1).series
    assert found.missing_share == pytest.approx(series.isnan().double().mean().item())
    assert (found.longest_gap, found.num_silent, found.num_constant) == (1, 0, 0)
    assert found.num_edges == 8
    assert _details(run).map.edges == ((0, 1), (0, 3), (1, 2), (2, 3))


def test_the_spectrum_is_that_of_the_pool(run):
    spectrum = _details(run).spectrum
    expected = torch.linalg.svdvals(run.forecaster.strategy.pool.prompts())
    assert spectrum == pytest.approx(expected.tolist(), rel=1e-3, abs=1e-5)


def test_collecting_changes_neither_model_nor_randomness(run):
    model, data = run.forecaster, run.data.for_period(1)
    record = read_period(run.run_dir / "period-01-p1")
    before, random = SavedState.of(model), torch.get_rng_state()
    mode = model.training
    collect_details(model, data, record, NodeChange((), (), (), ()), None)
    after = SavedState.of(model)
    assert all(torch.equal(before.tensors[name], after.tensors[name]) for name in before.tensors)
    assert torch.equal(random, torch.get_rng_state())
    assert model.training == mode


def test_facts_of_a_large_network_are_those_of_the_sensors_that_lose_most(run, monkeypatch):
    monkeypatch.setattr(report_data, "FACT_NODES", 2)
    data, model = run.data.for_period(1), run.forecaster
    record = read_period(run.run_dir / "period-01-p1")
    naive = baseline_errors(data, None)
    known = naive["last"].node_mae()
    own = SensorErrors(
        record.sensors.node_ids, tuple((known * torch.tensor([3, 1, 2, 1])).tolist())
    )
    only = {"last": naive["last"]}
    change = NodeChange((), (), (), ())
    facts = collect_details(model, data, replace(record, sensors=own), change, None, only).sensors
    assert facts.node_ids == (record.sensors.node_ids[0], record.sensors.node_ids[2])


def test_a_large_network_is_sampled_over_the_whole_range_of_errors(run, monkeypatch):
    monkeypatch.setattr(report_data, "MAP_NODES", 5)
    monkeypatch.setattr(again, "NODE_WINDOWS", 40)
    names = "abcdefghijklmnopqrst"
    period = tiny_period("p0", names)
    where = torch.rand(len(names), 2)
    for placed, shown in ((where, {"a", "t"}), (None, {"a", "t"})):
        data = PeriodData(MemoryStream([replace(period, coordinates=placed)]))
        record = read_period(run.run_dir / "period-00-p0")
        errors = SensorErrors(tuple(names), tuple(map(float, range(len(names)))))
        run.forecaster.select_nodes(tuple(names))
        change = NodeChange((), (), (), ())
        details = collect_details(
            run.forecaster, data, replace(record, sensors=errors), change, None
        )
        assert details.map.num_nodes == 20
        assert len(details.map.node_ids) <= 8
        assert shown <= set(details.map.node_ids)
        assert len(details.traces.worst[0].forecast) == 2


def test_a_network_of_silent_sensors_is_described():
    period = tiny_period("p0", "ab")
    series = torch.full_like(period.series, torch.nan)
    silent = replace(period, series=series, graph=Graph.empty(2))
    data = PeriodData(MemoryStream([silent]))
    strategy = EAC(rank=2)
    model = Forecaster(STGNN(hidden=8), strategy)
    strategy.pool.grow(("a", "b"))
    model.select_nodes(("a", "b"))
    record = replace(period_record("0", 1.0), sensors=SensorErrors(("a", "b"), (None, None)))
    details = collect_details(model, data, record, NodeChange((), ("a", "b"), (), ()), None)
    assert details.traces.worst == details.traces.best == ()
    assert details.quality.num_silent == 2


def test_each_sensor_is_described_beside_the_best_naive_forecast(run):
    facts, period = _details(run).sensors, run.data.stream.load(1)
    record = read_period(run.run_dir / "period-01-p1")
    assert facts is not None
    assert facts.node_ids == period.node_ids
    errors = {name: table.point["MAE"]["mean"] for name, table in record.baselines.items()}
    assert facts.naive == min(errors, key=errors.get)
    # all sensors have equally many targets here, so the mean over sensors is the mean over all
    assert np.mean(facts.naive_mae) == pytest.approx(errors[facts.naive], rel=1e-4)
    expected = period.series.isnan().double().mean(0)
    assert facts.missing == pytest.approx(expected.tolist(), abs=1e-6)
    assert _details(run).steps_per_day == period.calendar.steps_per_day


def test_silence_at_the_end_is_counted_in_steps():
    series = torch.tensor([[1.0, torch.nan], [torch.nan, torch.nan], [torch.nan, torch.nan]])
    assert survey(series).trailing.tolist() == [2, 3]


def test_traces_of_open_hours_begin_when_their_first_step_does():
    hours = OpenHours(tuple(range(5, 22)), 24)
    period = tiny_period("p0", "abcd", num_steps=170)
    start = datetime(2024, 1, 1, 5)
    calendar = Calendar.from_timestamps(start, timedelta(hours=1), hours=hours)
    data = PeriodData(MemoryStream([replace(period, calendar=calendar)]))
    forecasts = torch.zeros(2, 4, data.horizon)
    traces = report_data._traces(data, forecasts, torch.tensor([0]), torch.tensor([1]))
    first = data.period.calendar.time_of(traces.first_step)
    assert first is not None
    assert traces.start == first.isoformat()
    assert traces.seconds is not None
    steps = range(traces.first_step - 1, traces.first_step + len(traces.worst[0].truth))
    moments = [data.period.calendar.time_of(step) for step in steps]
    assert [first + timedelta(seconds=s) for s in traces.seconds] == moments


def test_traces_of_months_stand_at_the_days_of_their_months():
    period, months = tiny_period("p0", "abcd", num_steps=170), timedelta(days=30)
    calendar = Calendar.from_timestamps(datetime(2010, 1, 1), months, months=1)
    data = PeriodData(MemoryStream([replace(period, calendar=calendar)]))
    forecasts = torch.zeros(2, 4, data.horizon)
    traces = report_data._traces(data, forecasts, torch.tensor([0]), torch.tensor([1]))
    assert traces.start is not None
    assert traces.seconds is not None
    start = datetime.fromisoformat(traces.start)
    assert {(start + timedelta(seconds=s)).day for s in traces.seconds} == {1}


def test_traces_of_a_time_zone_begin_at_the_time_on_the_wall():
    start = datetime(2024, 4, 1, tzinfo=ZoneInfo("Europe/Oslo"))
    period = tiny_period("p0", "abcd", num_steps=170)
    calendar = Calendar.from_timestamps(start, timedelta(hours=1))
    data = PeriodData(MemoryStream([replace(period, calendar=calendar)]))
    forecasts = torch.zeros(2, 4, data.horizon)
    traces = report_data._traces(data, forecasts, torch.tensor([0]), torch.tensor([1]))
    expected = datetime(2024, 4, 1) + traces.first_step * timedelta(hours=1)
    assert traces.start == expected.isoformat()


def test_silence_at_the_end_is_kept_in_real_time_where_hours_are_open():
    hours = OpenHours(tuple(range(6, 22)), 24, days=(0, 1, 2, 3, 4))
    calendar = Calendar.from_timestamps(datetime(2024, 1, 1, 6), timedelta(hours=1), hours=hours)
    period = replace(tiny_period("p0", "ab", num_steps=160), calendar=calendar)  # two weeks
    silent = torch.tensor([0, 5 * 16])
    assert report_data._silent_seconds(period, silent) == (0.0, 7 * 86400.0)
    slots = replace(period, calendar=Calendar(24))
    assert report_data._silent_seconds(slots, silent) is None
