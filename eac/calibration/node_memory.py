"""What a calibrator knows of each sensor: arrays whose last axis is the sensor, found by id."""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from eac.calibration.network import Network
from eac.data.core.archive import Archive

ALIKE = 8
"""Sensors from which a new one borrows."""
DONORS = 2048
"""Sensors at most among which alike ones are sought."""
AT_ONCE = 1024
FIRST_ERROR = 0.3
"""Error of a forecast in standard deviations of the readings, before anything is known."""


class NodeMemory:
    """Arrays by sensor of the current network, in its order; those of others are in an archive.

    Args:
        sizes: Shape of each array without its last axis, by name.

    Attributes:
        node_ids: Sensors of the current network.
        arrays: ``error`` (log of the mean absolute residual), ``level``, ``spread``, ``count`` of
            steps learned from, ``age`` in networks, ``positive``, and those of ``sizes``.

    Example:
        >>> memory = NodeMemory({"slots": (24,)})
        >>> memory.node_ids
        ()
    """

    def __init__(self, sizes: dict[str, tuple[int, ...]]):
        own = dict.fromkeys(("error", "level", "spread", "count", "age", "positive"), ())
        self._sizes: dict[str, tuple[int, ...]] = {**own, **sizes}
        self.node_ids: tuple[str, ...] = ()
        self.arrays = {name: _zeros(*size, 0) for name, size in self._sizes.items()}
        self._archive = Archive()

    def __getitem__(self, name: str) -> Float[ndarray, "*shape node"]:
        return self.arrays[name]

    def known(self) -> Network:
        """Every sensor ever seen, and what its readings are like."""
        gone = list(self._archive)
        rows, said = self._archive.rows(gone), ("level", "spread", "positive")
        here = [torch.from_numpy(self[name]) for name in said]
        both = [torch.cat([h, rows[n]]) if gone else h for h, n in zip(here, said, strict=True)]
        return Network((*self.node_ids, *gone), both[0], both[1], both[2] > 0)

    def begin(self, network: Network) -> None:
        """Points at the sensors of a network; new ones borrow from alike ones."""
        self._recall([node for node in network.node_ids if node in self._archive])
        known = set(self.node_ids)
        fresh = [i for i, node in enumerate(network.node_ids) if node not in known]
        del known  # of many sensors, it would take as much as the arrays
        if fresh:
            self._grow(network, np.array(fresh))
        if self.node_ids != network.node_ids:
            self._retire(set(network.node_ids))
            self._order(network.node_ids)
        self["level"][:] = _magnitude(network)
        self["spread"][:] = network.spread.numpy()
        self["positive"][:] = network.positive.numpy()
        self["age"][:] += 1

    def remember(self, earlier: "NodeMemory") -> None:
        """Archives what an earlier memory knew of sensors that are not known here."""
        self._keep(earlier, {*self.node_ids, *self._archive})
        gone = [n for n in earlier._archive if n not in {*self.node_ids, *self._archive}]
        self._archive.put(gone, earlier._archive.rows(gone))

    def _keep(self, memory: "NodeMemory", without: set[str]) -> None:
        """Archives the sensors of a memory without some."""
        rows = [i for i, node in enumerate(memory.node_ids) if node not in without]
        values = {
            name: torch.from_numpy(np.moveaxis(array[..., rows], -1, 0))
            for name, array in memory.arrays.items()
        }
        self._archive.put([memory.node_ids[i] for i in rows], values)

    def _retire(self, present: set[str]) -> None:
        """Moves the sensors that are not present into the archive."""
        self._keep(self, present)
        rows = [i for i, node in enumerate(self.node_ids) if node in present]
        if len(rows) < len(self.node_ids):
            self.arrays = {name: array[..., rows] for name, array in self.arrays.items()}
            self.node_ids = tuple(self.node_ids[i] for i in rows)

    def _order(self, node_ids: tuple[str, ...]) -> None:
        """Brings the sensors, which are all there, into this order."""
        if self.node_ids != node_ids:
            row = {node: i for i, node in enumerate(self.node_ids)}
            order = np.array([row[node] for node in node_ids], dtype=np.int64)
            self.arrays = {name: array[..., order] for name, array in self.arrays.items()}
            self.node_ids = node_ids

    def _recall(self, node_ids: list[str]) -> None:
        if node_ids:
            back = self._archive.take(node_ids)
            self.arrays = {
                name: np.concatenate([array, np.moveaxis(back[name].numpy(), 0, -1)], axis=-1)
                for name, array in self.arrays.items()
            }
            self.node_ids = (*self.node_ids, *node_ids)

    def _grow(self, network: Network, rows: Int[ndarray, " fresh"]) -> None:
        count = len(rows)
        level, spread = _magnitude(network)[rows], network.spread.numpy()[rows]
        given = {name: _zeros(*size, count) for name, size in self._sizes.items()}
        given["error"] = np.log(np.float32(FIRST_ERROR) * spread)
        if "recent" in given:
            given["recent"] = np.ones_like(given["recent"])
        experienced = np.flatnonzero(self["count"] > 0)
        if len(experienced):
            every = -(-len(experienced) // DONORS)
            given |= self._borrowed(experienced[::every], level, spread)
        given |= {"level": level, "spread": spread, "count": _zeros(count), "age": _zeros(count)}
        for name in self.arrays:  # one after the other: the arrays may be all the memory there is
            fresh, array = given.pop(name), self.arrays[name]
            self.arrays[name] = np.concatenate([array, fresh], axis=-1) if array.size else fresh
        self.node_ids = (*self.node_ids, *(network.node_ids[row] for row in rows.tolist()))

    def _borrowed(
        self,
        donors: Int[ndarray, " donor"],
        level: Float[ndarray, " fresh"],
        spread: Float[ndarray, " fresh"],
    ) -> dict[str, ndarray]:
        """Means over the sensors most alike in level and spread; errors relative to the spread."""
        known = _likeness(self["level"][donors], self["spread"][donors])
        wanted = _likeness(level, spread)
        near = torch.cat(
            [
                torch.cdist(part, known).topk(min(ALIKE, len(donors)), largest=False).indices
                for part in wanted.split(AT_ONCE)
            ]
        )
        near = donors[near.numpy()]
        means = {name: array[..., near].mean(-1) for name, array in self.arrays.items()}
        relative = self["error"] - np.log(self["spread"])
        return means | {"error": relative[near].mean(-1) + np.log(spread)}


def _zeros(*shape: int) -> ndarray:
    return np.zeros(shape, np.float32)


def _magnitude(network: Network) -> Float[ndarray, " node"]:
    return np.maximum(abs(network.level.numpy()), np.float32(0.1) * network.spread.numpy())


def _likeness(
    level: Float[ndarray, " node"], spread: Float[ndarray, " node"]
) -> Float[Tensor, "node 2"]:
    return torch.from_numpy(np.log(np.stack([level, spread], axis=1)))
