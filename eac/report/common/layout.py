"""Places for sensors on a plane: from coordinates, or from the edges among them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

SWEEPS = 50
_GRAVITY = 0.6

Places = Float[ndarray, "node 2"]


def project(positions: Sequence[tuple[float, float]]) -> Places:
    """Kilometres east and north of the middle, for longitudes and latitudes in degrees.

    Example:
        >>> project([(10.0, 60.0), (10.0, 61.0)]).round().tolist()
        [[0.0, -56.0], [0.0, 56.0]]
    """
    degrees = np.asarray(positions, dtype=float).reshape(-1, 2)
    middle = degrees.mean(0)
    km = 111.2 * (degrees - middle)
    km[:, 0] *= np.cos(np.radians(middle[1]))
    return km


def place_by_edges(num_nodes: int, edges: Sequence[tuple[int, int]], *, seed: int = 0) -> Places:
    """A force-directed layout (Fruchterman & Reingold 1991), begun from a spectral one.

    Edges pull, nodes push each other apart, and a little gravity keeps separate parts together.

    Example:
        >>> place_by_edges(3, [(0, 1)]).shape
        (3, 2)
    """
    rng = np.random.default_rng(seed)
    if num_nodes < 3:
        return np.linspace([-1.0, 0.0], [1.0, 0.0], num_nodes)
    pairs = np.asarray(edges, dtype=int).reshape(-1, 2)
    places = _spectral(num_nodes, pairs) + rng.normal(0, 0.05, (num_nodes, 2))
    ideal = 1 / np.sqrt(num_nodes)
    for sweep in range(SWEEPS):
        step = 0.1 * (1 - sweep / SWEEPS) + 0.002
        force = _repulsion(places, ideal) + _attraction(places, pairs, ideal)
        force -= _GRAVITY * places * ideal * np.sqrt(num_nodes)
        length = np.linalg.norm(force, axis=1, keepdims=True)
        places = places + force / np.maximum(length, 1e-9) * np.minimum(length, step)
    return places - places.mean(0)


def _spectral(num_nodes: int, pairs: ndarray) -> Places:
    """The second and third eigenvectors of the graph's normalised Laplacian."""
    adjacency = np.zeros((num_nodes, num_nodes))
    adjacency[pairs[:, 0], pairs[:, 1]] = adjacency[pairs[:, 1], pairs[:, 0]] = 1
    root = 1 / np.sqrt(adjacency.sum(1) + 1)
    _, vectors = np.linalg.eigh(root[:, None] * (adjacency + np.eye(num_nodes)) * root)
    places = vectors[:, [-2, -3]] * root[:, None]
    return places / (np.abs(places).max(0) + 1e-9)


def _repulsion(places: Places, ideal: float) -> Places:
    """Sum over the others of (p - q) ideal^2 / |p - q|^2, as products of matrices."""
    narrow = places.astype(np.float32)
    norm = (narrow**2).sum(1)
    square = norm[:, None] + norm - 2 * narrow @ narrow.T
    weight = np.float32(ideal**2) / np.maximum(square, np.float32(1e-5))
    return places * weight.sum(1)[:, None] - weight @ narrow


def _attraction(places: Places, pairs: ndarray, ideal: float) -> Places:
    along = places[pairs[:, 1]] - places[pairs[:, 0]]
    pull = along * np.linalg.norm(along, axis=1, keepdims=True) / ideal
    force = np.zeros_like(places)
    np.add.at(force, pairs[:, 0], pull)
    np.add.at(force, pairs[:, 1], -pull)
    return force
