"""Simulated sensors: which exist in which period, where they stand and how they err."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32, Int

from eac.data.core.graph import Graph
from eac.data.simulator.roads import RoadNetwork, links_within_two_turns, random_generator

_CENTRE = (48.0, 11.0)
_KM_PER_DEGREE = 111.2
_FADING = 1.5
_ROWS_AT_ONCE = 256
_GAP = pd.Timedelta(hours=3)


@dataclass(frozen=True)
class Membership:
    """Sensors are numbered in the order in which they first join.

    Attributes:
        seed: Seed of who leaves and who returns.
        first: Sensors of the first period.
        growth: New sensors, as a share of those of the period before.
        shrink: Share that leaves after each period.
        returning: Share of those already gone that come back.

    Example:
        >>> stays = Membership(seed=0, first=4, growth=0.5, shrink=0.0, returning=0.0)
        >>> stays.sensors(0).tolist(), stays.sensors(1).tolist()
        ([0, 1, 2, 3], [0, 1, 2, 3, 4, 5])
    """

    seed: int
    first: int
    growth: float
    shrink: float
    returning: float

    def sensors(self, period: int) -> Int[np.ndarray, " node"]:
        """Ascending numbers of the sensors of a period."""
        return _roll(self, period)[0]

    def num_known(self, period: int) -> int:
        """Sensors that have existed by a period, those gone included."""
        return _roll(self, period)[1]


@cache
def _roll(rule: Membership, period: int) -> tuple[Int[np.ndarray, " node"], int]:
    if period == 0:
        return np.arange(rule.first), rule.first
    before, known = _roll(rule, period - 1)
    rng = random_generator(rule.seed, 31, period)
    away = np.setdiff1d(np.arange(known), before)
    leaving = rng.choice(before, min(round(rule.shrink * len(before)), len(before) - 1), False)
    back = rng.choice(away, round(rule.returning * len(away)), False)
    new = np.arange(known, known + round(rule.growth * len(before)))
    stay = np.setdiff1d(before, leaving)
    return np.sort(np.concatenate([stay, back, new])), known + len(new)


def sensor_sections(seed: int, share: float, count: int) -> Int[np.ndarray, " node"]:
    """Road section of each of the first ``count`` sensors; ``share`` of the sections have one.

    Example:
        >>> sensor_sections(0, share=1, count=3)
        array([0, 1, 2])
    """
    if share == 1:
        return np.arange(count)
    drawn = int(count / share + 10 * np.sqrt(count / share) + 100)
    chance = random_generator(seed, 32).random(drawn)
    return np.flatnonzero(chance < share)[:count]


def sensor_graph(network: RoadNetwork, sections: Int[np.ndarray, " node"]) -> Graph:
    """Links sensors one or two turns apart, both ways; the weight falls with distance.

    Example:
        >>> from eac.data.simulator.roads import road_network
        >>> graph = sensor_graph(road_network(8, 0), np.arange(8))
        >>> graph.num_nodes, bool((graph.edge_weight <= 1).all())
        (8, True)
    """
    row = np.full(network.num_sections, -1)
    row[sections] = np.arange(len(sections))
    pairs, distance = links_within_two_turns(network)
    both = (row[pairs] >= 0).all(axis=0)
    ends = row[pairs[:, both]]
    weight = np.exp(-((distance[both] / _FADING) ** 2))
    weight = torch.from_numpy(np.round(np.tile(weight, 2), 5).astype(np.float32))
    index = np.concatenate([ends, ends[::-1]], axis=1)
    _, first = np.unique(index[0] * len(sections) + index[1], return_index=True)
    return Graph(len(sections), torch.from_numpy(index[:, first]), weight[first])


def sensor_coordinates(
    network: RoadNetwork, sections: Int[np.ndarray, " node"], spacing: float
) -> Float32[torch.Tensor, "node 2"]:
    """Latitude and longitude in degrees, for sections ``spacing`` kilometres apart.

    Example:
        >>> from eac.data.simulator.roads import road_network
        >>> sensor_coordinates(road_network(8, 0), np.arange(3), spacing=5.0).shape
        torch.Size([3, 2])
    """
    east, north = network.position[sections].T * spacing / _KM_PER_DEGREE
    latitude = _CENTRE[0] + north
    longitude = _CENTRE[1] + east / math.cos(math.radians(_CENTRE[0]))
    return torch.from_numpy(np.stack([latitude, longitude], axis=1).astype(np.float32))


def observe(
    counts: Float32[np.ndarray, "time node"], noise: float, rng: np.random.Generator
) -> None:
    """Turns true counts into whole readings with a counting error, in place.

    Example:
        >>> counts = np.array([[7.4, 3.2]], dtype=np.float32)
        >>> observe(counts, noise=0.0, rng=np.random.default_rng(0))
        >>> counts
        array([[7., 3.]], dtype=float32)
    """
    for first in range(0, len(counts), _ROWS_AT_ONCE):
        rows = counts[first : first + _ROWS_AT_ONCE]
        error = rng.standard_normal(rows.shape, dtype=np.float32)
        error *= np.sqrt(rows) * np.float32(noise)
        rows += error
        np.clip(np.rint(rows, out=rows), 0, None, out=rows)


def drop_readings(
    counts: Float32[np.ndarray, "time node"],
    share: float,
    step: pd.Timedelta,
    rng: np.random.Generator,
) -> None:
    """Writes NaN over gaps of three hours on average, in place.

    Example:
        >>> counts = np.ones((500, 4), dtype=np.float32)
        >>> drop_readings(counts, 0.1, pd.Timedelta(minutes=15), np.random.default_rng(0))
        >>> bool(0.05 < np.isnan(counts).mean() < 0.15)
        True
    """
    if share == 0:
        return
    length = max(2.0, _GAP / step)
    begin, end = share / (1 - share) / length, 1 / length
    lost = rng.random(counts.shape[1]) < share
    for row in counts:
        row[lost] = np.nan
        chance = rng.random(len(row), dtype=np.float32)
        lost = np.where(lost, chance >= end, chance < begin)
