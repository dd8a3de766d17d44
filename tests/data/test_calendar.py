"""Slots of the day and days of the week, against the datetime of the standard library."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eac.data.core.calendar import Calendar
from eac.data.core.hours import OpenHours
from eac.errors import StreamError

MINUTES = (1, 5, 7.2, 10, 15, 60, 360, 1440)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)),
    st.sampled_from(MINUTES),
    st.integers(0, 500),
)
def test_slots_and_days_agree_with_the_clock(day, minutes, number):
    step = timedelta(minutes=minutes)
    midnight = datetime(day.year, day.month, day.day)
    start = midnight + number % int(timedelta(days=1) / step) * step
    calendar = Calendar.from_timestamps(pd.Timestamp(start), pd.Timedelta(step))
    steps = torch.arange(50)
    real = [start + int(i) * step for i in steps]

    slots = [round((t - datetime(t.year, t.month, t.day)) / step) for t in real]
    assert calendar.slot_of_day(steps).tolist() == slots
    assert calendar.day_of_week(steps).tolist() == [t.weekday() for t in real]


def test_every_minute_of_a_day_has_its_own_slot():
    minute = pd.Timedelta(minutes=1)
    midnight = pd.Timestamp("2024-01-01")
    slots = [
        Calendar.from_timestamps(midnight + i * minute, minute).start_slot for i in range(1440)
    ]

    assert slots == list(range(1440))


def test_a_start_between_two_slots_belongs_to_the_slot_that_has_begun():
    half_past = pd.Timestamp("2024-01-01 03:30")

    assert Calendar.from_timestamps(half_past, pd.Timedelta("1h")).start_slot == 3


def test_a_week_of_five_days_repeats_after_five():
    calendar = Calendar(steps_per_day=2, days_per_week=5, start_slot=9)

    assert calendar.steps_per_week == 10
    assert calendar.slot_of_day(torch.arange(3)).tolist() == [1, 0, 1]
    assert calendar.day_of_week(torch.arange(3)).tolist() == [4, 0, 0]


def test_time_stamps_follow_the_step_when_there_is_real_time():
    calendar = Calendar.from_timestamps(datetime(2024, 2, 28, 23), timedelta(hours=1))

    assert calendar.time_of(1) == datetime(2024, 2, 29)
    assert Calendar(24).time_of(1) is None


@pytest.mark.parametrize("wrong", [{"steps_per_day": 0}, {"days_per_week": 0}, {"start_slot": -1}])
def test_an_impossible_clock_is_refused(wrong):
    with pytest.raises(StreamError, match="at least"):
        Calendar(**({"steps_per_day": 24} | wrong))


def test_a_step_that_is_not_positive_is_refused():
    with pytest.raises(StreamError, match="positive frequency"):
        Calendar.from_timestamps(pd.Timestamp("2024-01-01"), pd.Timedelta(0))


@pytest.mark.parametrize(
    ("start", "months", "expected"),
    [
        ("2024-01-15 06:00", 1, ["2024-01-15 06:00", "2024-02-15 06:00", "2024-03-15 06:00"]),
        ("2024-01-31 06:00", 1, ["2024-01-31 06:00", "2024-02-29 06:00", "2024-03-31 06:00"]),
        ("2024-01-30", 1, ["2024-01-30", "2024-02-29", "2024-03-30"]),
        ("2023-11-30", 3, ["2023-11-30", "2024-02-29", "2024-05-31"]),
        ("2024-02-29", 12, ["2024-02-29", "2025-02-28", "2026-02-28"]),
    ],
)
def test_steps_of_months_keep_the_day_or_the_last_of_the_month(start, months, expected):
    calendar = Calendar.from_timestamps(datetime.fromisoformat(start), timedelta(), months=months)
    wanted = np.array(expected, dtype="datetime64[us]")
    np.testing.assert_array_equal(calendar.wall_times(range(3)), wanted)
    assert [calendar.position_of(when.item()) for when in wanted] == [0, 1, 2]


def test_a_week_that_is_open_throughout_is_no_week_of_open_hours():
    with pytest.raises(StreamError, match=r"24 of 24 slots and 7 days do not go with steps of 1 h"):
        Calendar.from_timestamps(
            datetime(2024, 1, 1), timedelta(hours=1), hours=OpenHours(tuple(range(24)), 24)
        )


def test_slots_that_are_never_read_are_known_by_day_and_slot():
    hours = OpenHours((5, 6), 24, never=((6, 5),))
    clock = Calendar.from_timestamps(datetime(2024, 1, 1, 5), timedelta(hours=1), hours=hours)
    assert [step for step in range(28) if clock.never_read(step)] == [12, 26]
