"""The smoothed residual: an independent numpy twin, causality, and how its weights are chosen."""

import math

import numpy as np
import pytest
import torch

from eac.data.core.calendar import Calendar
from eac.metrics import smoothed
from eac.metrics.baselines import Windows
from eac.metrics.smoothed import (
    Smoothing,
    choose_smoothing,
    has_smoothed,
    smoothed_errors,
    smoothed_forecast,
)

CALENDAR = Calendar(steps_per_day=3, days_per_week=2)
HORIZON = 4


def _series(num_steps: int = 40, num_nodes: int = 3, missing: float = 0.2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    series = torch.rand(num_steps, num_nodes, generator=generator) * 20
    series[torch.rand(num_steps, num_nodes, generator=generator) < missing] = torch.nan
    return series


def _smoothed_twin(values, step: int, cycle: int, weight: float, ahead: int) -> float:
    """What was smoothed of the slot of ``step``, with nothing of the last ``ahead`` steps."""
    state = math.nan
    for past in range(step % cycle, step - ahead + 1, cycle):
        value = values[past]
        if not math.isnan(value):
            state = value if math.isnan(state) else state + weight * (value - state)
    return state


def _twin(readings: np.ndarray, how: Smoothing) -> np.ndarray:
    """The definition for one node, one number at a time."""
    steps = range(len(readings))
    profile = [_smoothed_twin(readings, t, 6, how.week, HORIZON) for t in steps]
    residual = [readings[t] - profile[t] for t in steps]
    near = []
    for t in steps:
        around = residual[max(t - how.side, 0) : t + how.side + 1]
        around = [value for value in around if not math.isnan(value)]
        near.append(sum(around) / len(around) if around else math.nan)
    late = [_smoothed_twin(near, t, 3, how.day, HORIZON + how.side) for t in steps]
    return np.array(
        [p + how.share * (0.0 if math.isnan(r) else r) for p, r in zip(profile, late, strict=True)]
    )


@pytest.mark.parametrize(
    "how", [Smoothing(0.5, 0.3, 0, 0.8), Smoothing(1.0, 0.6, 3, 1.0), Smoothing(0.2, 1.0, 1, 0.4)]
)
def test_forecasts_equal_a_numpy_twin(how):
    series = _series()
    found = smoothed_forecast(series, how, HORIZON, CALENDAR)
    for node in range(series.shape[1]):
        expected = _twin(series[:, node].double().numpy(), how)
        np.testing.assert_allclose(found[:, node], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", [0, 1, 3])
def test_no_forecast_looks_at_what_is_read_after_it_is_made(side):
    series, how = _series(missing=0.0), Smoothing(0.5, 0.5, side, 1.0)
    changed = series.clone()
    changed[20:] += 100.0
    before, after = (smoothed_forecast(s, how, HORIZON, CALENDAR) for s in (series, changed))
    known = slice(0, 20 + HORIZON)
    assert torch.equal(before[known].nan_to_num(-1.0), after[known].nan_to_num(-1.0))
    assert not torch.equal(before[20 + HORIZON :], after[20 + HORIZON :])


def test_weights_are_chosen_before_the_first_test_window():
    series, starts = _series(60, missing=0.0), torch.arange(40, 50)
    changed = series.clone()
    changed[40:] = changed[40:] * 5
    seen = []

    def noted(history, *args):
        seen.append(history.clone())
        return choose_smoothing(history, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smoothed, "choose_smoothing", noted)
        for readings in (series, changed):
            smoothed_errors(readings, Windows(starts, 3, HORIZON, CALENDAR))
    assert torch.equal(seen[0], series[:40])
    assert torch.equal(seen[0], seen[1])


def test_a_level_that_moves_is_followed_and_noise_is_not():
    generator = torch.Generator().manual_seed(0)
    week = torch.tensor([0.0, 5, 9, 3, 8, 1]).repeat(100)[:, None]
    noisy = week + torch.randn(600, 4, generator=generator)
    rising = torch.arange(600.0)[:, None]
    assert choose_smoothing(noisy + rising, HORIZON, CALENDAR).share >= 0.8
    steady = choose_smoothing(noisy, HORIZON, CALENDAR)
    assert steady.week == 0.2
    assert steady.day * steady.share <= 0.15


def test_a_target_without_a_week_before_it_takes_the_last_reading():
    series = torch.tensor([3.0, 4.0, 7.0, 9.0])[:, None]
    errors = smoothed_errors(series, Windows(torch.tensor([0]), 2, 2, CALENDAR))
    assert errors.summary().point["MAE"]["1"] == 3.0  # 4 for 7
    assert errors.summary().point["MAE"]["2"] == 5.0  # 4 for 9


@pytest.mark.parametrize("steps", [1, 9])
def test_nulls_and_silent_nodes_are_left_out(steps):
    series = torch.full((60, 2), torch.nan)
    series[:, 0] = 0.0
    errors = smoothed_errors(
        series, Windows(torch.arange(40, 40 + steps), 3, HORIZON, CALENDAR, 0.0)
    )
    assert errors.summary().point["MAE"]["mean"] is None


def test_forecasting_some_nodes_at_a_time_changes_nothing(monkeypatch):
    series, starts = _series(60, 5), torch.arange(40, 50)
    whole = smoothed_errors(series, Windows(starts, 3, HORIZON, CALENDAR))
    monkeypatch.setattr(smoothed, "_ELEMENTS", 70)
    parts = smoothed_errors(series, Windows(starts, 3, HORIZON, CALENDAR))
    torch.testing.assert_close(parts.state(), whole.state(), rtol=1e-5, atol=1e-5)


def test_readings_that_repeat_with_no_day_or_week_have_none():
    assert not has_smoothed(Calendar(1, 12, months=1))
