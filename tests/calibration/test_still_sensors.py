"""Sensors that stand still, whose forecasts come true to the digit, teach nothing about others."""

import pytest
import torch

from eac.calibration.base import Calibrator
from eac.calibration.choice import candidates
from eac.calibration.network import Network

NODES, STILL, STEPS, HORIZON = 30, 10, 1500, 3


def coverage(calibrator: Calibrator) -> torch.Tensor:
    """Share of readings in intervals of 80 %, by sensor, over the last third of the steps."""
    generator = torch.Generator().manual_seed(0)
    y = 50 + 5 * torch.randn(STEPS + HORIZON, NODES, generator=generator)
    y_hat = torch.full((STEPS, NODES, HORIZON), 50.0)
    y[STEPS // 4 :, :STILL], y_hat[STEPS // 4 :, :STILL] = 7.0, 7.0
    ids = tuple(f"n{i}" for i in range(NODES))
    calibrator.begin(Network.of(ids, y[: STEPS // 4]))
    inside, first = torch.zeros(NODES), 2 * STEPS // 3
    for t in range(STEPS):
        calibrator.observe(t, y[t])
        if t >= first:
            low, high = (bound[..., 0] for bound in calibrator.bounds(t, y_hat[t], (80,)))
            truth = y[t + 1 : t + 1 + HORIZON].T
            inside += ((low <= truth) & (truth <= high)).float().mean(1)
        calibrator.issue(t, y_hat[t])
    return 100 * inside / (STEPS - first)


@pytest.mark.parametrize("name", candidates(HORIZON, 24))
def test_sensors_that_stand_still_leave_the_intervals_of_others(name):
    found = coverage(candidates(HORIZON, 24)[name])[STILL:]
    assert abs(found.mean() - 80) < 2
    assert (found - 80).abs().max() < 6
