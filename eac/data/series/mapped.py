"""A series that is a file mapped into memory: only what is gathered is ever read."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eac.data.core.pieces import step_pieces
from eac.data.core.windows import gather
from eac.temporary import working_array
from eac.typing import NodeIndex, NodeSeries

WRITTEN_AT_ONCE = 1 << 21
"""Readings of some steps that are written to a working file at once (8 MiB)."""


@dataclass(frozen=True, eq=False)
class MappedSeries:
    """Some columns of a mapped series, and in memory what was read just before it.

    Attributes:
        file: The mapped series.
        before: Readings of the same columns before its first step.
        columns: Columns of ``file``; None means all.
        by_node: The same as ``file``, laid out by node, from which some columns are read; in a
            file laid out by step each of their readings would be a page of its own.

    Example:
        >>> series = MappedSeries(torch.arange(12.0).view(6, 2))
        >>> series.shape, series.gather(torch.tensor([1]), 3).tolist()
        ((6, 2), [[[2.0, 4.0, 6.0], [3.0, 5.0, 7.0]]])
    """

    file: NodeSeries
    before: Float[Tensor, "lead chosen"] | None = None
    columns: NodeIndex | None = None
    by_node: NodeSeries | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Steps and nodes."""
        lead = 0 if self.before is None else len(self.before)
        count = self.file.shape[1] if self.columns is None else len(self.columns)
        return lead + len(self.file), count

    def gather(
        self,
        at: Int[Tensor, " batch"],
        length: int,
        nodes: Int[Tensor, "*batch chosen"] | None = None,
    ) -> Float[Tensor, "batch chosen {length}"]:
        """As ``eac.data.core.windows.gather``, on the device of ``at``."""
        starts, device = at.cpu(), at.device
        nodes = None if nodes is None else nodes.cpu()
        columns = self._columns(nodes)
        file = self.file if columns is None or self.by_node is None else self.by_node
        lead = 0 if self.before is None else len(self.before)
        if self.before is None or bool((starts >= lead).all()):
            return gather(file, starts - lead, length, columns).to(device)
        steps = starts[:, None] + torch.arange(length)
        later = _pick(file, (steps - lead).clamp_min(0), columns)
        earlier = _pick(self.before, steps.clamp_max(lead - 1), nodes)
        return torch.where((steps < lead)[:, None], earlier, later).to(device)

    def subset(self, nodes: NodeIndex) -> "MappedSeries":
        """The same of some of the nodes; nothing is read."""
        before = None if self.before is None else self.before[:, nodes]
        return replace(self, before=before, columns=self._columns(nodes))

    def _columns(
        self, nodes: Int[Tensor, "*batch chosen"] | None
    ) -> Int[Tensor, "*batch chosen"] | None:
        if self.columns is None:
            return nodes
        return self.columns if nodes is None else self.columns[nodes]


def working_series(num_steps: int, num_nodes: int) -> NodeSeries:
    """Room for a series in a working file, laid out by node.

    Example:
        >>> working_series(num_steps=4, num_nodes=3).stride()
        (1, 4)
    """
    return torch.from_numpy(working_array((num_nodes, num_steps))).T


def turned(series: NodeSeries) -> NodeSeries:
    """The same in a working file, laid out by node.

    Example:
        >>> series = torch.arange(6.0).reshape(3, 2)
        >>> torch.equal(turned(series), series), turned(series).stride()
        (True, (1, 3))
    """
    room = working_series(*series.shape)
    for steps in step_pieces(*series.shape, elements=WRITTEN_AT_ONCE):
        room[steps.start : steps.stop] = series[steps.start : steps.stop]
    return room


def read(
    series: NodeSeries | MappedSeries,
    at: Int[Tensor, " batch"],
    length: int,
    nodes: Int[Tensor, "*batch chosen"] | None = None,
) -> Float[Tensor, "batch chosen {length}"]:
    """``gather`` from memory or from a file, on the device of ``at``.

    Example:
        >>> series = torch.arange(6.0)[:, None]
        >>> read(series, torch.tensor([0, 3]), 2).tolist()
        [[[0.0, 1.0]], [[3.0, 4.0]]]
    """
    if isinstance(series, MappedSeries):
        return series.gather(at, length, nodes)
    return gather(series, at, length, nodes)


def _pick(
    series: NodeSeries,
    steps: Int[Tensor, "batch span"],
    nodes: Int[Tensor, "*batch chosen"] | None,
) -> Float[Tensor, "batch chosen span"]:
    if nodes is not None:
        return series[steps[:, None], nodes[..., None]]
    return series.index_select(0, steps.flatten()).view(*steps.shape, -1).transpose(1, 2)
