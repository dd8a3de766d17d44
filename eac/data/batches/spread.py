"""Which nodes each window of a measurement is measured on, where all of them would be too many."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eac.typing import NodeIndex

NODE_WINDOWS = 1 << 18
"""Windows x nodes of a measurement, at most, as of 512 windows of 512 nodes each."""
AT_ONCE = 1 << 13
"""Windows x nodes in a batch of a measurement on some of the nodes."""
GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it, less whole numbers, fill the unit interval as evenly as any (Weyl, 1916)."""


@dataclass(frozen=True, eq=False)
class Spread:
    """Some nodes of each window, evenly spread over nodes and time; the same at each call.

    A window takes every n-th node, and the next window begins a golden share of n further on.

    Attributes:
        starts: First steps of the windows, in order of time.
        nodes: Positions of the nodes to choose from.
        per_window: How many of them each window takes.

    Example:
        >>> spread = Spread(torch.arange(3), torch.arange(4), per_window=2)
        >>> spread.at(torch.tensor([0, 1, 2])).tolist()
        [[0, 2], [1, 3], [0, 2]]
    """

    starts: Int[Tensor, " window"]
    nodes: NodeIndex
    per_window: int

    def at(self, starts: Int[Tensor, " batch"]) -> Int[Tensor, "batch chosen"]:
        """Positions of the nodes of each window that begins at ``starts``."""
        number = torch.searchsorted(self.starts, starts.to(self.starts.device).contiguous())
        moved = (number.double() * GOLDEN % 1)[:, None]
        place = (torch.arange(self.per_window) + moved) * (len(self.nodes) / self.per_window)
        return self.nodes[place.long().clamp_max(len(self.nodes) - 1)].to(starts.device)

    @property
    def at_once(self) -> int:
        """Windows of a batch, so that what is computed of it stays in the cache."""
        return max(1, AT_ONCE // self.per_window)

    @property
    def share(self) -> float:
        """Share of the nodes that a window takes."""
        return self.per_window / len(self.nodes)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Some nodes of each window, drawn anew at each call.

    Attributes:
        num_nodes: Nodes to draw from.
        per_window: How many each window takes.
        generator: What draws them.

    Example:
        >>> drawn = Drawn(num_nodes=10, per_window=2, generator=torch.Generator().manual_seed(0))
        >>> drawn.at(torch.arange(4)).shape
        torch.Size([4, 2])
    """

    num_nodes: int
    per_window: int
    generator: torch.Generator

    def at(self, starts: Int[Tensor, " batch"]) -> Int[Tensor, "batch chosen"]:
        """Positions of the nodes of each window that begins at ``starts``."""
        shape = len(starts), self.per_window
        return torch.randint(self.num_nodes, shape, generator=self.generator)


def spread(
    starts: Int[Tensor, " window"],
    num_nodes: int,
    nodes: NodeIndex | None = None,
    *,
    most: int | None = None,
    processes: int = 1,
) -> Spread | None:
    """The nodes of each window of a measurement; None where all windows and nodes are few enough.

    Args:
        starts: First steps of the windows, in order of time.
        num_nodes: Nodes that a window of all would hold.
        nodes: Positions of those that are asked about; None means all.
        most: Windows x nodes at most, where that is below ``NODE_WINDOWS``.
        processes: How many divide the nodes, and measure so many windows x nodes together.

    Example:
        >>> spread(torch.arange(512), 512) is None
        True
        >>> spread(torch.arange(512), 100_000).per_window
        512
    """
    most = min(NODE_WINDOWS, most or NODE_WINDOWS) // processes
    if len(starts) * num_nodes <= most:
        return None
    nodes = torch.arange(num_nodes) if nodes is None else nodes.cpu()
    return Spread(starts.cpu().contiguous(), nodes, min(max(1, most // len(starts)), len(nodes)))


def node_errors(
    y_hat: Float[Tensor, "window chosen horizon"],
    y: Float[Tensor, "window chosen horizon"],
    mask: Bool[Tensor, "window chosen horizon"],
) -> Float[Tensor, "window chosen"]:
    """MAE of each node in each window; NaN where nothing was observed.

    Example:
        >>> y, mask = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[True, False]]])
        >>> node_errors(torch.tensor([[[4.0, 9.0]]]), y, mask)
        tensor([[3.]])
    """
    return ((y_hat - y).abs() * mask).sum(-1) / mask.sum(-1)


def standard_error(errors: Float[Tensor, "window chosen"], share: float) -> Float[Tensor, ""]:
    """By how much the mean of these errors may be off because some nodes were left out.

    One standard error of a stratified sample: each window is a stratum, of whose nodes this share
    was measured (Cochran, "Sampling Techniques", 1977, chapter 5).
    A node without a reading counts as the mean of its window. NaN where windows hold one node.

    Example:
        >>> errors = torch.tensor([[1.0, 3.0], [2.0, 4.0]])  # two windows of variance 2
        >>> standard_error(errors, share=0.5)  # (0.5 * (2 + 2) / 2) ** 0.5 / 2
        tensor(0.5000)
    """
    windows, chosen = errors.shape
    errors = torch.where(errors.isnan(), errors.nanmean(1, keepdim=True), errors)
    return ((1 - share) * errors.var(1).sum() / chosen).sqrt() / windows
