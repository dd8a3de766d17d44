import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from eac.data.core.stream import node_changes
from eac.data.readers.table import TableStream
from eac.data.simulator.synthetic import SyntheticStream
from eac.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
CALM = {"variability": 0.0, "incidents": 0.0, "noise": 0.0, "drift": 0.0, "growth": 0.0}

STILL = {"drift": 0.0, "growth": 0.0}


def small(**settings):
    defaults = {"num_nodes": 40, "num_periods": 3, "steps_per_period": 96, "steps_per_day": 48}
    return SyntheticStream(**{**defaults, **settings})


def deviation_from_last_week(series, week):
    return series[week:] - series[:-week]


@pytest.fixture(scope="module")
def two_weeks():
    stream = small(num_nodes=80, num_periods=1, steps_per_period=4032, steps_per_day=288, seed=3)
    return stream, stream[0].series.numpy()


def test_the_same_seed_gives_the_same_stream_and_another_seed_another():
    first, same, other = (small(seed=seed, missing=0.05, shuffle=True) for seed in (1, 1, 2))
    assert [p.fingerprint() for p in first] == [p.fingerprint() for p in same]
    assert first[0].fingerprint() != other[0].fingerprint()


def test_a_period_is_the_same_in_whatever_order_periods_are_loaded():
    forward, backward = small(shrink=0.1), small(shrink=0.1)
    expected = [period.fingerprint() for period in forward]
    assert [backward[index].fingerprint() for index in (2, 0, 1, 2)] == [
        expected[index] for index in (2, 0, 1, 2)
    ]


def test_a_stream_with_more_periods_keeps_the_earlier_ones():
    short, long = small(num_periods=2), small(num_periods=3)
    assert [p.fingerprint() for p in short] == [p.fingerprint() for p in long][:2]


def test_a_used_stream_can_be_pickled():
    stream = small(num_periods=2)
    first = stream[1].fingerprint()
    assert pickle.loads(pickle.dumps(stream))[1].fingerprint() == first


def test_without_chance_two_periods_are_one_long_period_cut_in_two():
    halves = small(num_periods=2, steps_per_period=100, **CALM)
    whole = small(num_periods=1, steps_per_period=200, **CALM)
    joined = torch.cat([period.series for period in halves])
    assert torch.equal(joined, whole[0].series)


def test_without_chance_weeks_repeat():
    week = 7 * 48
    series = small(num_periods=1, steps_per_period=2 * week + 48, **CALM)[0].series
    assert torch.allclose(series[48 + week :], series[48:-week], atol=1)


def test_time_stamps_and_calendar_go_on_from_period_to_period():
    periods = list(small(start="2024-03-06 12:00", num_periods=2))
    starts = [str(period.calendar.start) for period in periods]
    assert starts == ["2024-03-06 12:00:00", "2024-03-08 12:00:00"]
    assert periods[0].calendar.start_slot == 2 * 48 + 24
    assert str(periods[0].calendar.step) == "0 days 00:30:00"


def test_nodes_join_leave_and_return_by_the_given_shares():
    stream = small(num_nodes=40, growth=0.1, shrink=0.05, returning=0.5, num_periods=3)
    changes = [change for _, change in node_changes(stream)]
    # 40 -> 40 - 2 + 4 = 42 -> 42 - 2 + 4 + 1 of the 2 that had gone = 45
    assert [(len(c.kept), len(c.new), len(c.returned), len(c.gone)) for c in changes] == [
        (0, 40, 0, 0),
        (38, 4, 0, 2),
        (40, 4, 1, 2),
    ]


def test_shuffled_periods_list_the_same_nodes_in_another_order():
    plain, shuffled = small(noise=0.0)[1], small(noise=0.0, shuffle=True)[1]
    assert set(plain.node_ids) == set(shuffled.node_ids)
    assert plain.node_ids != shuffled.node_ids
    order = torch.tensor([plain.node_ids.index(node) for node in shuffled.node_ids])
    assert torch.equal(plain.series[:, order], shuffled.series)
    assert torch.equal(plain.coordinates[order], shuffled.coordinates)
    assert torch.equal(plain.graph.permute(order).to_dense(), shuffled.graph.to_dense())


def test_a_step_of_an_hour_is_simulated_in_six_ticks_of_ten_minutes():
    hourly = {"num_nodes": 5, "num_periods": 1, "steps_per_period": 24, "steps_per_day": 24}
    by_default, said = small(**hourly)[0].series, small(**hourly, substeps=6)[0].series
    torch.testing.assert_close(by_default, said, rtol=0, atol=0, equal_nan=True)
    other = small(**hourly, substeps=3)[0].series
    assert not torch.equal(by_default.nan_to_num(), other.nan_to_num())


def test_counts_are_whole_and_not_negative():
    series = small()[0].series
    assert series.dtype == torch.float32
    assert (series >= 0).all()
    assert torch.equal(series, series.round())


def test_missing_readings_come_in_gaps_of_about_the_given_share():
    period = small(num_nodes=100, num_periods=1, steps_per_period=1000, missing=0.1)[0]
    gone = period.series.isnan()
    begins = (gone[1:] & ~gone[:-1]).sum() + gone[0].sum()
    assert 0.07 < period.missing_share < 0.13
    assert 4 < gone.sum() / begins < 8  # three hours of half-hourly readings: 6


def test_dropouts_do_not_change_the_traffic():
    whole, holes = small()[0].series, small(missing=0.2)[0].series
    seen = ~holes.isnan()
    assert torch.equal(whole[seen], holes[seen])


def test_last_week_forecasts_better_than_yesterday_and_an_hour_ago_better_than_a_shift(two_weeks):
    _, series = two_weeks
    error = {lag: np.abs(series[lag:] - series[:-lag]).mean() for lag in (12, 72, 288, 2016)}
    assert error[2016] < error[288] < error[72]
    assert error[2016] > 0.1 * series.mean()


def test_weekdays_have_a_morning_rush_and_sundays_have_not(two_weeks):
    _, series = two_weeks
    hourly = series.mean(axis=1)[:2016].reshape(7, 24, 12).mean(axis=2)
    assert hourly[0, 8] > 1.5 * hourly[6, 8]
    assert hourly[0, 3] < 0.2 * hourly[0, 8]


def test_a_deviation_reaches_the_next_section_one_tick_later(two_weeks):
    stream, _ = two_weeks
    quiet = small(
        num_nodes=80, num_periods=1, steps_per_period=4032, steps_per_day=288, seed=3, noise=0.0
    )[0]
    change = np.diff(deviation_from_last_week(quiet.series.numpy(), 2016), axis=0)
    network = stream.city(0).network
    upstream = np.flatnonzero(network.down[1] < 80)
    ahead, behind = change[:, network.down[1, upstream]], change[:, upstream]
    later = np.mean(behind[:-1] * ahead[1:])
    earlier = np.mean(behind[1:] * ahead[:-1])
    assert later > 2 * abs(earlier)
    assert later > np.mean(behind * ahead)


def test_traffic_is_congested_somewhere_in_the_rush_and_nowhere_at_night(two_weeks):
    stream, _ = two_weeks
    city = stream.city(0)
    hours = small(
        num_nodes=80, num_periods=24, steps_per_period=12, steps_per_day=288, seed=3, **STILL
    )
    shares = []
    for index in range(24):
        hours.load(index)
        shares.append((hours._states[index + 1].load.vehicles > 1.3 * city.cells.capacity).mean())
    assert max(shares[6:20]) > 0
    assert max(shares[1:5]) == 0


def test_without_drift_roads_and_demand_stay_and_with_drift_they_change():
    still, moving = small(drift=0.0, growth=0.0), small(drift=1.0, growth=0.0)
    first, later = still.city(0), still.city(2)
    assert (first.cells.capacity == later.cells.capacity).all()
    assert (first.demand_start == later.demand_end).all()
    first, later = moving.city(0), moving.city(2)
    assert (first.demand_end == moving.city(1).demand_start).all()
    ratio = np.log(later.demand_start / first.demand_start)
    assert 0.2 < ratio.std() < 0.8
    assert (first.turning_morning != later.turning_morning).any()


def test_neighbours_are_linked_both_ways_with_weights_that_fall_with_distance():
    period = small(num_nodes=200, num_periods=1)[0]
    dense = period.graph.to_dense()
    assert torch.equal(dense, dense.T)
    assert 0 < period.graph.edge_weight.min() <= period.graph.edge_weight.max() <= 1
    assert period.graph.isolated().float().mean() < 0.05
    assert period.graph.num_edges < 30 * 200


def test_coordinates_are_degrees_and_a_section_apart_is_the_way_of_one_tick():
    period = small(num_nodes=200, num_periods=1)[0]
    assert period.coordinates.shape == (200, 2)
    apart = torch.cdist(period.coordinates, period.coordinates)
    apart.fill_diagonal_(torch.inf)
    nearest = apart.min(dim=1).values.median().item() * 111.2
    assert nearest < 10  # ten minutes at 60 km/h


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_nodes": 0}, "num_nodes=0"),
        ({"shrink": 1.0}, "shrink=1.0"),
        ({"missing": -0.1}, "missing=-0.1"),
        ({"steps_per_day": 7}, "does not divide"),
        ({"returning": 1.5}, "returning=1.5"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        small(**settings)


def test_the_committed_sample_is_what_its_script_makes(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "make_sample.py"), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    made, committed = TableStream(tmp_path), TableStream(ROOT / "datasets" / "sample")
    assert list(made.period_names) == list(committed.period_names)
    for ours, theirs in zip(made, committed, strict=True):
        assert ours.node_ids == theirs.node_ids
        assert torch.equal(ours.graph.to_dense(), theirs.graph.to_dense())
        assert ours.calendar.start == theirs.calendar.start
        torch.testing.assert_close(ours.coordinates, theirs.coordinates, atol=1e-4, rtol=0)
        assert torch.equal(ours.series.isnan(), theirs.series.isnan())
        # the last bit of a float32 function may depend on the processor: a count may round over
        apart = (ours.series - theirs.series).nan_to_num().abs()
        assert apart.max() <= 1
        assert (apart > 0).float().mean() < 1e-3


def test_the_sample_grows_shrinks_has_returning_nodes_and_gaps():
    changes = list(node_changes(TableStream(ROOT / "datasets" / "sample")))
    assert len(changes) >= 4
    assert all(change.gone and change.new for _, change in changes[1:])
    assert any(change.returned for _, change in changes)
    assert all(0.01 < period.missing_share < 0.06 for period, _ in changes)
