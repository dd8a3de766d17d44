"""Small periods for the tools that strategies share."""

import pytest
import torch

from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream


def chain(num_nodes):
    """Node i listens to node i - 1."""
    index = torch.stack([torch.arange(num_nodes - 1), torch.arange(1, num_nodes)])
    return Graph(num_nodes, index, torch.ones(num_nodes - 1))


def make_period(ids, *, steps=100, name="one", seed=0, steps_per_day=4):
    generator = torch.Generator().manual_seed(seed)
    series = torch.randn(steps, len(ids), generator=generator) * 10 + 50
    calendar = Calendar(steps_per_day=steps_per_day)
    return Period(name, series, tuple(ids), chain(len(ids)), calendar)


@pytest.fixture
def view_of():
    """The view of a period under settings that make every count small."""

    def make(period, *, window=3, horizon=2, protocol="strict"):
        stream = MemoryStream([period])
        return PeriodData(stream, window=window, horizon=horizon, protocol=protocol).view

    return make


@pytest.fixture
def period_of():
    return make_period
