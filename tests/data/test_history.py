"""What a forecast may know: history by id across periods, a clock, and nothing of the future."""

from dataclasses import replace

import pytest
import torch

from eac.data.batches.datamodule import PeriodData
from eac.data.batches.drawing import draw_disguises, draw_nodes
from eac.data.batches.needs import Needs
from eac.data.batches.preparation import Before, Layout, fit_scales, prepare
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream
from eac.data.core.windows import Split
from eac.data.series.clock import Clock
from eac.data.series.history import lag_steps, readings_before, steps_before
from eac.data.series.scaling import Global, PerNode, Robust
from eac.errors import ConfigError
from eac.protocols.protocol import PUBLISHED, STRICT

DAY, WEEK = 4, 12
"""Weeks of three days of four steps, so that whole weeks fit a small test."""


def period(name, nodes, num_steps, *, first=0):
    """Each reading names itself: 1000 x its step on the stream's clock + its node's letter."""
    step = torch.arange(first, first + num_steps)[:, None].float()
    series = 1000 * step + torch.tensor([float(ord(node)) for node in nodes])
    calendar = Calendar(DAY, WEEK // DAY, start_slot=first)
    return Period(name, series, tuple(nodes), Graph.empty(len(nodes)), calendar)


def raw_history(tensors, batch):
    """The history of a batch in raw units, NaN where it is not known."""
    scaler, history = tensors.scaler, batch.inputs.history
    raw = history * scaler.scale[:, None, None] + scaler.mean[:, None, None]
    return torch.where(batch.inputs.history_observed, raw, torch.nan)


def history_tensors(stream, index, lags, **settings):
    data = PeriodData(stream, period=index, window=3, horizon=2, **settings)
    return data.prepared(Needs(lags)).full


def twice(series, graph):
    """Stands for a graph applied to a series."""
    return 2 * series


@pytest.fixture
def stream():
    return MemoryStream([period("p0", "abc", 40), period("p1", "cxa", 40, first=40)], name="two")


def test_history_is_read_each_lag_before_the_window_and_the_forecast(stream):
    tensors = history_tensors(stream, 0, ("1d", "1w"))
    found = raw_history(tensors, tensors.batch(torch.tensor([20])))

    expected = torch.stack([1000.0 * torch.arange(20 - lag, 25 - lag) for lag in (DAY, WEEK)])
    torch.testing.assert_close(found[0, 1], expected + ord("b"), rtol=1e-5, atol=1.0)


def test_history_reaches_into_the_period_before_by_id_and_not_by_row(stream):
    tensors = history_tensors(stream, 1, ("1w",))
    found = raw_history(tensors, tensors.batch(torch.tensor([2])))[0, :, 0]
    steps = 1000.0 * torch.arange(42 - WEEK, 47 - WEEK)

    torch.testing.assert_close(found[0], steps + ord("c"), rtol=1e-5, atol=1.0)
    torch.testing.assert_close(found[2], steps + ord("a"), rtol=1e-5, atol=1.0)


def test_a_new_node_has_no_history_before_it_joined(stream):
    tensors = history_tensors(stream, 1, ("1w",))
    known = tensors.batch(torch.tensor([WEEK - 2])).inputs.history_observed[0, 1, 0]

    assert known.tolist() == [False, False, True, True, True]


def test_before_the_stream_nothing_is_known(stream):
    batch = history_tensors(stream, 0, ("2w",)).batch(torch.tensor([0]))

    assert not batch.inputs.history_observed.any()
    assert (batch.inputs.history == 0).all()


def test_periods_without_a_common_clock_are_not_joined():
    stream = MemoryStream([period("p0", "ab", 40), period("p1", "ab", 40)], name="no clock")

    assert readings_before(stream, 1, 12).isnan().all()
    assert steps_before(stream, 1, most=99, known={}) == 0


def test_slots_counted_afresh_in_each_period_are_not_a_common_clock():
    tuesday, wednesday = period("p0", "a", 40, first=DAY), period("p1", "a", 40, first=2 * DAY)
    apart = MemoryStream([tuesday, wednesday], name="apart")
    assert readings_before(apart, 1, WEEK).isnan().all()
    assert steps_before(apart, 1, most=99, known={}) == 0


def test_a_gap_between_periods_stays_unknown():
    stream = MemoryStream([period("p0", "a", 20), period("p1", "a", 20, first=25)], name="gap")
    before = readings_before(stream, 1, 8)[:, 0]

    assert before[:3].tolist() == [1000.0 * step + ord("a") for step in (17, 18, 19)]
    assert before[3:].isnan().all()


@pytest.mark.parametrize("days", [None, 1, 2])
@pytest.mark.parametrize("scaling", [PerNode(), Global(), Robust()])
@pytest.mark.parametrize("protocol", [STRICT, PUBLISHED])
def test_the_future_changes_nothing_that_a_forecast_sees(days, scaling, protocol):
    now, window, horizon = 70, 3, 2
    before, later = period("p", "ab", 100), period("p", "ab", 100)
    before.series[::7, 1] = torch.nan
    later.series[::7, 1] = torch.nan
    later.series[now:] = later.series[now:] * 3 + 7
    split = Split(range(60), range(60, 80), range(80, 100))
    starts = torch.tensor([now - window])
    moved = None if days is None else torch.tensor([days])

    def seen(one):
        lead = torch.full((WEEK, 2), torch.nan)
        layout = Layout(window, horizon, protocol, scaling, carry=0.9)
        scales = fit_scales(one, split, layout)
        needs = Needs(("1d", "1w"), neighbours=twice, network=True)
        return prepare(one, Before(lead), scales, layout, needs).batch(starts, moved).inputs

    first, second = seen(before), seen(later)
    room = (WEEK - horizon) // DAY
    if days is not None and days > room:
        pytest.skip(f"a disguise of {days} days is never drawn here; {room} at most")
    for name in ("x", "neighbour_x", "observed", "history", "history_observed"):
        assert torch.equal(getattr(first, name), getattr(second, name)), name
    assert torch.equal(first.neighbour_history, second.neighbour_history)
    assert torch.equal(first.network, second.network)


def test_a_disguise_moves_the_weekly_history_and_the_day_and_nothing_else(stream):
    tensors = history_tensors(stream, 0, ("1d", "1w"))
    at, one = torch.tensor([20]), torch.tensor([1])
    plain, disguised = tensors.batch(at), tensors.batch(at, one)

    assert torch.equal(plain.inputs.x, disguised.inputs.x)
    assert torch.equal(plain.y, disguised.y)
    assert torch.equal(plain.inputs.history[:, :, 0], disguised.inputs.history[:, :, 0])
    later = raw_history(tensors, disguised) - raw_history(tensors, plain)
    torch.testing.assert_close(later[0, :, 1], torch.full((3, 5), 1000.0 * DAY), rtol=0, atol=1.0)
    assert disguised.inputs.clock.day.tolist() == [[0, 0, 0, 0, 1]]
    assert plain.inputs.clock.day.tolist() == [[2, 2, 2, 2, 0]]
    assert torch.equal(plain.inputs.clock.slot, disguised.inputs.clock.slot)


def test_disguises_stay_so_small_that_no_history_reaches_the_forecast(stream):
    tensors = history_tensors(stream, 0, ("1w", "2w"))
    days = draw_disguises(tensors, 1.0, 500)

    assert days.min() == 1
    assert days.max() == 2
    assert int(days.max()) * DAY + tensors.horizon <= WEEK


def test_without_weekly_history_or_room_nothing_is_disguised(stream):
    assert draw_disguises(history_tensors(stream, 0, ("1d",)), 0.5, 9) is None
    assert draw_disguises(history_tensors(stream, 0, ("1w",)), 0.0, 9) is None
    long = replace(history_tensors(stream, 0, ("1w",)), horizon=WEEK)
    assert draw_disguises(long, 0.5, 9) is None


def test_the_share_of_disguised_windows_is_as_asked(stream):
    days = draw_disguises(history_tensors(stream, 0, ("1w",)), 0.25, 4000)

    assert 0.2 < (days > 0).float().mean() < 0.3


def test_a_lag_shorter_than_the_horizon_becomes_the_next_that_is_known():
    assert [lag.steps for lag in lag_steps(["1d", "1w"], Calendar(4, 3), horizon=6)] == [8, 12]
    assert [lag.weekly for lag in lag_steps(["1d", "1w"], Calendar(4, 3), horizon=6)] == [
        False,
        True,
    ]
    with pytest.raises(ConfigError, match="such as 1d or 2w"):
        lag_steps(["a day"], Calendar(4, 3), horizon=6)


def test_the_clock_counts_slots_and_days_on_through_the_batch():
    clock = Clock.at(Calendar(DAY, 3, start_slot=2), torch.tensor([0, 9]), 4)

    assert clock.slot.tolist() == [[2, 3, 0, 1], [3, 0, 1, 2]]
    assert clock.day.tolist() == [[0, 0, 1, 1], [2, 0, 0, 0]]


@pytest.mark.parametrize("nodes", [[2, 0], [[2, 0], [1, 1]]])
def test_some_nodes_of_a_window_see_what_they_see_among_all(stream, nodes):
    tensors = history_tensors(stream, 1, ("1d", "1w"))
    tensors = tensors.with_neighbours(lambda x, graph: x.flip(1))
    starts, nodes = torch.tensor([3, 17]), torch.tensor(nodes)
    whole, some = tensors.batch(starts), tensors.batch(starts, nodes=nodes)
    window = torch.arange(2)[:, None]

    for name in ("x", "neighbour_x", "observed", "history", "history_observed"):
        chosen = getattr(whole.inputs, name)[window, nodes]
        assert torch.equal(chosen, getattr(some.inputs, name)), name
    assert torch.equal(whole.y[window, nodes], some.y)
    assert torch.equal(whole.mask[window, nodes], some.mask)
    scaled = whole.scaler.scale_target(whole.y)[window, nodes]
    torch.testing.assert_close(some.scaler.scale_target(some.y), scaled)
    torch.testing.assert_close(some.scaler.inverse(scaled), some.y)
    assert torch.equal(some.inputs.nodes, nodes)


def test_nodes_are_drawn_for_each_window_and_only_where_there_are_more(stream):
    tensors = history_tensors(stream, 0, ())
    drawn = draw_nodes(tensors, 2, 300)

    assert drawn.shape == (300, 2)
    assert all((drawn == node).float().mean() > 0.25 for node in range(3))
    assert draw_nodes(tensors, 3, 9) is None
    assert draw_nodes(tensors, None, 9) is None


def test_rehearsed_windows_end_before_the_period_and_hold_its_nodes(stream):
    data = PeriodData(stream, period=1, window=3, horizon=2, batch_size=10, rehearsal=0.3)
    data = data.prepared(Needs(("1w",)))
    older = torch.cat([batch[batch < 0] for batch in data.train_dataloader()])

    assert len(older)
    assert older.max() <= -5
    assert older.min() >= -40
    mask = data.full.batch(older[:1]).mask
    assert mask[0].all(-1).tolist() == [True, False, True]


def test_a_refit_draws_from_the_validation_part_too_and_never_from_the_test(stream):
    data = PeriodData(stream, window=3, horizon=2, batch_size=64)
    seen = torch.cat(list(data.for_refit().train_dataloader()))

    assert sorted(seen.tolist()) == list(range(data.split.val.stop - 4))
    assert torch.cat(list(data.train_dataloader())).max() == data.split.train.stop - 5


class Counted(MemoryStream):
    """Notes which periods are read."""

    def load(self, index):
        self.__dict__.setdefault("read", []).append(index)
        return super().load(index)


def test_how_far_the_past_reaches_is_asked_of_each_period_once():
    stream = Counted([period(f"p{i}", "ab", 40, first=40 * i) for i in range(5)], name="long")
    known = {}
    reached = [steps_before(stream, index, most=999, known=known) for index in range(5)]

    assert reached == [0, 40, 80, 120, 160]
    assert sorted(stream.read) == [0, 1, 2, 3, 4]


def test_rehearsal_reaches_no_further_back_than_it_may(monkeypatch):
    monkeypatch.setattr("eac.data.batches.ready.REHEARSED_READINGS", 2 * 50)
    stream = Counted([period(f"p{i}", "ab", 40, first=40 * i) for i in range(9)], name="long")
    settings = PeriodData(stream, window=3, horizon=2, rehearsal=0.5)
    full = [settings.for_period(index).prepared(Needs()).full for index in (1, 2, 8)]

    assert [tensors.lead for tensors in full] == [40, 50, 50]
    assert full[2].readings.raw[0].tolist() == [1000.0 * 270 + ord(node) for node in "ab"]
    assert not {3, 4, 5} & set(stream.read)
