"""Places for sensors on a plane: from coordinates, or from the edges among them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

SWEEPS = 50
ITERATIONS = 100
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
    places = _spectral(num_nodes, pairs, rng) + rng.normal(0, 0.05, (num_nodes, 2))
    ideal = 1 / np.sqrt(num_nodes)
    for sweep in range(SWEEPS):
        step = 0.1 * (1 - sweep / SWEEPS) + 0.002
        force = _repulsion(places, ideal) + _attraction(places, pairs, ideal)
        force -= _GRAVITY * places * ideal * np.sqrt(num_nodes)
        length = np.linalg.norm(force, axis=1, keepdims=True)
        places = places + force / np.maximum(length, 1e-9) * np.minimum(length, step)
    return places - places.mean(0)


def _spectral(num_nodes: int, pairs: ndarray, rng: np.random.Generator) -> Places:
    """About the second and third eigenvectors of the graph's normalised Laplacian.

    By subspace iteration (Golub and Van Loan, *Matrix Computations*, 8.2.4) on ``(1 + A) / 2``, in
    which they are among the largest; a start for what follows need not be exact.
    """
    ends = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    ends = ends[ends[:, 0] != ends[:, 1]]
    root = 1 / np.sqrt(np.bincount(ends[:, 0], minlength=num_nodes) + 1)
    first, after = np.searchsorted(ends[:, 0], [range(num_nodes), range(1, num_nodes + 1)])
    basis = rng.normal(size=(num_nodes, min(6, num_nodes)))
    for _ in range(ITERATIONS):
        scaled = root[:, None] * basis
        total = np.concatenate([np.zeros((1, basis.shape[1])), scaled[ends[:, 1]].cumsum(0)])
        heard = root[:, None] * (total[after] - total[first] + scaled)
        basis, _ = np.linalg.qr((basis + heard) / 2)
    places = basis[:, [1, 2]] * root[:, None]
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
