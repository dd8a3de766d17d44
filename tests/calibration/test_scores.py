"""Scores of intervals are those of the forecasts, however many are counted at once."""

import numpy as np
import pytest
import torch

from eac.calibration.scores import IntervalScores

LEVELS = (50, 80)


def forecasts(nodes: int, count: int) -> list[tuple[torch.Tensor, ...]]:
    """Readings, some missing, forecasts and bounds of ``count`` times."""
    generator = torch.Generator().manual_seed(nodes)
    made = []
    for _ in range(count):
        y = torch.randn(nodes, 3, generator=generator)
        y[torch.rand(y.shape, generator=generator) < 0.1] = torch.nan
        y_hat = torch.randn(nodes, 3, generator=generator)
        reach = torch.rand(nodes, 3, 2, generator=generator).cumsum(-1)
        made.append((y, y_hat, y_hat[..., None] - reach, y_hat[..., None] + reach))
    return made


def winkler(made, level: int) -> float:
    """The plain sum of Winkler's score over what was read, divided once, by numpy."""
    y, _, low, high = (np.stack([part[i].numpy() for part in made]) for i in range(4))
    low, high = low[..., LEVELS.index(level)], high[..., LEVELS.index(level)]
    outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    return float(np.nanmean(high - low + 2 / (1 - level / 100) * outside))


def coverage(made, level: int) -> float:
    """Percent of readings inside."""
    y, _, low, high = (np.stack([part[i].numpy() for part in made]) for i in range(4))
    place = LEVELS.index(level)
    inside = (low[..., place] <= y) & (y <= high[..., place])
    return float(100 * inside[~np.isnan(y)].mean())


@pytest.mark.parametrize(("nodes", "steps_per_day"), [(2, 24), (30, 288), (100, 24), (3000, 4)])
@pytest.mark.parametrize("more", [0, 1, -1])
def test_a_test_may_end_at_any_time_of_a_day(nodes, steps_per_day, more):
    made = forecasts(nodes, 2 * steps_per_day + more)
    scores = IntervalScores(nodes, 3, LEVELS, steps_per_day)
    with torch.inference_mode():  # as Lightning tests; what is left is counted outside of it
        for one in made:
            scores.add(*one)
    found = scores.summary(
        calibrator="RollingQuantiles",
        source="nothing",
        new=torch.zeros(nodes, dtype=torch.bool),
        age=torch.ones(nodes),
    )
    for level in LEVELS:
        assert found.winkler[str(level)] == pytest.approx(winkler(made, level), rel=1e-5)
        assert found.coverage[str(level)] == pytest.approx(coverage(made, level), rel=1e-6)
    assert len(found.days["coverage"]["80"]) == -(-len(made) // steps_per_day)


def test_what_was_asked_for_between_changes_nothing():
    made = forecasts(5, 30)
    scores = IntervalScores(5, 3, LEVELS, steps_per_day=24)
    for one in made:
        scores.add(*one)
        scores.by_level("width")
    assert scores.by_level("winkler")["80"] == pytest.approx(winkler(made, 80), rel=1e-5)
