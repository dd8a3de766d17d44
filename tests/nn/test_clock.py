"""What a network sees of the clock."""

import torch

from eac.data.batches.batch import Inputs
from eac.data.series.clock import Clock
from eac.nn.clock import ClockEmbedding, time_of_day


def inputs_at(slots, days, steps_per_day, days_per_week=7):
    """One window; the clock goes on beyond it."""
    clock = Clock(
        torch.tensor([[*slots, 0]]), torch.tensor([[*days, 0]]), steps_per_day, days_per_week
    )
    return Inputs(torch.zeros(1, 2, len(slots)), clock=clock)


def embedding(day_slots=4, week_days=7):
    """Day vectors 0, 10, 20, ... and week vectors 0, 1, 2, ..."""
    layer = ClockEmbedding(1, day_slots=day_slots, week_days=week_days)
    with torch.no_grad():
        layer.day.copy_(10.0 * torch.arange(day_slots)[:, None])
        layer.week.copy_(torch.arange(week_days)[:, None])
    return layer


def test_as_many_vectors_as_steps_a_day_make_a_plain_table():
    got = embedding()(inputs_at([0, 3, 1], [6, 0, 2], steps_per_day=4))
    assert got[0].tolist() == [[0.0, 6.0], [30.0, 0.0], [10.0, 2.0]]


def test_slots_between_two_vectors_lie_on_the_line_and_the_day_is_a_ring():
    got = embedding()(inputs_at([1, 2, 7], [0, 0, 0], steps_per_day=8))
    assert got[0, :, 0].tolist() == [5.0, 10.0, 15.0]


def test_fewer_steps_a_day_than_vectors_use_them_evenly():
    got = embedding()(inputs_at([0, 1], [0, 0], steps_per_day=2))
    assert got[0, :, 0].tolist() == [0.0, 20.0]


def test_a_longer_week_begins_again():
    got = embedding(week_days=3)(inputs_at([0, 0], [2, 4], steps_per_day=4, days_per_week=8))
    assert got[0, :, 1].tolist() == [2.0, 1.0]


def test_without_a_clock_everything_is_zero():
    bare = Inputs(torch.zeros(3, 2, 5))
    assert torch.equal(embedding()(bare), torch.zeros(3, 5, 2))
    assert torch.equal(time_of_day(bare), torch.zeros(3, 5))


def test_the_time_of_day_is_the_share_of_the_day_that_has_passed():
    assert time_of_day(inputs_at([0, 12, 18], [0, 0, 0], steps_per_day=24)).tolist() == [
        [0.0, 0.5, 0.75]
    ]
