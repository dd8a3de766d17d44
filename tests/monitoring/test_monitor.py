"""The monitor on made-up networks: what it must find, and how seldom it may be wrong."""

from itertools import pairwise

import numpy as np
import pytest

from eac.errors import ConfigError, StreamError
from eac.monitoring.detectors import Ewma, PageHinkley
from eac.monitoring.monitor import Monitor
from eac.monitoring.policy import Policy
from eac.monitoring.reference import Reference

WEEK, BEGIN = 168, 4 * 168
NAMES = {"shift": "level shift", "unit": "unit change", "stuck": "stuck", "silent": "silent"}
WITHIN = {"shift": 72, "unit": 3, "stuck": 8, "silent": 8}
"""Steps within which each is found; hourly."""


def network(seed: int, nodes: int, weeks: int = 8) -> np.ndarray:
    """Hourly readings with days, weeks, autocorrelated noise, weather and gaps."""
    generator = np.random.default_rng(seed)
    hours = np.arange(weeks * WEEK)[:, None]
    level, phase = generator.uniform(40, 400, nodes), generator.uniform(0, 24, nodes)
    usual = level * (1 + 0.5 * np.sin(2 * np.pi * (hours + phase) / 24))
    usual = usual * (1 - 0.3 * (hours // 24 % 7 >= 5))
    noise, weather = generator.normal(size=usual.shape), generator.normal(size=len(hours))
    for t in range(1, len(hours)):
        noise[t] = 0.5 * noise[t - 1] + 0.866 * noise[t]
        weather[t] = 0.98 * weather[t - 1] + 0.2 * weather[t]
    series = usual * (1 + 0.08 * noise) * (1 + 0.03 * weather[:, None])
    series[generator.random(series.shape) < 0.03] = np.nan
    return series


def found(series: np.ndarray, until: int) -> list:
    monitor = Monitor(Reference.of(series[:BEGIN], 0, 24))
    return [a for step in range(BEGIN, until) for a in monitor.observe(step, series[step])]


def broken(seed: int, kind: str) -> tuple[np.ndarray, int, int]:
    """A network with one faulty sensor, which, and from when on."""
    series = network(1000 + seed, 20, weeks=6)
    node, when = seed % 20, BEGIN + 40 + seed * 7 % 120
    if kind == "shift":
        series[when:, node] *= 1.2 if seed % 2 else 0.8
    if kind == "unit":
        series[when:, node] *= (3.6, 1 / 3.6, 1000.0, 0.001, 2.24)[seed % 5]
    if kind == "stuck":
        series[when:, node] = 50.0
    if kind == "silent":
        series[when:, node] = np.nan
    return series, node, when


def delay(seed: int, kind: str) -> int | None:
    series, node, when = broken(seed, kind)
    for alarm in found(series, when + 100):
        if alarm.node == node and alarm.kind == NAMES[kind] and alarm.step >= when:
            return alarm.step - when + 1
    return None


@pytest.mark.parametrize("kind", NAMES)
def test_a_fault_is_found_in_time(kind):
    delays = [delay(seed, kind) for seed in range(4)]
    assert all(d is not None and d <= WITHIN[kind] for d in delays), delays


def test_single_readings_far_off_are_no_shift_of_the_level():
    hours = np.arange(5 * WEEK)[:, None]
    for seed in range(5, 13):
        noise = np.random.default_rng(seed).normal(0, 3, (len(hours), 20))
        series = 100 + 40 * np.sin(2 * np.pi * hours / 24) + noise
        series[BEGIN + 50 : BEGIN + 68 : 3, 3] += 200
        events = found(series, BEGIN + 150)
        assert {alarm.kind for alarm in events if alarm.node == 3} == {"spiking"}, seed


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAMES)
def test_a_fault_is_found_in_time_in_95_of_100_trials(kind):
    delays = [delay(seed, kind) for seed in range(100)]
    assert sum(d is not None and d <= WITHIN[kind] for d in delays) >= 95, delays


@pytest.mark.slow
def test_a_thousand_sensors_have_at_most_one_false_alarm_in_four_weeks():
    alarms = [len(found(network(seed, 1000), 8 * WEEK)) for seed in range(10)]
    assert np.mean(alarms) <= 1, alarms


def test_a_well_network_of_two_hundred_sensors_is_quiet():
    assert len(found(network(0, 200), 8 * WEEK)) <= 1


def test_drift_of_the_whole_network_is_an_event_and_hardly_a_sensor_is_blamed():
    series = network(3, 50)
    series[BEGIN + 200 :] *= 1.25
    alarms = found(series, 8 * WEEK)
    assert "network drift" in [a.kind for a in alarms]
    assert sum(a.node is not None for a in alarms) <= 8


@pytest.mark.parametrize("times", [0.4, 2.5])
def test_a_day_that_multiplies_all_readings_changes_the_unit_of_no_sensor(times):
    series = network(3, 20, weeks=6)
    series[BEGIN + 200 : BEGIN + 212] *= times
    series[BEGIN + 204 :, 7] *= 3.6
    alarms = found(series, BEGIN + 212)
    assert [a.node for a in alarms if a.kind == "unit change"] == [7]


def test_a_stuck_sensor_is_not_trusted_from_its_second_equal_reading_on():
    series = network(5, 10, weeks=6)
    series[1::2, 4] = np.nan  # read at every second step
    series[BEGIN + 50 :: 2, 4] = 77.0
    (alarm,) = (a for a in found(series, BEGIN + 100) if a.kind == "stuck")
    assert (alarm.node, alarm.since) == (4, BEGIN + 52)


def test_readings_not_yet_given_change_no_event():
    series = network(5, 10)
    before = found(series, BEGIN + 100)
    series[BEGIN + 100 :] = 0
    assert found(series, BEGIN + 100) == before


def test_page_hinkley_is_that_of_a_plain_loop():
    residuals = np.random.default_rng(0).normal(0.3, 1, 200)
    test, total, least = PageHinkley(1, slack=0.25), 0.0, 0.0
    for x in residuals:
        total += x - 0.25
        least = min(least, total)
        test.update(np.array([x]))
        assert test.up[0] == pytest.approx(total - least)


def test_a_missing_reading_leaves_the_mean_as_it_is():
    mean = Ewma(2, rate=0.5)
    mean.update(np.array([2.0, 2.0]))
    assert mean.update(np.array([np.nan, 0.0])).tolist() == [1.0, 0.5]


def test_a_policy_names_what_is_done():
    assert Policy.of({"stuck": "ask"}).action("stuck") == "ask"
    assert Policy.of({}).action("unit change") == "ask"
    for wrong in ({"broken": "ask"}, {"stuck": "repair"}):
        with pytest.raises(ConfigError, match="in a policy is none of"):
            Policy.of(wrong)


@pytest.mark.parametrize("days", [0, 3])
def test_nothing_is_said_of_a_sensor_that_was_hardly_read_before(days):
    series = network(3, 6, weeks=7)
    beside = np.column_stack([series, series[:, 0]])
    beside[: BEGIN - 24 * days, -1] = np.nan
    assert found(beside, len(beside)) == found(series, len(series))


def test_a_short_reference_is_refused():
    with pytest.raises(StreamError, match="shorter than 2 weeks"):
        Reference.of(np.zeros((100, 2)), 0, 24)


def test_a_sensor_read_every_second_step_is_not_stuck_at_night():
    series = network(3, 6)
    day = np.arange(len(series)) % 24
    series[:, 0] = np.where(day < 18, 0.0, 100.0 + day)
    series[1::2, 0] = np.nan  # nine readings of each night are 0, one after the other
    assert not [a for a in found(series, len(series)) if a.node == 0 and a.kind == "stuck"]


def test_runs_of_the_reference_are_counted_as_the_monitor_counts_them():
    generator = np.random.default_rng(0)
    series = generator.integers(0, 2, size=(14 * 24, 8)).astype(float)
    series[generator.random(series.shape) < 0.5] = np.nan
    series[:, 6], series[:, 7] = np.nan, 5.0
    longest = []
    for column in series.T:
        readings = column[np.isfinite(column)]
        run = best = 0
        for before, now in pairwise(readings):
            run = run + 1 if now == before else 0
            best = max(best, run)
        longest.append(best)
    assert Reference.of(series, 0, 24).longest_run.tolist() == longest
