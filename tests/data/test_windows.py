"""Windows: where they start, that they stay inside their part, and what they hold."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eac.data.core.windows import Split, by_node, gather, window_starts
from eac.errors import StreamError


def test_the_published_split_of_31_days_of_five_minutes():
    split = Split.by_fraction(8928, (0.6, 0.2))

    assert (len(split.train), len(split.val), len(split.test)) == (5356, 1786, 1786)
    assert split.part("val") == range(5356, 7142)


@given(st.integers(0, 1000), st.floats(0.01, 0.5), st.floats(0.01, 0.49))
def test_the_parts_follow_each_other_and_hold_every_step_once(steps, first, second):
    split = Split.by_fraction(steps, (first, second))

    assert [*split.train, *split.val, *split.test] == list(range(steps))


@given(st.integers(0, 20), st.integers(1, 30), st.integers(1, 6), st.integers(1, 6))
def test_windows_never_cross_their_part(start, length, window, horizon):
    steps = range(start, start + length)
    expected = [s for s in steps if s + window + horizon <= steps.stop]
    if not expected:
        with pytest.raises(StreamError):
            window_starts(steps, window, horizon, period="p", part="val")
        return
    starts = window_starts(steps, window, horizon, period="p", part="val")

    assert starts.tolist() == expected


def test_a_part_too_short_for_one_window_names_period_part_and_lengths():
    with pytest.raises(StreamError, match=r"'2011': the test part has 23 steps.*12 \+ 12"):
        window_starts(range(77, 100), 12, 12, period="2011", part="test")


def test_a_gathered_batch_is_a_stack_of_slices():
    series = torch.randn(20, 3)
    starts = torch.tensor([5, 0, 16])
    expected = np.stack([series[s : s + 4].numpy().T for s in (5, 0, 16)])

    np.testing.assert_array_equal(gather(series, starts, 4), expected)


@pytest.mark.parametrize("nodes", [None, torch.tensor([2, 0]), torch.tensor([[1], [2], [0]])])
def test_a_series_laid_out_by_node_holds_the_same_windows(nodes):
    series = torch.randn(20, 3)
    starts = torch.tensor([5, 0, 16])
    laid = by_node(series)

    assert laid.stride() == (1, 20)
    assert torch.equal(gather(laid, starts, 4, nodes), gather(series, starts, 4, nodes))


def test_gathering_keeps_missing_readings_and_masks():
    mask = torch.tensor([[True], [False], [True]])

    assert gather(mask, torch.tensor([0, 1]), 2).tolist() == [[[True, False]], [[False, True]]]
