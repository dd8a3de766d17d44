"""Tiny streams for tests: a few noisy waves on a ring, nodes named by letter."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream

CHURN = ("abcd", "cabde", "ecxa", "bdxae")
"""Joins (e, x), leaves, returns (b, d in the last period) and changes order."""


def tiny_period(name: str, nodes: str, *, index: int = 0, num_steps: int = 160) -> Period:
    """Waves whose phase and level belong to the node, so that they differ between nodes."""
    generator = torch.Generator().manual_seed(index)
    step = torch.arange(index * num_steps, (index + 1) * num_steps)[:, None]
    identity = torch.tensor([float(ord(node)) for node in nodes])
    wave = torch.sin(2 * math.pi * step / 24 + identity) * 10 + 40 + identity / 10
    noise = torch.randn(num_steps, len(nodes), generator=generator)
    size = len(nodes)
    ring = torch.stack([torch.arange(size), (torch.arange(size) + 1) % size])
    graph = Graph(size, torch.cat([ring, ring.flip(0)], 1), torch.ones(2 * size))
    calendar = Calendar(steps_per_day=24, start_slot=index * num_steps)
    return Period(name, wave + noise, tuple(nodes), graph, calendar)


def tiny_stream(churn: Sequence[str] = CHURN, *, missing: bool = False) -> MemoryStream:
    """One period for each string of node names; with ``missing``, every 11th reading is NaN."""
    periods = [tiny_period(f"p{i}", nodes, index=i) for i, nodes in enumerate(churn)]
    if missing:
        periods = [_with_gaps(period) for period in periods]
    return MemoryStream(periods, name="tiny")


def _with_gaps(period: Period) -> Period:
    series = period.series.clone()
    series.view(-1)[::11] = torch.nan
    return replace(period, series=series)
