"""The detectors over all sensors at once, and what they are made after."""

from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from eac.errors import StreamError
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


def test_a_backtest_is_watched_by_the_command(tmp_path, monkeypatch):
    run = tmp_path / "run"
    stamps = pd.date_range("2024-01-01", periods=240, freq="h")
    parts = []
    for node in "abcdefghijklmnop":
        y = np.where((stamps >= "2024-01-05") & (node == "b"), 99.0, 0.0)
        one = {"unique_id": node, "ds": stamps, "step": 1, "y": y}
        parts.append(pd.DataFrame(one | {"y_hat-lo-90": -1.0, "y_hat-hi-90": 1.0}))
    table = pd.concat([*parts, parts[0].assign(step=2, y=99.0)])  # later steps do not count
    table.to_parquet(tmp_path / "backtest.parquet")
    monkeypatch.setattr(events, "done_periods", lambda path: [path])
    monkeypatch.setattr(events, "load_data", lambda paths: SimpleNamespace(step=timedelta(hours=1)))
    path = tmp_path / "backtest.parquet"
    found = events.find_forecast_events(run, path, alarms=0.125, policy=Policy())
    assert found["kind"].tolist() == ["forecast error"]
    assert (found["unique_id"][0], found["action"][0]) == ("b", "tune prompts")
    assert pd.Timestamp("2024-01-05 06:00") < found["ds"][0] < pd.Timestamp("2024-01-07")
    table.drop(columns="y_hat-lo-90").to_parquet(path)
    with pytest.raises(StreamError, match=r"Write it with: eac backtest .* --level 90"):
        events.find_forecast_events(run, path, alarms=0.125, policy=Policy())


def test_events_of_several_tables_stand_in_order_of_time():
    one = pd.DataFrame({"kind": ["stuck"], "ds": [pd.Timestamp("2024-01-03")]})
    two = pd.DataFrame({"kind": ["coverage"], "ds": [pd.Timestamp("2024-01-02")]})
    assert events.in_order(one, two)["kind"].tolist() == ["coverage", "stuck"]
    assert len(events.in_order(one.iloc[:0], two.iloc[:0])) == 0
