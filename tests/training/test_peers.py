"""The peer's features against a hand count, and its forecasts on a stream it can learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.stream import MemoryStream
from eac.errors import ConfigError
from eac.training.peers import (
    Boosters,
    baseline_errors,
    boosters_of,
    features,
    lightgbm_errors,
)
from tests.streams import tiny_period, tiny_stream


def test_the_peer_is_told_the_last_readings_the_slots_before_and_the_clock():
    series = torch.arange(20.0)[:, None]
    told = features(series, Calendar(steps_per_day=4, days_per_week=2), torch.tensor([13]), step=1)

    np.testing.assert_array_equal(told[0, 0, :12], np.arange(1.0, 13.0))
    np.testing.assert_array_equal(told[0, 0, 12:14], [10.0, 6.0])
    np.testing.assert_array_equal(told[0, 0, 14:], [2.0, 1.0, 0.0])


def test_what_lies_before_the_period_is_unknown():
    told = features(torch.arange(20.0)[:, None], Calendar(4, 2), torch.tensor([3]), step=0)

    assert np.isnan(told[0, 0, :9]).all()
    np.testing.assert_array_equal(told[0, 0, 9:12], [0.0, 1.0, 2.0])
    assert np.isnan(told[0, 0, 12:14]).all()


def test_the_future_changes_no_feature():
    series = torch.randn(60, 3)
    changed = series.clone()
    changed[40:] += 5
    for step in range(6):
        at = torch.tensor([40])
        np.testing.assert_array_equal(
            features(series, Calendar(4, 2), at, step), features(changed, Calendar(4, 2), at, step)
        )


def test_a_missing_library_is_named_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)

    with pytest.raises(ConfigError, match=r"eac\[peers\]"):
        boosters_of(["lightgbm"], None)


@pytest.mark.parametrize("trees", [1, 30])
def test_of_two_constants_each_tree_closes_a_tenth_of_what_is_left(trees):
    pytest.importorskip("lightgbm", reason="needs the extra eac[peers]")
    period = tiny_period("p", "ab", num_steps=400)
    period = replace(period, series=torch.tensor([10.0, 20.0]).expand(400, 2).clone())
    data = PeriodData(MemoryStream([period], name="constant"), window=6, horizon=2)

    # it begins at the median, one of the two; the other is 10 off, and the rate is 0.1
    expected = (0.0 + 10.0 * 0.9**trees) / 2
    assert float(
        lightgbm_errors(data, None, Boosters(None, trees).of(data)).mae()
    ) == pytest.approx(expected, rel=1e-3)


def test_it_learns_waves_better_than_their_mean():
    pytest.importorskip("lightgbm", reason="needs the extra eac[peers]")
    data = PeriodData(tiny_stream(), window=6, horizon=2)
    series = data.period.series
    spread = (series - series.mean(0)).abs().mean()

    assert lightgbm_errors(data, None, Boosters(None, 30).of(data)).mae() < 0.25 * spread


def test_every_run_measures_the_smoothed_residual_beside_the_naive_forecasts():
    data = PeriodData(MemoryStream([tiny_period("p", "ab", num_steps=400)], name="s"))

    assert list(baseline_errors(data, None)) == ["last", "day", "week", "average", "smoothed"]
