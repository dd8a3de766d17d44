"""Naive forecasts: an independent numpy twin, causality, and figures on real streams."""

import numpy as np
import pytest
import torch
import yaml

from eac.data.core.calendar import Calendar
from eac.data.core.windows import Split, window_starts
from eac.metrics.baselines import (
    NAIVE,
    last_observed,
    naive_errors,
    node_means,
    of_slot,
    same_slot,
    slot_means,
)
from eac.records.horizon_table import mean_table

WINDOW, HORIZON = 3, 5
CALENDAR = Calendar(steps_per_day=2, days_per_week=2)


def _series(num_steps: int = 30, num_nodes: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    series = (torch.rand(num_steps, num_nodes, generator=generator) * 20).round()
    series[torch.rand(num_steps, num_nodes, generator=generator) < 0.3] = torch.nan
    series[:12, 3] = torch.nan
    return series


def _twin_forecast(series, start, node, step, cycle, first) -> float:
    """The definition, one number at a time."""
    end = start + WINDOW
    if cycle == "average":
        same = [series[k, node] for k in range(first) if (end + step - k) % 4 == 0]
        same = [value for value in same if not np.isnan(value)]
        if same:
            return float(np.mean(same))
    elif cycle is not None:
        source = end + step
        while source >= end:
            source -= cycle
        if source >= 0 and not np.isnan(series[source, node]):
            return series[source, node]
    for past in range(end - 1, start - 1, -1):
        if not np.isnan(series[past, node]):
            return series[past, node]
    return np.nan


def _twin_mae(series, starts, cycle, null_value) -> list[float]:
    history = series[: min(starts)]
    means = []
    for node in range(series.shape[1]):
        values = history[:, node][~np.isnan(history[:, node])]
        means.append(values.mean() if len(values) else history[~np.isnan(history)].mean())
    errors = [[] for _ in range(HORIZON)]
    for start in starts:
        for node in range(series.shape[1]):
            for step in range(HORIZON):
                y = series[start + WINDOW + step, node]
                if np.isnan(y) or y == null_value:
                    continue
                y_hat = _twin_forecast(series, start, node, step, cycle, min(starts))
                y_hat = means[node] if np.isnan(y_hat) else y_hat
                errors[step].append(abs(y_hat - y))
    return [float(np.mean(values)) for values in errors]


@pytest.mark.parametrize("null_value", [None, 7.0])
@pytest.mark.parametrize("first", [1, 10])
def test_errors_equal_a_numpy_twin(first, null_value):
    series, starts = _series(), torch.arange(first, 30 - WINDOW - HORIZON + 1)
    errors = naive_errors(series, starts, WINDOW, HORIZON, CALENDAR, null_value)
    for name, cycle in (("last", None), ("day", 2), ("week", 4), ("average", "average")):
        expected = _twin_mae(series.double().numpy(), starts.tolist(), cycle, null_value)
        found = errors[name].summary().point["MAE"]
        assert [found[str(h + 1)] for h in range(HORIZON)] == pytest.approx(expected, rel=1e-5)


def test_forecasts_do_not_change_when_the_future_does():
    series, first = _series(), torch.tensor([15])
    changed = series.clone()
    changed[15:] = 1000.0
    last = last_observed(series[12:15].T[None], node_means(series[:12]))
    for cycle in (1, 2, 4, 7):
        before = same_slot(series, first, last, HORIZON, cycle)
        after = same_slot(changed, first, last, HORIZON, cycle)
        assert torch.equal(before, after)


def test_steps_further_than_a_cycle_repeat_the_latest_known_cycle():
    series = torch.arange(10.0)[:, None]
    y_hat = same_slot(series, torch.tensor([8]), torch.zeros(1, 1), horizon=7, cycle=3)
    assert y_hat.flatten().tolist() == [5, 6, 7, 5, 6, 7, 5]


def test_the_average_knows_nothing_of_the_test_part():
    series, starts = _series(), torch.arange(15, 22)
    changed = series.clone()
    changed[15:] = changed[15:] + 50.0
    before, after = (slot_means(readings[:15], 4) for readings in (series, changed))
    assert torch.equal(before.nan_to_num(-1.0), after.nan_to_num(-1.0))
    last = torch.zeros(7, 4)
    assert of_slot(before, starts + WINDOW, last, HORIZON).shape == (7, 4, HORIZON)


def test_a_slot_without_a_reading_falls_back():
    by_slot = torch.tensor([[5.0], [torch.nan], [9.0]])
    y_hat = of_slot(by_slot, torch.tensor([4]), torch.tensor([[7.0]]), horizon=4)
    assert y_hat.flatten().tolist() == [7.0, 9.0, 5.0, 7.0]


def test_chunks_of_windows_change_nothing(monkeypatch):
    series, starts = _series(), torch.arange(10, 20)
    whole = naive_errors(series, starts, WINDOW, HORIZON, CALENDAR)
    monkeypatch.setattr("eac.metrics.baselines.CHUNK_ELEMENTS", 1)
    chunked = naive_errors(series, starts, WINDOW, HORIZON, CALENDAR)
    for name in NAIVE:
        torch.testing.assert_close(chunked[name].state(), whole[name].state())


def test_a_stream_without_any_reading_before_forecasts_zero():
    assert node_means(torch.full((3, 2), torch.nan)).tolist() == [0.0, 0.0]
    assert node_means(torch.empty(0, 2)).tolist() == [0.0, 0.0]


def test_a_node_without_history_takes_the_mean_of_all_nodes():
    history = torch.tensor([[1.0, torch.nan], [3.0, torch.nan]])
    assert node_means(history).tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [("bergen", (230.7, 90.2, 69.8)), ("pm10-a", (12.23, 20.1, 25.6))],
)
def test_average_mae_on_a_real_stream_under_the_published_protocol(stream, expected, shared_path):
    root = shared_path(f"layout/{stream}")
    described = yaml.safe_load((root / "stream.yaml").read_text(encoding="utf-8"))
    tables = {name: [] for name in NAIVE}
    for index, period in enumerate(described["periods"]):
        with np.load(root / "RawData" / f"{index}.npz") as file:
            series = torch.from_numpy(file["x"]).float()
        calendar = Calendar(24, 7, period["start_slot"])
        test = Split.by_fraction(len(series), (0.6, 0.2)).test
        starts = window_starts(test, 12, 12, period=period["name"], part="test")
        for name, errors in naive_errors(series, starts, 12, 12, calendar, 0.0).items():
            tables[name].append(errors.summary())
    found = [mean_table(tables[name]).cumulative["MAE"]["avg"] for name in ("last", "day", "week")]
    assert found == pytest.approx(expected, rel=2e-3)


def test_forecasting_some_nodes_at_a_time_changes_nothing(monkeypatch):
    series = torch.rand(120, 5)
    series[torch.rand(120, 5) < 0.2] = torch.nan
    series[:, 3] = torch.nan
    arguments = (series, torch.arange(80, 110), 6, 4, Calendar(6, 2))
    whole = naive_errors(*arguments)
    monkeypatch.setattr("eac.metrics.baselines.CHUNK_ELEMENTS", 130)
    parts = naive_errors(*arguments)
    for name, errors in whole.items():
        torch.testing.assert_close(parts[name].state(), errors.state(), rtol=1e-5, atol=1e-5)
