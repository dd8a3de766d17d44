"""What one batch holds: the inputs of a backbone, and the targets of the loss."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from jaxtyping import Bool, Float, Int
from torch import Tensor

from eac.data.core.graph import Graph
from eac.data.series.clock import Clock
from eac.data.series.scaling import Scaler

WHOLE = 1 << 16
"""Windows x nodes of a batch that is not cut into parts, as of 64 windows of 1,024 nodes."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a backbone sees of a batch.

    Attributes:
        x: Scaled readings of the window, 0 where missing.
        neighbour_x: The graph applied to ``x``, when it was computed once for the whole series.
        prompt: One vector per node, for every window: added to ``x``, in scaled units, or of the
            width and meaning that the backbone gives it.
        nodes: Row in the period of each node of the batch, or of each node of each window; None
            means all, in order.
        observed: True where a reading of the window is present.
        clock: Slot of day and day of week of the window's and the forecast's steps.
        history: Scaled readings at the window's and the forecast's steps, each lag before them,
            0 where unknown.
        history_observed: True where a reading of ``history`` is known.
        neighbour_history: The graph applied to ``history``, where it is to ``x``.
        network: Mean of all sensors of the period at the steps of the window, scaled and filled.
        extras: What is known ahead of the window's and the forecast's steps, by name: scaled
            ``covariates``, and what else the backbone asks for.

    Example:
        >>> import torch
        >>> inputs = Inputs(torch.zeros(2, 3, 12)).with_prompt(torch.ones(3, 12))
        >>> inputs.prompted.sum()
        tensor(72.)
    """

    x: Float[Tensor, "batch node window"]
    neighbour_x: Float[Tensor, "batch node window"] | None = None
    prompt: Float[Tensor, "*batch node width"] | None = None
    nodes: Int[Tensor, "*batch node"] | None = None
    observed: Bool[Tensor, "batch node window"] | None = None
    clock: Clock | None = None
    history: Float[Tensor, "batch node lag span"] | None = None
    history_observed: Bool[Tensor, "batch node lag span"] | None = None
    neighbour_history: Float[Tensor, "batch node lag span"] | None = None
    network: Float[Tensor, "batch node window"] | None = None
    extras: Mapping[str, Float[Tensor, "batch node channel span"]] = field(default_factory=dict)

    @property
    def prompted(self) -> Float[Tensor, "batch node window"]:
        """``x`` with the prompt added."""
        return self.x if self.prompt is None else self.x + self.prompt

    def prompt_or_zeros(self, width: int) -> Float[Tensor, "*batch node width"]:
        """The prompt, or zeros of this width where there is none."""
        return self.x.new_zeros(self.x.shape[1], width) if self.prompt is None else self.prompt

    def with_prompt(self, prompt: Float[Tensor, "*batch node width"]) -> "Inputs":
        """The same inputs with ``prompt`` added to whatever prompt there was."""
        return replace(self, prompt=prompt if self.prompt is None else self.prompt + prompt)


def _alone(values: Tensor) -> Tensor:
    return values


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows with their targets, and the graph and scaling they live on.

    Attributes:
        gathered: Inputs of the backbone, or what gathers them when they are asked for.
        y: Raw targets, 0 where missing.
        mask: True where a target was observed.
        graph: Graph among the nodes of the batch.
        scaler: Turns forecasts of the backbone into raw units.
        starts: Step of the period at which each window begins.
        loss_nodes: Positions of the nodes that the loss counts; None means all.
        complete: True when every target is known to be observed, and the mask can be skipped.
        some: Gathers the same windows of some of the nodes; None where all must be forecast at
            once.
        summed: Adds up, over processes that divide the nodes, what was counted of the batch.
        last: Gathers so many raw readings at the end of each window, NaN where there is none.

    Example:
        >>> import torch
        >>> y, mask = torch.ones(2, 3, 6), torch.ones(2, 3, 6, dtype=torch.bool)
        >>> inputs, starts = Inputs(torch.zeros(2, 3, 12)), torch.tensor([0, 1])
        >>> batch = Batch(inputs, y, mask, Graph.empty(3), Scaler.identity(3), starts)
        >>> batch.y.shape, batch.complete
        (torch.Size([2, 3, 6]), False)
    """

    gathered: Inputs | Callable[[], Inputs]
    y: Float[Tensor, "batch node horizon"]
    mask: Bool[Tensor, "batch node horizon"]
    graph: Graph
    scaler: Scaler
    starts: Int[Tensor, " batch"]
    loss_nodes: Int[Tensor, " chosen"] | None = None
    complete: bool = False
    some: "Callable[[slice], Batch] | None" = None
    summed: Callable[[Tensor], Tensor] = _alone
    last: "Callable[[int], Float[Tensor, 'batch node some']] | None" = None

    @cached_property
    def inputs(self) -> Inputs:
        """Inputs of the backbone."""
        return self.gathered if isinstance(self.gathered, Inputs) else self.gathered()

    def counted(self, null_value: float | None) -> Bool[Tensor, "batch node horizon"]:
        """Targets that were observed and are not the null value.

        Example:
            >>> import torch
            >>> y, mask = torch.tensor([[[4.0, 0.0, 0.0]]]), torch.tensor([[[True, True, False]]])
            >>> inputs, starts = Inputs(torch.zeros(1, 1, 12)), torch.tensor([0])
            >>> batch = Batch(inputs, y, mask, Graph.empty(1), Scaler.identity(1), starts)
            >>> batch.counted(None).sum(), batch.counted(0.0).sum()
            (tensor(2), tensor(1))
        """
        return self.mask if null_value is None else self.mask & (self.y != null_value)

    @property
    def nodes(self) -> Int[Tensor, "*batch node"] | None:
        """Row in the period of each node, as ``Inputs`` has them; all where they may be cut."""
        return None if self.some is not None else self.inputs.nodes

    def parts(self, most: int) -> "Sequence[Callable[[], Batch]]":
        """What gathers some nodes at a time, ``most`` windows x nodes in each; or itself.

        A batch of up to ``WHOLE`` windows x nodes stays whole, whatever ``most`` is.
        """
        windows, count = self.y.shape[:2]
        if self.some is None or windows * count <= WHOLE:
            return [lambda: self]
        size = max(1, most // windows)
        firsts = range(0, count, size)
        return [partial(self.some, slice(first, first + size)) for first in firsts]

    def targets_of(self, windows: slice) -> "Batch":
        """The same with the targets of some of its windows alone."""
        starts = self.starts[windows]
        return replace(self, y=self.y[windows], mask=self.mask[windows], starts=starts, last=None)
