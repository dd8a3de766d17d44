from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from eac.errors import StreamError
from eac.server.board import Board
from eac.server.readings import Readings

HOUR = timedelta(hours=1)
NAN = float("nan")


def put(board: Board, *rows: tuple[str, int, float]) -> tuple[int, int, int, dict]:
    """Readings accepted, duplicate and too old, and what has become known."""
    placed = board.put(Readings.of(rows))
    known = {
        (step, node): float(y)
        for step, values in placed.known.items()
        for node, y in zip(board.node_ids, values, strict=True)
        if y == y
    }
    return placed.accepted, placed.duplicate, placed.too_old, known


def test_readings_may_come_in_any_order_and_twice():
    board = Board(HOUR, 4, ["a", "b"])
    found = put(board, ("a", 9, 3.0), ("a", 7, 1.0), ("b", 8, NAN))
    assert found == (3, 0, 0, {(9, "a"): 3.0, (7, "a"): 1.0})
    again = put(board, ("a", 9, 3.0), ("b", 8, NAN), ("b", 8, 5.0))
    assert again == (1, 2, 0, {(8, "b"): 5.0})
    np.testing.assert_array_equal(board.series(3), [[1, NAN], [NAN, 5], [3, NAN]])
    assert board.last_steps() == [9, 8]


def test_of_two_values_in_one_request_the_later_counts_and_the_first_teaches():
    board = Board(HOUR, 4)
    assert put(board, ("a", 1, 3.0), ("b", 1, 9.0), ("a", 1, 3.0), ("a", 1, 4.0)) == (
        3,
        1,
        0,
        {(1, "a"): 3.0, (1, "b"): 9.0},
    )
    assert board.series(1).tolist() == [[4.0, 9.0]]


def test_the_board_is_that_of_one_reading_after_another():
    generator = np.random.default_rng(0)
    rows = [
        (f"s{node}", int(step), NAN if y > 8 else float(y))
        for node, step, y in generator.integers((0, 0, 0), (5, 30, 10), size=(400, 3))
    ]
    board, one = Board(HOUR, 40), Board(HOUR, 40)
    total = np.zeros(3, dtype=int)
    for row in rows:
        total += put(one, row)[:3]
    assert put(board, *rows)[:3] == tuple(total)
    assert board.node_ids == one.node_ids
    np.testing.assert_array_equal(board.series(40), one.series(40))


def test_what_is_no_longer_kept_is_forgotten_and_said():
    board = Board(HOUR, 3)
    put(board, ("a", 5, 1.0))
    put(board, ("a", 8, 2.0))
    assert put(board, ("a", 5, 9.0), ("b", 5, 9.0)) == (0, 0, 2, {})
    np.testing.assert_array_equal(board.series(3), [[NAN], [NAN], [2]])
    assert (board.last_steps(), board.node_ids) == ([8], ["a"])


def test_a_correction_is_taken_but_teaches_nothing_twice():
    board = Board(HOUR, 3)
    put(board, ("a", 5, 1.0))
    assert put(board, ("a", 5, 2.0)) == (1, 0, 0, {})
    assert board.series(1).tolist() == [[2.0]]


@pytest.mark.parametrize(
    ("ds", "said"),
    [
        ("yesterday", "no time stamp"),
        ("2024-01-01T10:20:00", "between two steps of 1:00:00. Give 2024-01-01 10:00:00"),
        ("2024-01-01T10:00:00Z", "has a time zone"),
        ("9999-12-31T23:59:59", "no time stamp"),
    ],
)
def test_a_wrong_time_stamp_is_named(ds, said):
    with pytest.raises(StreamError, match=said):
        Board(HOUR, 3).step_of(ds)


def test_a_reading_far_ahead_does_not_push_everything_off():
    board = Board(HOUR, 3)
    put(board, ("a", 5, 1.0))
    board.check(7)
    with pytest.raises(StreamError, match="3 steps after the last reading"):
        board.check(8)


def test_a_first_reading_is_near_the_clock_or_the_end_of_the_run():
    board = Board(HOUR, 3, ended=datetime(2180, 5, 1))
    for ds in ("2175-01-01T00:00:00", "2180-05-02T02:00:00"):
        board.check(board.step_of(ds))
    for ds in ("0001-01-01T00:00:00", "2169-01-01T00:00:00", "2180-05-02T03:00:00"):
        with pytest.raises(StreamError, match="cannot be the time of a first reading"):
            board.check(board.step_of(ds))


def test_a_time_stamp_before_the_first_year_in_another_zone_is_named():
    board = Board(HOUR, 3, zone=ZoneInfo("Europe/Oslo"))
    with pytest.raises(StreamError, match="no time stamp"):
        board.step_of("0001-01-01T00:00:00+14:00")


def test_steps_follow_the_clock_of_a_zone_through_its_changes():
    zone = ZoneInfo("Europe/Oslo")
    board = Board(HOUR, 100, zone=zone)
    before, after = board.step_of("2024-03-31T01:00:00+01:00"), board.step_of("2024-03-31T01:00Z")
    assert after - before == 2  # 03:00 on the wall; 02:00 was left out
    assert board.step_of("2024-07-01T10:00:00Z") == Board(HOUR, 3).step_of("2024-07-01T12:00:00")
    assert board.time_of(after).isoformat() == "2024-03-31T03:00:00+02:00"
    with pytest.raises(StreamError, match=r"no time zone.*such as 2024-01-01T10:00:00\+01:00"):
        board.step_of("2024-01-01T10:00:00")


def test_steps_may_lie_between_whole_hours_where_those_of_the_run_do():
    board = Board(HOUR, 40, ended=datetime(2024, 5, 1, 12, 30))
    steps = [board.step_of(f"2024-05-01T{hour:02}:30:00") for hour in range(24)]
    assert steps == list(range(steps[0], steps[0] + 24))
    assert board.time_of(steps[5]) == datetime(2024, 5, 1, 5, 30)
    with pytest.raises(StreamError, match=r"between two steps of 1:00:00\. Give 2024-05-01 04:30"):
        board.step_of("2024-05-01T05:00:00")
