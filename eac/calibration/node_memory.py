"""What a calibrator knows of each sensor: arrays whose last axis is the sensor, found by id."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eac.calibration.base import Network

ALIKE = 8
"""Sensors from which a new one borrows."""
DONORS = 2048
"""Sensors at most among which alike ones are sought."""
AT_ONCE = 1024
FIRST_ERROR = 0.3
"""Error of a forecast in standard deviations of the readings, before anything is known."""


class NodeMemory:
    """Arrays by sensor; those of the current network come first, in its order.

    Args:
        sizes: Shape of each array without its last axis, by name.

    Attributes:
        node_ids: Every sensor ever seen.
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
        self.arrays = {name: torch.zeros(*size, 0) for name, size in self._sizes.items()}

    def __getitem__(self, name: str) -> Float[Tensor, "*shape node"]:
        return self.arrays[name]

    def known(self) -> Network:
        """Every sensor ever seen, and what its readings are like."""
        positive = self["positive"] > 0
        return Network(self.node_ids, self["level"], self["spread"], positive)

    def begin(self, network: Network) -> None:
        """Brings the sensors of a network to the front; new ones borrow from alike ones."""
        row = {node: i for i, node in enumerate(self.node_ids)}
        fresh = [i for i, node in enumerate(network.node_ids) if node not in row]
        if fresh:
            self._grow(network, torch.tensor(fresh))
        wanted, all_ids = set(network.node_ids), self.node_ids
        row = {node: i for i, node in enumerate(all_ids)}
        rest = [node for node in all_ids if node not in wanted]
        order = torch.tensor([row[node] for node in (*network.node_ids, *rest)], dtype=torch.long)
        if not torch.equal(order, torch.arange(len(order))):
            self.arrays = {name: array[..., order] for name, array in self.arrays.items()}
        self.node_ids = (*network.node_ids, *rest)
        current = len(network.node_ids)
        self["level"][:current] = _magnitude(network)
        self["spread"][:current] = network.spread
        self["positive"][:current] = network.positive.float()
        self["age"][:current] += 1

    def _grow(self, network: Network, rows: Int[Tensor, " fresh"]) -> None:
        count = len(rows)
        level, spread = _magnitude(network)[rows], network.spread[rows]
        given = {name: torch.zeros(*size, count) for name, size in self._sizes.items()}
        given["error"] = (FIRST_ERROR * spread).log()
        given["recent"] = torch.ones_like(given["recent"])
        experienced = (self["count"] > 0).nonzero().flatten()
        if len(experienced):
            every = -(-len(experienced) // DONORS)
            given |= self._borrowed(experienced[::every], level, spread)
        given |= {"level": level, "spread": spread, "count": torch.zeros(count)}
        given["age"] = torch.zeros(count)
        self.arrays = {
            name: torch.cat([array, given[name]], dim=-1) for name, array in self.arrays.items()
        }
        self.node_ids = (*self.node_ids, *(network.node_ids[row] for row in rows.tolist()))

    def _borrowed(
        self,
        donors: Int[Tensor, " donor"],
        level: Float[Tensor, " fresh"],
        spread: Float[Tensor, " fresh"],
    ) -> dict[str, Tensor]:
        """Means over the sensors most alike in level and spread; errors relative to the spread."""
        known = _likeness(self["level"][donors], self["spread"][donors])
        wanted = _likeness(level, spread)
        near = torch.cat(
            [
                torch.cdist(part, known).topk(min(ALIKE, len(donors)), largest=False).indices
                for part in wanted.split(AT_ONCE)
            ]
        )
        near = donors[near]
        means = {name: array[..., near].mean(-1) for name, array in self.arrays.items()}
        relative = self["error"] - self["spread"].log()
        return means | {"error": relative[near].mean(-1) + spread.log()}


def _magnitude(network: Network) -> Float[Tensor, " node"]:
    return torch.maximum(network.level.abs(), 0.1 * network.spread)


def _likeness(
    level: Float[Tensor, " node"], spread: Float[Tensor, " node"]
) -> Float[Tensor, "node 2"]:
    return torch.stack([level.log(), spread.log()], dim=1)
