"""Shares of a network: every sensor once, with what it listens to, and the inputs of the whole."""

from datetime import datetime, timedelta

import pytest
import torch

from eac.backbones.seasonal import SeasonalMLP
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.share import Share, heard_by, rows_of_process
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream
from eac.data.manage.convert import convert
from eac.data.readers.open import open_stream
from eac.data.series.scaling import PerNode

NODES, STEPS, HOUR = 11, 24 * 20, timedelta(hours=1)
NEEDS = SeasonalMLP(hidden=4, network=True).needs


@pytest.mark.parametrize("num_nodes", [2, 3, 7, 100])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_sensor_belongs_to_one_process(num_nodes, processes):
    shares = [rows_of_process(num_nodes, rank, processes) for rank in range(processes)]

    assert [row for share in shares for row in share] == list(range(num_nodes))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def ring(num_nodes: int) -> Graph:
    """Each node listens to the one before it."""
    target = torch.arange(num_nodes)
    return Graph(num_nodes, torch.stack([(target - 1) % num_nodes, target]), torch.ones(num_nodes))


def test_the_halo_is_what_other_sensors_are_listened_to():
    assert heard_by(ring(6), torch.tensor([1, 2])).tolist() == [0]
    assert heard_by(ring(6), torch.tensor([0, 3])).tolist() == [2, 5]
    assert heard_by(ring(6), torch.arange(6)).tolist() == []


@pytest.fixture(scope="module")
def stream() -> MemoryStream:
    """Two periods with gaps; the second has one sensor more, and another order."""
    draw = torch.Generator().manual_seed(0)
    periods = []
    for index, names in enumerate(("abcdefghij", "kjabcdefghi")):
        series = 50 + 9 * torch.randn(STEPS, len(names), generator=draw)
        series[torch.rand(series.shape, generator=draw) < 0.1] = torch.nan
        clock = Calendar.from_timestamps(datetime(2024, 1, 1) + index * STEPS * HOUR, HOUR)
        periods.append(Period(str(index), series, tuple(names), ring(len(names)), clock))
    return MemoryStream(periods)


def settings(stream, few: int = 0) -> PeriodData:
    scaling = PerNode(few=few)
    return PeriodData(stream, nodes_per_window=1, carry=0.9, scaling=scaling).for_period(1)


def assert_same_batches(data: PeriodData, shares: list[Share]) -> None:
    whole, starts = data.prepared(NEEDS), torch.tensor([0, 5, 300])
    for share in shares:
        own = data.of_share(share).prepared(NEEDS)
        got = own.ready.tested.tensors.batch(starts)
        expected = whole.full.batch(starts, nodes=share.rows)
        for name in ("x", "neighbour_x", "observed", "history", "neighbour_history"):
            assert torch.equal(getattr(got.inputs, name), getattr(expected.inputs, name)), name
        assert torch.equal(got.y, expected.y)
        assert torch.equal(got.mask, expected.mask)
        assert torch.equal(got.scaler.mean, expected.scaler.mean)


def test_batches_of_shares_are_those_of_the_whole_network_bit_for_bit(stream):
    shares = [Share.of(stream, 1, (rank, 3)) for rank in range(3)]

    assert [share.wide.num_nodes for share in shares] == [4, 5, 5]  # each hears one sensor more
    assert_same_batches(settings(stream), shares)


def test_batches_of_sensors_here_and_there_are_those_of_the_whole_network(stream):
    scattered = Share.at(stream[1], torch.tensor([0, 4, 9]))

    assert scattered.wide.node_ids == ("k", "b", "c", "g", "h", "i")
    assert_same_batches(settings(stream), [scattered])


def test_a_share_is_scaled_as_it_is_told(stream):
    data = settings(stream, few=500)  # drawn far towards the typical sensor
    alone = Share.at(stream[1], torch.tensor([0, 4, 9]))
    told = alone.scaled(data.prepared(NEEDS).ready.scales, None)

    assert_same_batches(data, [told])
    with pytest.raises(AssertionError):
        assert_same_batches(data, [alone])


def test_a_share_of_a_mapped_stream_is_mapped_by_node(stream, tmp_path):
    mapped = open_stream(convert(stream, tmp_path / "mapped", "npy"))
    shares = [Share.of(mapped, 1, (rank, 2)) for rank in range(2)]

    for share in shares:
        for period in (share.period, share.wide):
            assert period.mapped
            assert period.by_node is not None
            assert period.by_node.stride()[0] == 1
    assert_same_batches(settings(mapped), shares)
