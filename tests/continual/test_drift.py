import math

import numpy as np
import pytest
import torch

from eac.continual.drift import (
    daily_drift,
    feature_drift,
    histograms,
    jensen_shannon,
    relative_wasserstein,
    spread_to,
    wasserstein,
)

NAN = float("nan")


def js_of_rows(p, q):
    """An independent twin in numpy, one pair of distributions."""
    p, q = np.asarray(p, float), np.asarray(q, float)
    middle = (p + q) / 2

    def divergence(a):
        return sum(x * math.log(x / m) for x, m in zip(a, middle, strict=True) if x > 0)

    return math.sqrt((divergence(p) + divergence(q)) / 2)


def everywhere(values):
    return torch.ones(values.shape[:2], dtype=torch.bool)


def test_histograms_agree_with_numpy_on_every_column():
    values = torch.randn(200, 3, dtype=torch.float64)
    low, high = values.amin(0), values.amax(0)
    found = histograms(values, everywhere(values), low, high)
    for column in range(3):
        counts, _ = np.histogram(values[:, column].numpy(), bins=10)
        np.testing.assert_allclose(found[column].numpy(), counts / 200, atol=1e-12)


def test_a_value_on_the_upper_bound_is_in_the_last_bin_and_a_missing_one_in_none():
    values = torch.tensor([[0.0], [10.0], [5.0], [NAN]])
    present = torch.tensor([[True], [True], [True], [False]])
    found = histograms(values, present, torch.tensor([0.0]), torch.tensor([10.0]), bins=2)
    assert found[0].tolist() == pytest.approx([1 / 3, 2 / 3])


def test_jensen_shannon_of_half_overlapping_distributions_is_as_calculated_by_hand():
    # P = (1, 0), Q = (1/2, 1/2), M = (3/4, 1/4): (ln(4/3) + ln(2/3)/2 + ln(2)/2) / 2
    p, q = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]])
    by_hand = math.sqrt((math.log(4 / 3) + 0.5 * math.log(2 / 3) + 0.5 * math.log(2)) / 2)
    assert jensen_shannon(p, q).item() == pytest.approx(by_hand, rel=1e-6)
    assert jensen_shannon(p, p).item() == 0


def test_feature_drift_sums_the_distances_of_the_channels():
    before = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).view(2, 1, 2)
    after = torch.tensor([[0.0, 5.0], [0.0, 7.0], [0.0, 7.0], [1.0, 7.0]]).view(4, 1, 2)
    found = feature_drift(before, everywhere(before), after, everywhere(after))
    first = js_of_rows([0.5, 0.5], [0.75, 0.25])
    second = js_of_rows([0.5, 0.5], [0.25, 0.75])
    assert found.item() == pytest.approx(first + second, rel=1e-5)


def test_feature_drift_ignores_a_change_of_level_and_spread():
    before = torch.randn(50, 2, 3)
    after = before * 7 - 3
    found = feature_drift(before, everywhere(before), after, everywhere(after))
    assert found.max() < 0.5  # rounding may move a value across a bin's edge
    assert found.min() >= 0


def test_features_that_never_change_drift_by_nothing():
    constant = torch.full((5, 2, 3), 4.0)
    found = feature_drift(constant, everywhere(constant), constant + 1, everywhere(constant))
    assert found.tolist() == [0, 0]


def test_a_node_without_readings_on_one_side_has_no_drift_score():
    before, after = torch.randn(5, 2, 3), torch.randn(6, 2, 3)
    absent = everywhere(before)
    absent[:, 1] = False
    found = feature_drift(before, absent, after, everywhere(after))
    assert found.isnan().tolist() == [False, True]


def test_days_are_compared_one_by_one_from_the_last_back():
    before = torch.tensor([[0.0], [0.0], [10.0], [10.0]])
    after = torch.tensor([[3.0], [10.0], [10.0], [10.0], [10.0]])  # begins with half a day more
    found = daily_drift(before, after, steps_per_day=2)
    assert found.item() == pytest.approx((0 + math.sqrt(math.log(2))) / 2, rel=1e-5)


def test_a_day_without_readings_is_left_out_of_the_mean():
    before = torch.tensor([[NAN], [NAN], [10.0], [0.0]])
    after = torch.tensor([[1.0], [1.0], [10.0], [0.0]])
    assert daily_drift(before, after, steps_per_day=2).item() == 0


def test_wasserstein_of_samples_of_different_size_is_as_calculated_by_hand():
    # distribution functions 1/2 and 1 against 1: areas 1/2 on [0, 1]
    a = torch.tensor([[0.0], [1.0], [NAN]])
    b = torch.tensor([[1.0], [NAN], [NAN]])
    assert wasserstein(a, b).item() == pytest.approx(0.5)


def test_wasserstein_of_samples_of_one_size_is_the_mean_distance_of_sorted_pairs():
    a, b = torch.randn(40, 3), torch.randn(40, 3) + 1
    twin = np.abs(np.sort(a.numpy(), 0) - np.sort(b.numpy(), 0)).mean(0)
    np.testing.assert_allclose(wasserstein(a, b).numpy(), twin, rtol=1e-5)


def test_relative_wasserstein_is_the_same_for_a_busy_and_a_quiet_node():
    a, b = torch.rand(20, 1), torch.rand(20, 1)
    found = relative_wasserstein(torch.cat([a, a * 100], 1), torch.cat([b, b * 100], 1))
    assert found[0].item() == pytest.approx(found[1].item(), rel=1e-4)


def test_a_node_that_read_nothing_has_no_distance():
    nothing, some = torch.full((4, 1), NAN), torch.randn(4, 1)
    assert wasserstein(nothing, some).isnan().all()
    assert relative_wasserstein(some, nothing).isnan().all()


def test_scores_of_some_nodes_leave_the_others_without_one():
    found = spread_to(torch.tensor([5.0, 6.0]), torch.tensor([2, 0]), 3)
    assert found[[2, 0]].tolist() == [5, 6]
    assert found[1].isnan()
