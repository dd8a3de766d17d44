from datetime import timedelta

import numpy as np
import pytest

from eac.errors import StreamError
from eac.server.board import Board, Reading

HOUR = timedelta(hours=1)
NAN = float("nan")


def test_readings_may_come_in_any_order_and_twice():
    board = Board(HOUR, 4, ["a", "b"])
    placed = board.put([Reading("a", 9, 3.0), Reading("a", 7, 1.0), Reading("b", 8, NAN)])
    assert (placed.accepted, placed.duplicate, placed.known) == (
        3,
        0,
        {9: {"a": 3.0}, 7: {"a": 1.0}},
    )
    again = board.put([Reading("a", 9, 3.0), Reading("b", 8, NAN), Reading("b", 8, 5.0)])
    assert (again.accepted, again.duplicate, again.known) == (1, 2, {8: {"b": 5.0}})
    np.testing.assert_array_equal(board.series(3), [[1, NAN], [NAN, 5], [3, NAN]])
    assert board.last_steps() == [9, 8]


def test_what_is_no_longer_kept_is_forgotten_and_said():
    board = Board(HOUR, 3)
    board.put([Reading("a", 5, 1.0)])
    board.put([Reading("a", 8, 2.0)])
    assert board.put([Reading("a", 5, 9.0)]).too_old == 1
    np.testing.assert_array_equal(board.series(3), [[NAN], [NAN], [2]])
    assert board.last_steps() == [8]


def test_a_correction_is_taken_but_teaches_nothing_twice():
    board = Board(HOUR, 3)
    board.put([Reading("a", 5, 1.0)])
    placed = board.put([Reading("a", 5, 2.0)])
    assert (placed.accepted, placed.known) == (1, {})
    assert board.series(1).tolist() == [[2.0]]


@pytest.mark.parametrize(
    ("ds", "said"),
    [
        ("yesterday", "no time stamp"),
        ("2024-01-01T10:20:00", "between two steps of 1:00:00. Give 2024-01-01 10:00:00"),
        ("2024-01-01T10:00:00Z", "has a time zone"),
    ],
)
def test_a_wrong_time_stamp_is_named(ds, said):
    with pytest.raises(StreamError, match=said):
        Board(HOUR, 3).step_of(ds)


def test_a_reading_far_ahead_does_not_push_everything_off():
    board = Board(HOUR, 3)
    board.put([Reading("a", 5, 1.0)])
    board.check(Reading("a", 7, 1.0))
    with pytest.raises(StreamError, match="3 steps after the last reading"):
        board.check(Reading("a", 8, 1.0))
