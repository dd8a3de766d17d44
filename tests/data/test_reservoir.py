"""The sample of earlier windows that is rehearsed: who is in it, and that it is what it was."""

from dataclasses import replace

import pytest
import torch

from eac.data.batches import reservoir
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.needs import Needs
from eac.data.batches.reservoir import Rehearsal, Reservoir, places
from eac.data.core.stream import MemoryStream
from eac.errors import ConfigError
from eac.nn.message_passing import propagate_series
from tests.streams import CHURN, tiny_stream

NEEDS = Needs(("1d",), hops=1, neighbours=propagate_series, network=True)


def settings(stream=None, **given):
    shared = {"batch_size": 20, "rehearsal": 0.5, "nodes_per_window": 1, "steps_per_epoch": 3}
    return PeriodData(stream or tiny_stream(), **shared | given)


def by_hand(seen, count, size, generator):
    """Algorithm R one item after the other, by the same random numbers."""
    draws = torch.rand(count, dtype=torch.float64, generator=generator).tolist()
    kept = [-1] * size
    for item, draw in enumerate(draws):
        number = seen + item + 1
        place = number - 1 if number <= size else int(draw * number)
        if place < size:
            kept[place] = item
    return kept


@pytest.mark.parametrize(("seen", "count", "size"), [(0, 40, 7), (7, 40, 7), (3, 40, 7), (0, 5, 5)])
def test_places_are_those_of_algorithm_r(seen, count, size):
    found = places(seen, count, size, torch.Generator().manual_seed(3))

    assert found.tolist() == by_hand(seen, count, size, torch.Generator().manual_seed(3))


def test_every_window_stays_with_the_same_probability():
    size, offers, trials = 4, (6, 5, 9), 3000
    counts = torch.zeros(sum(offers))
    for trial in range(trials):
        kept, seen = torch.full((size,), -1), 0
        for count in offers:
            fresh = places(seen, count, size, torch.Generator().manual_seed(31 * trial + seen))
            kept, seen = torch.where(fresh >= 0, fresh + seen, kept), seen + count
        counts[kept] += 1

    assert counts.sum() == size * trials
    # five standard deviations of a share of 4 / 20
    assert (counts / trials - 0.2).abs().max() < 5 * (0.2 * 0.8 / trials) ** 0.5


def test_a_rehearsed_window_is_what_it_was_in_its_own_period():
    stream = tiny_stream(missing=True)
    first = settings(stream, carry=0.9).prepared(NEEDS)
    later = settings(stream, carry=0.9, period=2).prepared(NEEDS)
    past = Rehearsal.of(first.past_after(), later.period.node_ids)
    # all windows fit, so that the n-th place holds the n-th window: node after node, step by step
    place = 4 * 30 + first.period.node_ids.index("c")
    own = later.full.batch(torch.tensor([5]), nodes=torch.tensor([[0]]))
    batch = past.added(own, torch.tensor([-1 - place]))
    then = first.full.batch(torch.tensor([30]), nodes=torch.tensor([[2]]))

    assert len(first.past_after()) == 4 * (160 - 24 + 1)
    for name in ("x", "observed", "neighbour_x", "history", "history_observed", "network"):
        assert torch.equal(getattr(batch.inputs, name)[:1], getattr(own.inputs, name)), name
        assert torch.equal(getattr(batch.inputs, name)[1:], getattr(then.inputs, name)), name
    assert torch.equal(batch.y[1:], then.y)
    assert torch.equal(batch.mask[1:], then.mask)
    assert torch.equal(batch.inputs.clock.slot[1:], then.inputs.clock.slot)
    assert torch.equal(batch.inputs.clock.day[1:], then.inputs.clock.day)
    forecast = torch.ones(2, 1, 12)
    assert torch.equal(batch.scaler.inverse(forecast)[1:], then.scaler.inverse(forecast[1:]))
    assert batch.inputs.nodes.tolist() == [[0], [later.period.node_ids.index("c")]]
    assert not batch.complete


def test_only_windows_of_nodes_that_are_there_are_rehearsed():
    data = settings(period=2).prepared(NEEDS)  # "ecxa" after "abcd" and "cabde"
    batches = list(data.train_dataloader())
    older = torch.cat([batch[batch < 0] for batch in batches])
    drawn = data.past.nodes[-1 - older][:, 0].unique().tolist()

    assert all(len(batch) == 20 and (batch < 0).sum() == 10 for batch in batches)
    assert {data.past.node_ids[node] for node in drawn} == {"e", "c", "a"}
    assert set(data.past.node_ids) == set("abcde")


def test_processes_that_divide_the_nodes_rehearse_together_what_one_would():
    data = settings(period=2).prepared(NEEDS)  # "ecxa"
    whole = Rehearsal.of(data.past, data.period.node_ids)
    shares = [Rehearsal.of(data.past, ids, network="ecxa") for ids in ("ec", "xa")]
    own = data.full.batch(torch.tensor([0]), nodes=torch.tensor([[0]]))
    added = [share.added(own, whole.starts) for share in shares]

    assert all(torch.equal(share.starts, whole.starts) for share in shares)
    assert torch.cat([batch.starts[1:] for batch in added]).unique().equal(whole.starts.unique())
    for batch, ids in zip(added, ("ec", "xa"), strict=True):
        slots = -1 - batch.starts[1:]
        names = [data.past.node_ids[i] for i in data.past.nodes[slots][:, 0].tolist()]
        assert set(names) <= set(ids)
        assert [ids[row] for row in batch.inputs.nodes[1:, 0].tolist()] == names
        assert torch.equal(batch.y[1:], data.past.rows["y"][slots])


def test_windows_of_several_nodes_leave_out_those_that_are_gone():
    data = settings(period=2, nodes_per_window=3).prepared(NEEDS)
    older = torch.cat([batch[batch < 0] for batch in data.train_dataloader()])
    past = Rehearsal.of(data.past, data.period.node_ids)
    own = data.full.batch(torch.tensor([0]), nodes=torch.tensor([[0, 1, 2]]))
    batch = past.added(own, older)
    names = [[data.past.node_ids[i] for i in row] for row in data.past.nodes[-1 - older].tolist()]
    there = torch.tensor([[name in "ecxa" for name in row] for row in names])

    assert torch.equal(batch.mask[1:].all(-1), there)
    assert there.any(1).all()
    assert not there.all()


def test_the_sample_is_bounded_and_read_from_no_earlier_period(monkeypatch):
    monkeypatch.setattr(reservoir, "SIZE", 50)
    stream, past, data = tiny_stream(CHURN * 3), None, settings()
    stream = Counted([replace(stream.load(i), name=f"p{i}") for i in range(len(stream))])
    for index in range(len(stream)):
        stream.read.clear()
        data = settings(stream, period=index).prepared(NEEDS).remembering(past or Reservoir())
        list(data.train_dataloader())
        past = data.past_after()
        assert len(past) == 50
        assert {i for i in stream.read if i < index - 1} == set()

    assert past.seen == sum(stream.load(i).num_nodes * 137 for i in range(len(stream)))
    again = settings(stream, period=len(stream) - 1).prepared(NEEDS).past_after()  # reads them all
    assert again.node_ids == past.node_ids
    assert all(torch.equal(again.rows[name], past.rows[name]) for name in past.rows)


def test_windows_of_several_nodes_take_no_more_room(monkeypatch):
    monkeypatch.setattr(reservoir, "SIZE", 50)
    data = settings(nodes_per_window=4).prepared(NEEDS)
    assert data.past_after().nodes.shape == (12, 4)


def test_windows_too_large_to_be_kept_are_refused():
    with pytest.raises(ConfigError, match=r"nodes_per_window=5000 with data\.rehearsal"):
        settings(nodes_per_window=5000)
    assert settings(nodes_per_window=5000, rehearsal=0.0).nodes_per_window == 5000


class Counted(MemoryStream):
    """Notes which periods are read."""

    def __init__(self, periods):
        super().__init__(periods, name="counted")
        self.read = []

    def load(self, index):
        self.read.append(index)
        return super().load(index)


def test_a_first_period_and_a_training_without_rehearsal_keep_nothing():
    assert not len(settings().prepared(NEEDS).past)
    for without in ({"rehearsal": 0.0}, {"nodes_per_window": None}):
        assert settings(**without).prepared(NEEDS).past_after().seen == 0
