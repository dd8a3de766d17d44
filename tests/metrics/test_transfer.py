"""Transfer and forgetting, by hand on a matrix of three periods."""

import math

import numpy as np
import pytest

from eac.metrics.transfer import backward_transfer, forgetting, forward_transfer

NAN = np.nan
# rows: after training period 0, 1, 2; columns: tested on period 0, 1, 2
ERRORS = np.array([[10.0, 14.0, NAN], [8.0, 12.0, 15.0], [11.0, 9.0, 7.0]])
UNTRAINED = np.array([50.0, 40.0, 30.0])


def test_backward_transfer_is_the_mean_fall_of_error_until_the_end():
    # period 0: 10 - 11 = -1; period 1: 12 - 9 = 3
    assert backward_transfer(ERRORS) == pytest.approx(1.0)


def test_forward_transfer_is_the_mean_gain_over_an_untrained_model():
    # period 1: 40 - 14 = 26; period 2: 30 - 15 = 15
    assert forward_transfer(ERRORS, UNTRAINED) == pytest.approx(20.5)


def test_forgetting_compares_the_end_with_the_best_moment():
    # period 0: 11 - min(10, 8) = 3; period 1: 9 - 12 = -3
    assert forgetting(ERRORS) == pytest.approx(0.0)


def test_a_model_that_never_changes_neither_forgets_nor_gains():
    same = np.tile(np.array([3.0, 5.0, 4.0]), (3, 1))
    assert backward_transfer(same) == 0.0
    assert forgetting(same) == 0.0


def test_periods_without_a_measurement_are_left_out():
    errors = ERRORS.copy()
    errors[2, 1] = NAN
    assert backward_transfer(errors) == pytest.approx(-1.0)
    assert forgetting(errors) == pytest.approx(3.0)
    assert forward_transfer(errors, np.array([NAN, NAN, 30.0])) == pytest.approx(15.0)


def test_one_period_has_no_transfer():
    one = np.array([[1.0]])
    assert math.isnan(backward_transfer(one))
    assert math.isnan(forward_transfer(one, np.array([2.0])))
    assert math.isnan(forgetting(one))
