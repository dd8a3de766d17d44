"""The detectors over all sensors at once, and what they are made after."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from eac.errors import ConfigError, StreamError
from eac.monitoring.detectors import Ewma, PageHinkley
from eac.monitoring.forecasts import ForecastMonitor
from eac.monitoring.policy import Policy
from eac.serving import events


def residuals(steps: int = 300, nodes: int = 5) -> np.ndarray:
    generator = np.random.default_rng(1)
    values = generator.normal(0, 0.8, (steps, nodes)).clip(-3.9, 3.9)
    values[200:, 2] += 1.5
    return values.clip(-3.9, 3.9)


def test_the_mean_of_each_sensor_is_that_of_river():
    river_stats = pytest.importorskip("river.stats", reason="river is the reference")
    ours = Ewma(5, rate=0.1)
    theirs = [river_stats.EWMean(fading_factor=0.1) for _ in range(5)]
    for mean in theirs:
        mean.update(0.0)  # ours begins at what is usual
    for row in residuals():
        found = ours.update(row)
        for one, value in zip(theirs, row, strict=True):
            one.update(float(value))
        np.testing.assert_allclose(found, np.abs([one.get() for one in theirs]), rtol=1e-9)


def test_page_hinkley_alarms_when_that_of_river_does():
    """River's estimates the mean, which is 0 here, so both agree but for that estimate."""
    river_drift = pytest.importorskip("river.drift", reason="river is the reference")
    ours = PageHinkley(5, slack=0.5)
    theirs = [
        river_drift.PageHinkley(min_instances=1, delta=0.5, threshold=20.0, alpha=1.0, mode="up")
        for _ in range(5)
    ]
    first: dict[int, list[int]] = {0: [-1] * 5, 1: [-1] * 5}
    for step, row in enumerate(residuals()):
        ours.update(row)
        for node, value in enumerate(row):
            theirs[node].update(float(value))
            for which, alarm in enumerate((ours.up[node] > 20.0, theirs[node].drift_detected)):
                if alarm and first[which][node] < 0:
                    first[which][node] = step
    assert [at > 0 for at in first[0]] == [False, False, True, False, False]
    assert [at > 0 for at in first[1]] == [False, False, True, False, False]
    assert abs(first[0][2] - first[1][2]) <= 3


def test_page_hinkley_is_the_largest_sum_of_any_stretch():
    """Page's statistic by its definition: the largest sum of residuals less slack up to now."""
    ours, values = PageHinkley(5, slack=0.4), residuals(60)
    for step in range(60):
        found = ours.update(values[step])
        past = values[: step + 1]
        rises = [np.maximum((past[i:] - 0.4).sum(0), 0) for i in range(step + 1)]
        falls = [np.maximum((-past[i:] - 0.4).sum(0), 0) for i in range(step + 1)]
        expected = np.maximum(np.max(rises, axis=0), np.max(falls, axis=0))
        np.testing.assert_allclose(found, expected, atol=1e-9)


def covered(nodes: int, steps: int, *, broken: int | None = None) -> list[tuple[str, int | None]]:
    """Events of intervals that hold, but for one sensor or (-1) for all after step 100."""
    generator = np.random.default_rng(2)
    monitor, found = ForecastMonitor(nodes, steps_per_day=24), []
    shock = 0.0
    for step in range(steps):
        shock = 0.8 * shock + 0.6 * generator.normal()
        y = 0.5 * shock + 0.866 * generator.normal(size=nodes)  # weather that all share
        if broken is not None and step > 100:
            y[slice(None) if broken < 0 else broken] *= 5
        found += monitor.observe(step, y, np.full(nodes, -1.645), np.full(nodes, 1.645))
    return [(alarm.kind, alarm.node) for alarm in found]


def test_intervals_that_hold_raise_no_alarm_in_four_weeks():
    assert covered(1000, 4 * 168) == []


def test_a_sensor_or_a_network_whose_intervals_do_not_hold_is_found():
    assert covered(200, 250, broken=7) == [("forecast error", 7)]
    assert covered(200, 250, broken=-1)[0] == ("coverage", None)


@pytest.fixture
def backtest() -> pd.DataFrame:
    """Intervals of 16 sensors, one of which leaves them from the fifth day on."""
    stamps = pd.date_range("2024-01-01", periods=240, freq="h")
    parts = []
    for node in "abcdefghijklmnop":
        y = np.where((stamps >= "2024-01-05") & (node == "b"), 99.0, 0.0)
        one = {"unique_id": node, "ds": stamps, "step": 1, "y": y}
        parts.append(pd.DataFrame(one | {"y_hat-lo-90": -1.0, "y_hat-hi-90": 1.0}))
    return pd.concat([*parts, parts[0].assign(step=2, y=99.0)])  # later steps do not count


def watched(monkeypatch, path: Path, zone: str | None = None, slots: int = 24) -> pd.DataFrame:
    clock = SimpleNamespace(zone=zone, steps_per_day=slots)
    data = SimpleNamespace(step=timedelta(hours=1), clock=clock)
    monkeypatch.setattr(events, "done_periods", lambda path: [path])
    monkeypatch.setattr(events, "load_data", lambda paths: data)
    return events.find_forecast_events(Path("run"), path, alarms=0.125, policy=Policy())


def test_a_backtest_is_watched_by_the_command(backtest, tmp_path, monkeypatch):
    path = tmp_path / "backtest.parquet"
    backtest.to_parquet(path)
    found = watched(monkeypatch, path)
    assert found["kind"].tolist() == ["forecast error"]
    assert (found["unique_id"][0], found["action"][0]) == ("b", "tune prompts")
    assert pd.Timestamp("2024-01-05 06:00") < found["ds"][0] < pd.Timestamp("2024-01-07")
    backtest.drop(columns="y_hat-lo-90").to_parquet(path)
    with pytest.raises(StreamError, match=r"Write it with: eac backtest .* --level 90"):
        watched(monkeypatch, path)


def test_a_week_of_silence_is_one_of_the_clock_though_most_of_it_was_not_tested(
    backtest, tmp_path, monkeypatch
):
    """Test parts of two days each, ten days apart, in which one sensor leaves its intervals."""
    path = tmp_path / "backtest.parquet"
    off = backtest[backtest["ds"].between("2024-01-05", "2024-01-06 23:00")]
    later = off.assign(ds=off["ds"] + pd.Timedelta(days=10))
    pd.concat([off, later]).to_parquet(path)
    found = watched(monkeypatch, path)
    assert found["ds"].dt.day.tolist() in ([5, 15], [5, 16], [6, 16])
    few = backtest[backtest["ds"].dt.hour < 12]
    few.to_parquet(path)
    assert watched(monkeypatch, path, slots=12)["ds"][0] < pd.Timestamp("2024-01-07")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("zone", [None, "Europe/Oslo"])
def test_events_of_a_backtest_stand_beside_those_of_readings(
    backtest, tmp_path, monkeypatch, suffix, zone
):
    path = tmp_path / f"backtest.{suffix}"
    getattr(backtest, f"to_{suffix}")(path, index=False)
    readings = pd.DataFrame({"kind": ["stuck"], "ds": [pd.Timestamp("2024-01-09", tz=zone)]})
    both = events.in_order(readings, watched(monkeypatch, path, zone))
    assert both["kind"].tolist() == ["forecast error", "stuck"]


@pytest.mark.parametrize("text", ["", "PAR1 not really"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_damaged_backtest_is_named(tmp_path, monkeypatch, suffix, text):
    path = tmp_path / f"backtest.{suffix}"
    path.write_text(text)
    with pytest.raises(StreamError, match="backtest"):
        watched(monkeypatch, path)


@pytest.mark.parametrize("alarms", [np.nan, np.inf, 0.0, -1.0])
def test_a_number_of_alarms_that_cannot_be_is_refused(tmp_path, monkeypatch, alarms):
    monkeypatch.setattr(events, "done_periods", lambda path: [path])
    given = {"weeks": 4, "alarms": alarms, "policy": Policy()}
    with pytest.raises(ConfigError, match=r"--alarms .*: give a number above 0, such as 0.125"):
        events.find_events(tmp_path, tmp_path / "counts.csv", **given)


def test_events_of_several_tables_stand_in_order_of_time():
    one = pd.DataFrame({"kind": ["stuck"], "ds": [pd.Timestamp("2024-01-03")]})
    two = pd.DataFrame({"kind": ["coverage"], "ds": [pd.Timestamp("2024-01-02")]})
    assert events.in_order(one, two)["kind"].tolist() == ["coverage", "stuck"]
    assert len(events.in_order(one.iloc[:0], two.iloc[:0])) == 0
