"""What the loop over periods carries from one to the next."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass

from lightning.pytorch import LightningModule

from eac.data.batches.datamodule import PeriodData
from eac.data.batches.needs import Needs
from eac.data.batches.view import PeriodView
from eac.data.core.blocks import drop_pages
from eac.data.core.period import NodeChange


def let_go(model: LightningModule) -> None:
    """Drops the Trainer of a period that is done, and with it the series that it holds."""
    model.trainer = None
    gc.collect()


def all_ids(data: PeriodData) -> tuple[str, ...]:
    """Sensors of a period; of the whole one where a process holds a share of it.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> len(all_ids(PeriodData(SyntheticStream(num_nodes=4, num_periods=1))))
        4
    """
    return data.period.node_ids if data.share is None else data.share.node_ids


@dataclass(frozen=True, eq=False)
class Memory:
    """The last period and the nodes so far.

    Attributes:
        previous: The last period.
        node_ids: Its nodes that were learned on; data that changed since may have others.
        seen: Every node that was ever learned on.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=4, num_periods=1, steps_per_period=300))
        >>> nothing = Memory()
        >>> after = nothing.after(data, data.period.node_ids)
        >>> len(nothing.change(data).new), len(after.change(data).kept)
        (4, 4)
    """

    previous: PeriodData | None = None
    node_ids: tuple[str, ...] = ()
    seen: frozenset[str] = frozenset()

    def view(self, needs: Needs) -> PeriodView | None:
        """The last period as a backbone takes it, made ready only if it is looked at."""
        last = self.previous
        return last and PeriodView(last.period, lambda: last.prepared(needs).full, last.split)

    def change(self, data: PeriodData) -> NodeChange:
        """How the nodes of a period relate to those so far."""
        return NodeChange.between(all_ids(data), self.node_ids, set(self.seen))

    def after(self, data: PeriodData, trained: Sequence[str]) -> "Memory":
        """The memory once that period is done, of which these nodes were learned on."""
        drop_pages(data.period.series, data.period.by_node)
        there = set(all_ids(data))
        node_ids = tuple(node for node in trained if node in there)
        return Memory(data.at_rest(), node_ids, self.seen.union(trained))
