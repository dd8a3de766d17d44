"""What every calibrator promises: no look ahead, levels that hold, sensors known by id."""

import importlib
import pickle
import pkgutil
from inspect import isabstract

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import eac.calibration as room
from eac.calibration import base
from eac.calibration.base import Calibrator
from eac.calibration.choice import candidates
from eac.calibration.network import Network
from eac.calibration.store import load_calibrator, save_calibrator
from eac.errors import CheckpointError, ConfigError

HORIZON, DAY = 3, 6
for found in pkgutil.iter_modules(room.__path__):
    importlib.import_module(f"eac.calibration.{found.name}")
CALIBRATORS = sorted(
    (kind for kind in Calibrator.__subclasses__() if not isabstract(kind)),
    key=lambda kind: kind.__name__,
)

pytestmark = pytest.mark.parametrize("kind", CALIBRATORS, ids=lambda kind: kind.__name__)


def network(ids: "str | list[str]", level: float = 50.0, spread: float = 5.0) -> Network:
    count = len(ids)
    ones = torch.ones(count)
    return Network(tuple(ids), level * ones, spread * ones, torch.ones(count, dtype=torch.bool))


def rolled(
    series: torch.Tensor, forecasts: torch.Tensor, upto: int, calibrator: Calibrator
) -> Calibrator:
    """A calibrator that has lived through the steps before ``upto``."""
    for step in range(upto):
        calibrator.observe(step, series[step])
        calibrator.issue(step, forecasts[step])
    return calibrator


def small(kind: type[Calibrator], ids: str = "abcd", **settings) -> Calibrator:
    calibrator = kind(HORIZON, DAY, (50, 80, 90), **settings)
    calibrator.begin(network(ids))
    return calibrator


@settings(max_examples=8)
@given(now=st.integers(5, 30), seed=st.integers(0, 5), delay=st.integers(0, 4))
def test_readings_that_are_not_yet_known_change_no_bound(kind, now, seed, delay):
    generator = torch.Generator().manual_seed(seed)
    series = 50 + 5 * torch.randn(60, 4, generator=generator)
    forecasts = 50 + torch.randn(60, 4, HORIZON, generator=generator)

    def bounds(readings: torch.Tensor):
        calibrator = small(kind, late=delay)
        for step in range(now + 1):
            if step >= delay:
                calibrator.observe(step - delay, readings[step - delay])
            low, high = calibrator.bounds(step, forecasts[step])
            calibrator.issue(step, forecasts[step])
        return low, high

    changed = series.clone()
    changed[now - delay + 1 :] = 1000 * torch.rand(60 - now + delay - 1, 4, generator=generator)
    for before, after in zip(bounds(series), bounds(changed), strict=True):
        torch.testing.assert_close(before, after, rtol=0, atol=0)


def test_a_reading_that_is_known_changes_the_bounds(kind):
    series, forecasts = torch.full((9, 4), 50.0), torch.full((9, 4, HORIZON), 50.0)
    low, _ = rolled(series, forecasts, 9, small(kind)).bounds(9, forecasts[0])
    series[7] += 9
    moved, _ = rolled(series, forecasts, 9, small(kind)).bounds(9, forecasts[0])
    assert (moved != low).all()


@pytest.mark.parametrize("skew", [False, True])
def test_intervals_of_stationary_residuals_hold_their_level(kind, skew):
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(500, 20, generator=generator)
    if skew:
        noise = torch.empty(500, 20).exponential_(generator=generator) - 1
    sizes = torch.linspace(1, 9, 20)
    forecasts = torch.full((500, 20, HORIZON), 100.0)
    series = 100 + sizes * noise
    calibrator = kind(HORIZON, DAY)
    calibrator.begin(network("abcdefghijklmnopqrst", 100, 5))
    hits, below = torch.zeros(4), torch.zeros(4)
    for step in range(499):
        calibrator.observe(step, series[step])
        low, high = calibrator.bounds(step, forecasts[step])
        calibrator.issue(step, forecasts[step])
        if step > 200:
            y = series[step + 1, :, None]
            hits += ((low[:, 0] <= y) & (y <= high[:, 0])).float().mean(0) / 298
            below += (y < low[:, 0]).float().mean(0) / 298
    assert np.allclose(hits.numpy(), [0.5, 0.8, 0.9, 0.95], atol=0.03)
    assert np.allclose(below.numpy(), [0.25, 0.1, 0.05, 0.025], atol=0.03)


@settings(max_examples=8)
@given(seed=st.integers(0, 20), size=st.sampled_from([0.01, 1.0, 30.0]))
def test_wider_levels_hold_narrower_ones_and_nothing_lies_below_zero(kind, seed, size):
    generator = torch.Generator().manual_seed(seed)
    series = (size * torch.randn(40, 4, generator=generator)).abs()
    forecasts = size * torch.randn(40, 4, HORIZON, generator=generator)
    low, high = rolled(series, forecasts, 40, small(kind)).bounds(40, forecasts[39])
    assert (low >= 0).all()
    assert (high >= low).all()
    assert (low.diff(dim=-1) <= 0).all()
    assert (high.diff(dim=-1) >= 0).all()


def test_readings_that_may_be_negative_have_bounds_that_may_be(kind):
    calibrator = kind(HORIZON, DAY)
    series = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    calibrator.begin(Network.of(["a", "b"], series))
    low, high = calibrator.bounds(0, torch.zeros(2, HORIZON))
    assert (low < 0).all()
    assert (high > 0).all()


def test_a_level_between_two_that_are_followed_lies_between_them(kind):
    calibrator = small(kind)
    y_hat = torch.full((4, HORIZON), 50.0)
    low, high = calibrator.bounds(0, y_hat, (80, 85, 90))
    assert (low.diff(dim=-1) < 0).all()
    assert (high.diff(dim=-1) > 0).all()
    torch.testing.assert_close(low[..., [0, 2]], calibrator.bounds(0, y_hat)[0][..., 1:])


@pytest.mark.parametrize("level", [49, 91, 0, 100])
def test_a_level_outside_of_those_followed_is_refused(kind, level):
    with pytest.raises(ConfigError, match=f"level {level}: this run follows levels from 50 to 90"):
        small(kind).bounds(0, torch.zeros(4, HORIZON), (level,))


def test_a_calibrator_goes_on_from_its_state_as_if_never_interrupted(kind):
    generator = torch.Generator().manual_seed(2)
    series = 50 + 5 * torch.randn(40, 4, generator=generator)
    forecasts = torch.full((40, 4, HORIZON), 50.0)
    first = rolled(series, forecasts, 40, small(kind))
    second = kind(HORIZON, DAY, (50, 80, 90))
    second.load(*first.state())
    for calibrator in (first, second):
        calibrator.begin(network("cbxa"))
    for a, b in zip(first.bounds(40, forecasts[0]), second.bounds(40, forecasts[0]), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    with pytest.raises(CheckpointError, match="Run the period again"):
        kind(HORIZON, DAY, (80,)).load(*first.state())


def test_sensors_are_known_by_id_not_by_row(kind):
    generator = torch.Generator().manual_seed(3)
    series = 50 + torch.tensor([1.0, 5.0, 10.0, 20.0]) * torch.randn(80, 4, generator=generator)
    forecasts = torch.full((80, 4, HORIZON), 50.0)
    calibrator = rolled(series, forecasts, 80, small(kind, "abcd"))
    low, _ = calibrator.bounds(80, forecasts[0])
    calibrator.begin(network("dcba"))
    torch.testing.assert_close(calibrator.bounds(80, forecasts[0])[0], low.flip(0))


def test_a_new_sensor_borrows_from_alike_ones(kind):
    letters = "abcdefghijklmnop"
    calm = torch.arange(16) < 8
    level = torch.where(calm, 10.0, 1000.0)
    everyone = Network(tuple(letters), level, level / 4, torch.ones(16, dtype=torch.bool))
    calibrator = kind(HORIZON, DAY)
    calibrator.begin(everyone)
    generator = torch.Generator().manual_seed(4)
    forecasts = level[:, None].repeat(1, HORIZON)
    for step in range(300):
        noise = torch.randn(16, generator=generator) * level * torch.where(calm, 0.01, 0.3)
        calibrator.observe(step, level + noise)
        calibrator.issue(step, forecasts)
    new = Network(
        ("new", *letters),
        torch.cat([torch.tensor([11.0]), level]),
        torch.cat([torch.tensor([2.7]), level / 4]),
        torch.ones(17, dtype=torch.bool),
    )
    calibrator.begin(new)
    low, high = calibrator.bounds(300, torch.cat([torch.full((1, HORIZON), 11.0), forecasts]))
    width = (high - low)[:, 0, 2] / torch.cat([torch.tensor([11.0]), level])
    assert width[0] < 2 * width[1]
    assert width[0] < width[-1] / 5


def test_sensors_in_pieces_give_what_all_at_once_give(kind, monkeypatch):
    generator = torch.Generator().manual_seed(5)
    series = 50 + 5 * torch.randn(30, 4, generator=generator)
    forecasts = torch.full((30, 4, HORIZON), 50.0)
    whole, _ = rolled(series, forecasts, 30, small(kind)).bounds(30, forecasts[0])
    monkeypatch.setattr(base, "NODES_AT_ONCE", 3)
    pieces, _ = rolled(series, forecasts, 30, small(kind)).bounds(30, forecasts[0])
    torch.testing.assert_close(pieces, whole)


def test_a_hundred_thousand_sensors_need_no_more_than_100_mb(kind):
    calibrator, count = kind(12, 24, (80, 90)), 1000
    calibrator.begin(network([str(i) for i in range(count)]))
    for step in range(13):  # until as many forecasts wait as ever do
        calibrator.observe(step, torch.full((count,), 50.0))
        calibrator.issue(step, torch.full((count, 12), 51.0))
    assert len(pickle.dumps(calibrator)) / count <= 100e6 / 100_000


def test_a_saved_calibrator_is_the_same(kind, tmp_path):
    series, forecasts = torch.full((30, 4), 50.0), torch.full((30, 4, HORIZON), 52.0)
    calibrator = rolled(series, forecasts, 30, small(kind))
    save_calibrator(tmp_path, calibrator)
    again = load_calibrator(tmp_path)
    assert type(again) is kind
    for one in (calibrator, again):
        one.begin(network("abcd"))
    for a, b in zip(*(one.bounds(30, forecasts[0]) for one in (calibrator, again)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_it_is_a_candidate(kind):
    assert kind.__name__ in candidates(12, 24)


def test_a_gap_lets_recent_errors_fade(kind):
    calibrator = small(kind)
    series, forecasts = torch.full((30, 4), 50.0), torch.full((30, 4, HORIZON), 50.0)
    series[:25] += torch.randn(25, 4, generator=torch.Generator().manual_seed(0))
    series[25:] += 40
    rolled(series, forecasts, 30, calibrator)
    low, high = calibrator.bounds(30, forecasts[0])
    later_low, later_high = calibrator.bounds(30 + 100 * DAY, forecasts[0])
    assert ((later_high - later_low) < (high - low)).all()
