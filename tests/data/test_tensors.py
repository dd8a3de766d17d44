"""A period made ready: what is shared, what is copied, what a complete series may skip."""

import numpy as np
import torch

from eac.data.calendar import Calendar
from eac.data.graph import Graph
from eac.data.period import Period
from eac.data.protocol import PUBLISHED, STRICT
from eac.data.tensors import Intake, PeriodTensors, prepare
from eac.data.windows import Split


def tensors(series, protocol=STRICT) -> PeriodTensors:
    ids = tuple(str(i) for i in range(series.shape[1]))
    period = Period("p", series, ids, Graph.empty(len(ids)), Calendar(24))
    split = Split.by_fraction(len(series), (0.6, 0.2))
    return prepare(period, split, protocol, Intake(window=4, horizon=3))


def test_a_complete_series_is_its_own_target():
    series = torch.randn(100, 3)
    made = tensors(series)

    assert made.complete
    assert made.y is series
    assert made.batch(torch.tensor([5, 9])).mask.all()
    assert made.batch(torch.tensor([5, 9])).mask.shape == (2, 3, 3)


def test_one_missing_reading_makes_the_masks_count():
    series = torch.randn(100, 3)
    series[10, 1] = torch.nan
    made = tensors(series)
    batch = made.batch(torch.tensor([5]))

    assert not batch.complete
    assert batch.mask.tolist() == [[[True] * 3, [True, False, True], [True] * 3]]
    assert batch.y[0, 1, 1] == 0
    assert series[10, 1].isnan()


def test_preparing_leaves_the_readings_as_they_were():
    series = torch.randn(100, 3)
    series[3, 0] = torch.nan
    before = series.clone()
    for protocol in (STRICT, PUBLISHED):
        tensors(series, protocol)

    np.testing.assert_array_equal(series, before)


def test_published_targets_pass_through_the_scaler_untouched():
    batch = tensors(torch.randn(100, 3), PUBLISHED).batch(torch.tensor([5]))

    assert batch.scaler.inverse(batch.y) is batch.y
    assert batch.scaler.scale_target(batch.y) is batch.y


def test_each_part_is_scaled_by_its_own_windows_as_published():
    series = torch.randn(100, 3) * 5 + 7
    made = tensors(series, PUBLISHED)
    for part in (range(60), range(60, 80), range(80, 100)):
        raw = series[part.start : part.stop].double().numpy()
        windows = np.stack([raw[i : i + 4] for i in range(len(raw) - 7)])
        expected = (raw - windows.mean()) / windows.std()
        np.testing.assert_allclose(made.x[part.start : part.stop], expected, rtol=1e-4, atol=1e-5)
