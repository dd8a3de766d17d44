"""A small stream whose nodes join, leave, return and change places, with gaps."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from eac.artifacts.checkpoint import SavedState
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream, node_changes
from eac.strategies.base import PeriodContext
from eac.training.forecaster import Forecaster

PERIODS = {
    "first": "abcdefgh",
    "joined": "ijhgfedca",  # b gone, i and j new
    "returned": "abcdefghi",  # b returned, j gone
    "same": "ihgfedcba",
}
WINDOW, HORIZON = 4, 2


def chain(ids):
    """Neighbours in the alphabet listen to each other."""
    order = sorted(ids)
    pairs = list(pairwise(order))
    pairs += [(b, a) for a, b in pairs]
    index = torch.tensor([[ids.index(a) for a, _ in pairs], [ids.index(b) for _, b in pairs]])
    return Graph(len(ids), index, torch.ones(len(pairs)))


def make_period(name, ids, seed):
    generator = torch.Generator().manual_seed(seed)
    series = torch.randn(200, len(ids), generator=generator) * 5 + 40
    series += 10 * torch.sin(torch.arange(200.0) * torch.pi / 3)[:, None]
    series[torch.rand(series.shape, generator=generator) < 0.1] = torch.nan
    return Period(name, series, tuple(ids), chain(ids), Calendar(steps_per_day=6))


@pytest.fixture
def stream():
    periods = [make_period(name, ids, i) for i, (name, ids) in enumerate(PERIODS.items())]
    return MemoryStream(periods)


@pytest.fixture
def strangers():
    """A stream whose second period has none of the nodes of the first."""
    return MemoryStream([make_period("old", "abcdefgh", 0), make_period("new", "uvwxyz", 1)])


@pytest.fixture
def data(stream):
    return PeriodData(stream, window=WINDOW, horizon=HORIZON, batch_size=16, seed=3)


@pytest.fixture
def context_of(data):
    """The context of the period at a position of the stream."""

    def make(index, stream=None):
        source = data if stream is None else PeriodData(stream, window=WINDOW, horizon=HORIZON)
        change = list(node_changes(source.stream))[index][1]
        previous = source.for_period(index - 1).view if index else None
        return PeriodContext(index, 7, source.for_period(index).view, previous, change)

    return make


@pytest.fixture
def model_of():
    """A forecaster with a small backbone around a strategy."""

    def make(strategy):
        torch.manual_seed(1)
        return Forecaster(STGNN(WINDOW, HORIZON, hidden=5), strategy)

    return make


@pytest.fixture
def copied():
    """A fresh model with the state that another one saved."""

    def copy(model, strategy):
        torch.manual_seed(2)
        fresh = Forecaster(STGNN(WINDOW, HORIZON, hidden=5), strategy)
        SavedState.of(model).restore(fresh)
        return fresh

    return copy


@pytest.fixture
def names():
    """The ids behind rows of a period, in alphabetical order."""

    def read(context, rows):
        ids = context.current.period.node_ids
        return "".join(sorted(ids[row] for row in rows.tolist()))

    return read


@pytest.fixture
def empty_node():
    """A stream like another one, in which a node reads nothing in any period."""

    def silence(stream, node):
        periods = []
        for period in stream:
            series = period.series.clone()
            if node in period.node_ids:
                series[:, period.node_ids.index(node)] = torch.nan
            periods.append(replace(period, series=series))
        return MemoryStream(periods)

    return silence
