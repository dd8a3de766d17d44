"""What the loop over periods carries from one to the next."""

from collections.abc import Sequence
from dataclasses import dataclass

from eac.data.batches.datamodule import PeriodData
from eac.data.core.period import NodeChange


@dataclass(frozen=True, eq=False)
class Memory:
    """The last period and the nodes so far.

    Attributes:
        previous: The last period.
        node_ids: Its nodes that were learned on; data that changed since may have others.
        seen: Every node that was ever learned on.
    """

    previous: PeriodData | None = None
    node_ids: tuple[str, ...] = ()
    seen: frozenset[str] = frozenset()

    def change(self, data: PeriodData) -> NodeChange:
        """How the nodes of a period relate to those so far."""
        return NodeChange.between(data.period.node_ids, self.node_ids, set(self.seen))

    def after(self, data: PeriodData, trained: Sequence[str]) -> "Memory":
        """The memory once that period is done, of which these nodes were learned on."""
        there = set(data.period.node_ids)
        node_ids = tuple(node for node in trained if node in there)
        return Memory(data.at_rest(), node_ids, self.seen.union(trained))
