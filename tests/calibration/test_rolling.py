import torch

from eac.calibration.network import Network
from eac.calibration.rolling import RollingQuantiles

HORIZON, DAY = 3, 6


def test_a_gap_lets_recent_errors_fade():
    calibrator = RollingQuantiles(HORIZON, DAY, (50, 80, 90))
    ones = torch.ones(4)
    calibrator.begin(Network(tuple("abcd"), 50 * ones, 5 * ones, ones > 0))
    series, forecasts = torch.full((30, 4), 50.0), torch.full((30, 4, HORIZON), 50.0)
    series[:25] += torch.randn(25, 4, generator=torch.Generator().manual_seed(0))
    series[25:] += 40
    for step in range(30):
        calibrator.observe(step, series[step])
        calibrator.issue(step, forecasts[step])
    low, high = calibrator.bounds(30, forecasts[0])
    later_low, later_high = calibrator.bounds(30 + 100 * DAY, forecasts[0])
    assert ((later_high - later_low) < (high - low)).all()
