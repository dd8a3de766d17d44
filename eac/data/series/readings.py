"""The readings of a period, kept once and raw; what is gathered of them is scaled on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from eac.data.core.blocks import hand_back
from eac.data.core.graph import Graph
from eac.data.core.pieces import step_pieces
from eac.data.core.windows import by_node, is_by_node
from eac.data.series.mapped import WRITTEN_AT_ONCE, MappedSeries, read, working_series
from eac.data.series.scaling import Scaler
from eac.typing import NodeIndex, NodeSeries, SeriesMask

TWICE = 1 << 24
"""Readings of a series that may be held in two layouts, by step and by node (64 MiB)."""
CARRIED_AT_ONCE = 1 << 20
"""Readings whose gaps are filled at once."""


@dataclass(frozen=True, eq=False)
class PartScaling:
    """Which mean and scale each step is scaled with; parts follow each other in time.

    Attributes:
        mean: In raw units; one column where all nodes share one.
        scale: In raw units, positive.
        cuts: First step of each part but the first.

    Example:
        >>> scalers = [Scaler(torch.tensor([0.0]), torch.tensor([s])) for s in (1.0, 2.0)]
        >>> scaling = PartScaling.of(scalers, cuts=[2], shared=False)
        >>> scaling.apply_(torch.ones(1, 1, 3), torch.tensor([[0, 1, 2]]), None)
        tensor([[[1.0000, 1.0000, 0.5000]]])
    """

    mean: Float[Tensor, "part column"]
    scale: Float[Tensor, "part column"]
    cuts: Int[Tensor, " cut"]

    @staticmethod
    def of(scalers: Sequence[Scaler], cuts: Sequence[int] = (), *, shared: bool) -> "PartScaling":
        """One scaler for each part; ``shared`` where each is the same for all nodes."""
        columns = slice(1 if shared else None)
        mean = torch.stack([scaler.mean[columns] for scaler in scalers])
        scale = torch.stack([scaler.scale[columns] for scaler in scalers])
        return PartScaling(mean, scale, torch.tensor(cuts, dtype=torch.long))

    def apply_(
        self,
        values: Float[Tensor, "batch chosen span"],
        steps: Int[Tensor, "batch span"],
        nodes: Int[Tensor, "*batch chosen"] | None,
    ) -> Float[Tensor, "batch chosen span"]:
        """Scales what was read at ``steps``, in place."""
        column = self._columns(nodes)[..., None]
        part = torch.bucketize(steps, self.cuts, right=True)[:, None] if len(self.cuts) else 0
        return values.sub_(self.mean[part, column]).div_(self.scale[part, column])

    def later(self, steps: int) -> "PartScaling":
        """The same for a series that begins so many steps earlier; these join the first part."""
        return replace(self, cuts=self.cuts + steps)

    def subset(self, nodes: NodeIndex) -> "PartScaling":
        """The same for some of the nodes."""
        if self.mean.shape[1] == 1:
            return self
        return PartScaling(self.mean[:, nodes], self.scale[:, nodes], self.cuts)

    def to(self, device: torch.device) -> "PartScaling":
        """The same on another device."""
        return PartScaling(self.mean.to(device), self.scale.to(device), self.cuts.to(device))

    def _columns(self, nodes: Int[Tensor, "*batch chosen"] | None) -> Int[Tensor, "*some column"]:
        count = self.mean.shape[1]
        if count == 1 or nodes is None:
            return torch.arange(count, device=self.mean.device)
        return nodes


@dataclass(frozen=True, eq=False)
class Readings:
    """One raw series, NaN where missing, and how it is scaled; counted from its first step.

    Attributes:
        raw: Raw readings, in memory or mapped.
        scaling: Of the inputs.
        filled: The scaled series with its gaps filled, where these are not filled with 0; of a
            mapped series in a file too.
        complete: True when no reading is missing.

    Example:
        >>> two = torch.tensor([2.0])
        >>> scaling = PartScaling.of([Scaler(mean=two, scale=two)], shared=False)
        >>> readings = Readings(torch.tensor([[2.0], [4.0], [torch.nan]]), scaling)
        >>> readings.inputs(torch.tensor([0]), 3)
        (tensor([[[0., 1., 0.]]]), tensor([[[ True,  True, False]]]))
    """

    raw: NodeSeries | MappedSeries
    scaling: PartScaling
    filled: NodeSeries | MappedSeries | None = None
    complete: bool = False

    @property
    def num_nodes(self) -> int:
        """Nodes held."""
        return self.raw.shape[1]

    @property
    def mapped(self) -> bool:
        """True when the readings are a file mapped into memory."""
        return isinstance(self.raw, MappedSeries)

    def inputs(
        self,
        at: Int[Tensor, " batch"],
        length: int,
        nodes: Int[Tensor, "*batch chosen"] | None = None,
    ) -> tuple[Float[Tensor, "batch chosen {length}"], Bool[Tensor, "batch chosen {length}"]]:
        """Scaled readings, filled where missing, and where they are present."""
        values = self._gather(at, length, nodes)
        present = self._present(values)
        if self.filled is not None:
            return read(self.filled, at, length, nodes), present
        steps = at[:, None] + torch.arange(length, device=at.device)
        return self._zero(self.scaling.apply_(values, steps, nodes)), present

    def targets(
        self,
        at: Int[Tensor, " batch"],
        length: int,
        nodes: Int[Tensor, "*batch chosen"] | None = None,
    ) -> tuple[Float[Tensor, "batch chosen {length}"], Bool[Tensor, "batch chosen {length}"]]:
        """Raw readings, 0 where missing, and where they are present."""
        values = self._gather(at, length, nodes)
        present = self._present(values)
        return self._zero(values), present

    def ending(
        self,
        stop: Int[Tensor, " batch"],
        most: int,
        nodes: Int[Tensor, "*batch chosen"] | None = None,
    ) -> Callable[[int], Float[Tensor, "batch chosen some"]]:
        """Gathers so many raw readings before ``stop``, ``most`` at most, NaN where missing."""
        return lambda count: self._gather(stop - min(count, most), min(count, most), nodes)

    def scaled(self, steps: range) -> NodeSeries:
        """Scaled readings of these steps, filled where missing; a new tensor."""
        return self.inputs(self._at(steps), len(steps))[0][0].T

    def observed(self, steps: range) -> SeriesMask:
        """True where a reading of these steps is present."""
        return ~self._gather(self._at(steps), len(steps))[0].T.isnan()

    def through(
        self, apply: Callable[[NodeSeries, Graph], NodeSeries | None], graph: Graph
    ) -> NodeSeries | MappedSeries | None:
        """What ``apply`` makes of the scaled series, step by step; None where it makes nothing."""
        out, elements = None, None
        if self.mapped:
            hand_back()
            elements = WRITTEN_AT_ONCE
        for steps in step_pieces(*self.raw.shape, elements=elements):
            part = apply(self.scaled(steps), graph)
            if part is None:
                return None
            out = self._like(part) if out is None else out
            out[steps.start : steps.stop] = part
        return None if out is None else self._kept(out)

    def _like(self, part: Float[Tensor, "some chosen"]) -> NodeSeries:
        """Room for a series of the same shape, laid out in the same way."""
        steps, nodes = self.raw.shape
        if self.mapped:
            return working_series(steps, nodes)
        by_node = isinstance(self.raw, Tensor) and is_by_node(self.raw) and steps * nodes > TWICE
        return part.new_empty(nodes, steps).T if by_node else part.new_empty(steps, nodes)

    def _kept(self, series: NodeSeries) -> NodeSeries | MappedSeries:
        return MappedSeries(series) if self.mapped else series

    def carrying(self, share: float) -> "Readings":
        """The same with gaps filled by the last reading (see ``carried``); 0 fills them with 0."""
        if not share:
            return self
        steps, filled = range(self.raw.shape[0]), None
        if torch.compiler.is_compiling():  # a program that is traced takes any number of nodes
            every = carried(self.scaled(steps), self.observed(steps), share)
            return replace(self, filled=self._kept(every))
        for nodes in torch.arange(self.num_nodes).split(max(1, CARRIED_AT_ONCE // len(steps))):
            some = self.subset(nodes)
            part = carried(some.scaled(steps), some.observed(steps), share)
            filled = self._like(part) if filled is None else filled
            filled[:, int(nodes[0]) : int(nodes[-1]) + 1] = part
        return self if filled is None else replace(self, filled=self._kept(filled))

    def by_node(self) -> "Readings":
        """The same, laid out for windows of single nodes."""
        raw = self.raw if isinstance(self.raw, MappedSeries) else by_node(self.raw)
        filled = by_node(self.filled) if isinstance(self.filled, Tensor) else self.filled
        return replace(self, raw=raw, filled=filled)

    def subset(self, nodes: NodeIndex) -> "Readings":
        """The readings of some of the nodes."""
        filled = None if self.filled is None else _columns(self.filled, nodes)
        raw = _columns(self.raw, nodes)
        return replace(self, raw=raw, scaling=self.scaling.subset(nodes), filled=filled)

    def to(self, device: torch.device) -> "Readings":
        """The same on another device; a mapped series stays where it is."""
        filled = self.filled.to(device) if isinstance(self.filled, Tensor) else self.filled
        raw = self.raw if isinstance(self.raw, MappedSeries) else self.raw.to(device)
        return replace(self, raw=raw, scaling=self.scaling.to(device), filled=filled)

    def _gather(
        self,
        at: Int[Tensor, " batch"],
        length: int,
        nodes: Int[Tensor, "*batch chosen"] | None = None,
    ) -> Float[Tensor, "batch chosen {length}"]:
        """Raw readings, a new tensor."""
        return read(self.raw, at, length, nodes)

    def _at(self, steps: range) -> Int[Tensor, " one"]:
        return torch.tensor([steps.start], device=self.scaling.mean.device)

    def _present(
        self, values: Float[Tensor, "batch chosen span"]
    ) -> Bool[Tensor, "batch chosen span"]:
        if self.complete:
            return torch.ones((), dtype=torch.bool, device=values.device).expand(values.shape)
        return values.isnan().logical_not_()

    def _zero(
        self, values: Float[Tensor, "batch chosen span"]
    ) -> Float[Tensor, "batch chosen span"]:
        return values if self.complete else values.nan_to_num_(0.0)


def _columns(
    series: NodeSeries | MappedSeries, nodes: NodeIndex
) -> Float[Tensor, "time chosen"] | MappedSeries:
    return series.subset(nodes) if isinstance(series, MappedSeries) else series[:, nodes]


def carried(x: NodeSeries, observed: SeriesMask, share: float) -> NodeSeries:
    """Fills gaps with the last reading, shrunk by ``share`` with each step since; 0 before it.

    Example:
        >>> x = torch.tensor([[torch.nan], [8.0], [torch.nan], [torch.nan]])
        >>> carried(x, ~x.isnan(), 0.5).flatten().tolist()
        [0.0, 8.0, 4.0, 2.0]
    """
    x = x.nan_to_num(0.0)
    step = torch.arange(len(x), device=x.device)[:, None]
    last = _running_maximum(torch.where(observed, step, 0))
    return x.gather(0, last) * share ** (step - last)


def _running_maximum(step: Int[Tensor, "time node"]) -> Int[Tensor, "time node"]:
    """The largest value so far; a program that is traced has no operator for it."""
    if not torch.compiler.is_compiling():
        return step.cummax(0).values
    reach = 1
    while reach < len(step):
        earlier = nn.functional.pad(step[:-reach], (0, 0, reach, 0))
        step, reach = torch.maximum(step, earlier), 2 * reach
    return step
