"""Forecasts combined with the last reading: an independent twin, nothing ahead, sensors by row."""

import math

import numpy as np
import pytest
import torch

from eac.calibration.combination import MEMORY, PRIOR, RATE, SHARES, Combination

STEPS, NODES, HORIZON = 40, 3, 4


def readings(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Readings with gaps, and forecasts of the steps after each."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randn(STEPS, NODES, generator=generator).cumsum(0)
    y[torch.rand(STEPS, NODES, generator=generator) < 0.1] = torch.nan
    return y, torch.randn(STEPS, NODES, HORIZON, generator=generator)


def rolled(y: torch.Tensor, y_hat: torch.Tensor, steps: range, combination=None) -> torch.Tensor:
    combination = combination or Combination(y.shape[1], HORIZON)
    return torch.stack([combination.through(y_hat[t], y[t][:, None], t) for t in steps])


def twin(y: np.ndarray, y_hat: np.ndarray, now: int) -> np.ndarray:
    """The forecast made at one step, from all errors that are known then, summed up anew."""
    found = y_hat[now].copy()
    for node in range(y.shape[1]):
        for ahead in range(1, HORIZON + 1):
            sums, own, count = dict.fromkeys(SHARES, 0.0), 0.0, 0.0
            for target in range(ahead, now + 1):
                made = y_hat[target - ahead, node, ahead - 1]
                before, truth = y[target - ahead, node], y[target, node]
                if math.isnan(before) or math.isnan(truth):
                    continue
                faded = math.exp(-(now - target) / MEMORY)
                own, count = own + faded * abs(truth - made), count + faded
                for share in SHARES:
                    error = abs(truth - (made + share * (before - made)))
                    sums[share] += faded * (error - abs(truth - made))
            weights = {
                share: math.exp(-RATE * math.sqrt(count) * total / max(own, 1e-12) - PRIOR)
                for share, total in sums.items()
            }
            share = sum(s * w for s, w in weights.items()) / (1 + sum(weights.values()))
            if not math.isnan(y[now, node]):
                away = y[now, node] - y_hat[now, node, ahead - 1]
                found[node, ahead - 1] += share * away
    return found


def test_is_the_mean_with_exponential_weights():
    y, y_hat = readings()
    found = rolled(y, y_hat, range(STEPS))
    for now in (0, 1, 7, STEPS - 1):
        expected = twin(y.double().numpy(), y_hat.double().numpy(), now)
        np.testing.assert_allclose(found[now], expected, rtol=1e-4, atol=1e-5)


def test_a_later_reading_changes_no_forecast_made_before_it():
    y, y_hat = readings()
    other = y.clone()
    other[25:] = 1000.0
    before, after = rolled(y, y_hat, range(STEPS)), rolled(other, y_hat, range(STEPS))
    assert torch.equal(before[:25], after[:25])
    assert not torch.equal(before[25:], after[25:])


def test_a_forecast_without_a_last_reading_stays():
    y, y_hat = readings()
    found, missing = rolled(y, y_hat, range(STEPS)), y.isnan()
    assert missing.any()
    assert torch.equal(found[missing], y_hat[missing])
    assert found.isfinite().all()


def test_a_step_that_is_forecast_again_teaches_once():
    y, y_hat = readings()
    once, again = Combination(NODES, HORIZON), Combination(NODES, HORIZON)
    for t in range(STEPS):
        once.through(y_hat[t], y[t][:, None], t)
        for _ in range(3):
            again.through(y_hat[t], y[t][:, None], t)
    assert np.array_equal(once.sums, again.sums)


def test_readings_of_a_step_that_come_one_by_one_teach_as_if_they_came_at_once():
    y, y_hat = readings()
    once, by_one = Combination(NODES, HORIZON), Combination(NODES, HORIZON)
    for t in range(STEPS):
        expected = once.through(y_hat[t], y[t][:, None], t)
        for node in range(NODES):
            so_far = y[t].clone()
            so_far[node + 1 :] = torch.nan
            found = by_one.through(y_hat[t], so_far[:, None], t)
        assert torch.equal(found, expected)
    assert np.array_equal(once.sums, by_one.sums)


def test_a_reading_that_comes_a_step_late_teaches():
    """Of the forecast that was made without it nothing is learned, from it as if in time."""
    y, y_hat = readings()
    made = y_hat.clone()
    made[::5, 1] = torch.nan
    in_time, late = Combination(NODES, HORIZON), Combination(NODES, HORIZON)
    rolled(y, made, range(STEPS), in_time)
    for t in range(STEPS):
        recent = y[max(0, t - 1) : t + 1].T.clone()
        recent[1, -1] = torch.nan if t % 5 == 0 else recent[1, -1]
        late.through(y_hat[t], recent, t)
    assert np.array_equal(late.sums, in_time.sums)
    assert late.sums[-1, :, 1].all()


@pytest.mark.parametrize("at", [0, 1, 17])
def test_goes_on_from_its_state_as_if_it_had_never_stopped(at):
    y, y_hat = readings()
    whole, first = Combination(NODES, HORIZON), Combination(NODES, HORIZON)
    expected = rolled(y, y_hat, range(STEPS), whole)
    rolled(y, y_hat, range(at + 1), first) if at else None
    kept = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in first.state().items()}
    found = rolled(y, y_hat, range(at + 1 if at else 0, STEPS), Combination.of_state(kept))
    assert torch.equal(found, expected[-len(found) :])
    assert np.array_equal(whole.sums, Combination.of_state(whole.state()).sums)


@pytest.mark.parametrize("name", ["sums", "pending", "issued", "last", "read"])
def test_a_state_that_does_not_fit_itself_is_refused(name):
    y, y_hat = readings()
    combination = Combination(NODES, HORIZON)
    rolled(y, y_hat, range(5), combination)
    state = combination.state()
    with pytest.raises(ValueError, match=r"sensors|forecasts|facts|readings|sums"):
        Combination.of_state(state | {name: state[name][..., :-1]})


def test_left_out_steps_teach_nothing():
    y, y_hat = readings()
    left = Combination(NODES, HORIZON)
    rolled(y, y_hat, range(0, STEPS, HORIZON + 1), left)
    assert not left.sums.any()


def test_readings_between_forecasts_teach_too():
    """Every third forecast, with the readings between: errors of all steps ahead are known."""
    y, y_hat = readings()
    some = Combination(NODES, HORIZON)
    steps = range(3, STEPS, 3)
    for t in steps:
        assert some.recent_steps([t]) == (1 if t == 3 else 4)
        some.through(y_hat[t], y[t - 2 : t + 1].T, t)
    made = y_hat.clone()
    made[[t for t in range(STEPS) if t not in steps]] = torch.nan
    every = Combination(NODES, HORIZON)
    rolled(y, made, range(steps[-1] + 1), every)
    np.testing.assert_allclose(some.sums, every.sums, rtol=1e-5, atol=1e-6)
    assert some.sums[-1].all()


def test_sensors_keep_what_they_know_by_row_and_new_ones_know_nothing():
    y, y_hat = readings()
    whole = Combination(NODES, HORIZON)
    rolled(y, y_hat, range(STEPS), whole)
    some = whole.of_rows(np.array([2, -1, 0]))
    assert np.array_equal(some.sums[..., [0, 2]], whole.sums[..., [2, 0]])
    assert not some.sums[..., 1].any()


@pytest.mark.parametrize("level", [1e-6, 1.0, 1e6])
def test_units_do_not_matter(level):
    y, y_hat = readings()
    found = rolled(y * level, y_hat * level, range(STEPS))
    torch.testing.assert_close(found / level, rolled(y, y_hat, range(STEPS)), rtol=1e-3, atol=1e-3)


def test_is_never_far_from_the_better_of_both():
    """One sensor that stands still and one that swings around its forecast, for some weeks."""
    steps = 800
    generator = torch.Generator().manual_seed(1)
    still = torch.full((steps, 1), 5.0) + 0.01 * torch.randn(steps, 1, generator=generator)
    swing = torch.randn(steps, 1, generator=generator)
    y, y_hat = torch.cat([still, swing], 1), torch.zeros(steps, 2, HORIZON)
    y_hat[:, 0] = 6.0
    found = rolled(y, y_hat, range(steps))
    targets = torch.stack([y[t + 1 : t + 1 + HORIZON].T for t in range(steps - HORIZON)])
    errors = (found[: len(targets)] - targets).abs()[200:].mean((0, 2))
    assert errors[0] < 0.05  # as the last reading; the forecast errs by 1
    assert errors[1] < 1.02 * targets[200:, 1].abs().mean()  # as the forecast


def test_many_sensors_are_those_of_one_by_one():
    count = 5000
    generator = torch.Generator().manual_seed(3)
    y = torch.randn(12, count, generator=generator).cumsum(0)
    y_hat = torch.randn(12, count, HORIZON, generator=generator)
    whole, rows = rolled(y, y_hat, range(12)), [0, 2047, 2048, 4999]
    torch.testing.assert_close(whole[:, rows], rolled(y[:, rows], y_hat[:, rows], range(12)))


def test_a_sensor_that_moves_again_is_not_held_still():
    generator = torch.Generator().manual_seed(5)
    still = Combination(1, HORIZON)
    steps = 300
    rolled(torch.full((steps, 1), 5.0), torch.full((steps, 1, HORIZON), 6.0), range(steps), still)
    y_hat, last = torch.full((1, HORIZON), 6.0), torch.tensor([[1.0]])
    held = still.of_rows(np.array([0])).through(y_hat, last, steps)
    assert (held < 1.2).all()  # nearly the last reading
    swings = 6.0 + 4.0 * torch.randn(48 + HORIZON, 1, generator=generator)
    free = still.followed(swings).through(y_hat, last, steps)
    assert (free > 5.5).all()
    same = still.followed(torch.full((24 + HORIZON, 1), 5.0)).through(y_hat, last, steps)
    assert (same < 1.2).all()


def test_what_is_not_known_is_not_learned_from_steps_that_were_not_forecast():
    none = Combination(NODES, HORIZON).followed(readings()[0])
    assert not none.sums.any()
