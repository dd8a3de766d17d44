"""A seeded road network of any size: directed sections on a thinned, jittered grid.

Sections are listed outwards from the centre, and the first n sections do not depend on how many
follow: a network that grows keeps what it had. Cost and memory are linear in the sections.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int

TURNS = (-1, 0, 1)
"""Right, straight and left, in quarter turns; nobody turns round."""

_STEP = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
_TOWN_SPACING = 8
_ARTERIAL_SPACING = 3
_JITTER = 0.25
_ABSENT_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class RoadNetwork:
    """Directed road sections and the turns between them.

    A missing neighbour is written as one past the last: ``num_sections`` in ``down``,
    ``3 * num_sections`` in ``up``.

    Attributes:
        position: Middle of each section, in grid spacings from the centre.
        down: Section reached by each turn.
        up: Where the turns into each section stand in ``down.ravel()``.
        to_town: Distance from the end of each section to the nearest town centre, in spacings.
        approach: How much nearer to that centre each section leads.
        arterial: True for sections of main roads.

    Example:
        >>> network = road_network(8, 0)
        >>> network.num_sections, network.down.shape
        (8, (3, 8))
    """

    position: Float32[np.ndarray, "section 2"]
    down: Int[np.ndarray, "turn section"]
    up: Int[np.ndarray, "turn section"]
    to_town: Float32[np.ndarray, " section"]
    approach: Float32[np.ndarray, " section"]
    arterial: Bool[np.ndarray, " section"]

    @property
    def num_sections(self) -> int:
        """Number of directed sections."""
        return self.down.shape[1]


def random_generator(seed: int, *purpose: int) -> np.random.Generator:
    """A generator of its own for each purpose, so that one draw never shifts another.

    Example:
        >>> random_generator(42, 7).random() == random_generator(42, 7).random()
        True
    """
    return np.random.default_rng([seed, *purpose])


def road_network(num_sections: int, seed: int) -> RoadNetwork:
    """The first ``num_sections`` sections of the network with this seed.

    Both directions of a road are neighbours in the list. One road in ten of the grid is absent;
    every third line of the grid is a main road; town centres lie eight spacings apart.

    Example:
        >>> small, large = road_network(40, seed=1), road_network(400, seed=1)
        >>> bool((large.position[:40] == small.position).all())
        True
    """
    points = _points_from_centre(_radius_for(num_sections))
    start, end, direction = (part[:num_sections] for part in _sections(points, seed))
    jitter = random_generator(seed, 1).uniform(-_JITTER, _JITTER, points.shape)
    place = points + jitter
    down, up = _turns(len(points), start, end, direction)
    line = points[start, 1 - direction % 2]
    to_town = _distance_to_town(place)
    return RoadNetwork(
        position=((place[start] + place[end]) / 2).astype(np.float32),
        down=down,
        up=up,
        to_town=to_town[end].astype(np.float32),
        approach=(to_town[start] - to_town[end]).astype(np.float32),
        arterial=line % _ARTERIAL_SPACING == 0,
    )


def links_within_two_turns(
    network: RoadNetwork,
) -> tuple[Int[np.ndarray, "2 link"], Float32[np.ndarray, " link"]]:
    """Pairs (upstream, downstream) one or two turns apart and their distance in spacings.

    Example:
        >>> pairs, distance = links_within_two_turns(road_network(8, 0))
        >>> bool((pairs[0] != pairs[1]).all()), len(distance) == pairs.shape[1]
        (True, True)
    """
    size = network.num_sections
    first = np.repeat(np.arange(size)[None], len(TURNS), axis=0)
    near = _present(first.ravel(), network.down.ravel(), size)
    last = network.down[:, near[1]]
    far = _present(np.repeat(near[0][None], len(TURNS), axis=0).ravel(), last.ravel(), size)
    keys = np.unique(np.concatenate([a * size + b for a, b in (near, far)]))
    pairs = np.stack([keys // size, keys % size])
    pairs = pairs[:, pairs[0] != pairs[1]]
    gap = network.position[pairs[0]] - network.position[pairs[1]]
    return pairs, np.hypot(gap[:, 0], gap[:, 1])


def _present(
    source: Int[np.ndarray, " turn"], target: Int[np.ndarray, " turn"], size: int
) -> Int[np.ndarray, "2 link"]:
    return np.stack([source, target])[:, target < size]


def _radius_for(num_sections: int) -> int:
    radius = 2
    while np.pi * radius**2 * 4 * (1 - _ABSENT_SHARE) * 0.8 < num_sections + 40:
        radius += 1
    return radius + 2


def _points_from_centre(radius: int) -> Int[np.ndarray, "point 2"]:
    side = np.arange(-radius, radius + 1)
    points = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    distance = (points**2).sum(axis=1)
    points, distance = points[distance <= radius**2], distance[distance <= radius**2]
    return points[np.lexsort((points[:, 1], points[:, 0], distance))]


def _sections(
    points: Int[np.ndarray, "point 2"], seed: int
) -> tuple[Int[np.ndarray, " section"], ...]:
    """Start point, end point and direction of every section, in the order of the outer end."""
    reach = np.abs(points).max() + 1
    number = np.full((2 * reach + 1, 2 * reach + 1), -1)
    number[points[:, 0] + reach, points[:, 1] + reach] = np.arange(len(points))
    built = random_generator(seed, 2).random((len(points), 2)) >= _ABSENT_SHARE
    roads = []
    for direction in (0, 1):
        near = points + _STEP[direction] + reach
        other = number[near[:, 0], near[:, 1]]
        here = np.flatnonzero((other >= 0) & built[:, direction])
        roads.append(np.stack([here, other[here], np.full(len(here), direction)]))
    road = np.concatenate(roads, axis=1)
    road = road[:, np.lexsort((road[2], road[:2].min(axis=0), road[:2].max(axis=0)))]
    back = np.stack([road[1], road[0], road[2] + 2])
    start, end, direction = np.stack([road, back], axis=2).reshape(3, -1)
    return start, end, direction


def _turns(
    num_points: int,
    start: Int[np.ndarray, " section"],
    end: Int[np.ndarray, " section"],
    direction: Int[np.ndarray, " section"],
) -> tuple[Int[np.ndarray, "turn section"], Int[np.ndarray, "turn section"]]:
    size = len(start)
    leaving = np.full((num_points, 4), size)
    leaving[start, direction] = np.arange(size)
    arriving = np.full((num_points, 4), size)
    arriving[end, direction] = np.arange(size)
    down = np.stack([leaving[end, (direction + turn) % 4] for turn in TURNS])
    feeder = np.stack([arriving[start, (direction - turn) % 4] for turn in TURNS])
    offset = np.arange(len(TURNS))[:, None] * size
    return down, np.where(feeder < size, feeder + offset, len(TURNS) * size)


def _distance_to_town(place: Float64[np.ndarray, "point 2"]) -> Float64[np.ndarray, " point"]:
    gap = place - _TOWN_SPACING * np.round(place / _TOWN_SPACING)
    return np.hypot(gap[:, 0], gap[:, 1])
