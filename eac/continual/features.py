"""What a model makes of the training part of a period, a chunk of windows at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.data.batches.batch import Batch
from eac.data.batches.spread import Drawn, Spread
from eac.data.batches.view import PeriodView
from eac.data.core.blocks import drop_pages
from eac.data.core.pieces import step_pieces
from eac.data.core.windows import window_starts
from eac.typing import NodeIndex

NODES_READ = 1 << 11
"""Nodes whose readings are copied at once from a series that may be a file."""
CHUNK = 64
"""Windows computed at once."""


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Switches dropout and the like off inside the block, and back as they were.

    Example:
        >>> layer = nn.Dropout()
        >>> with evaluating(layer):
        ...     print(layer.training)
        False
        >>> layer.training
        True
    """
    modes = [(part, part.training) for module in modules for part in module.modules()]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def training_starts(view: PeriodView) -> Int[Tensor, " window"]:
    """First steps of all windows of the training part.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> from eac.data.batches.needs import Needs
        >>> training_starts(data.prepared(Needs()).view)[:3]
        tensor([0, 1, 2])
    """
    window, horizon = view.tensors.window, view.tensors.horizon
    name = view.period.name
    return window_starts(view.split.train, window, horizon, period=name, part="train")


def first_week_starts(view: PeriodView) -> Int[Tensor, " window"]:
    """Windows that lie in the first week of the training part; at least one.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> view = data.prepared(Needs()).view
        >>> torch.equal(first_week_starts(view), training_starts(view))  # less than a week here
        True
    """
    starts, tensors = training_starts(view), view.tensors
    within = view.period.calendar.steps_per_week - tensors.window - tensors.horizon + 1
    return starts[: max(1, within)]


def last_week_starts(view: PeriodView) -> Int[Tensor, " window"]:
    """Windows of the last week of the training part that follow each other without overlap.

    The last one ends a horizon before the training part does, so that its targets are inside.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> from eac.data.batches.needs import Needs
        >>> last_week_starts(data.prepared(Needs()).view).diff().unique()
        tensor([12])
    """
    starts = training_starts(view)
    window = view.tensors.window
    wanted = max(1, view.period.calendar.steps_per_week // window)
    return starts.flip(0)[::window][:wanted].flip(0)


def batches(
    view: PeriodView,
    backbone: Backbone,
    starts: Int[Tensor, " window"],
    *,
    size: int = CHUNK,
    some: Spread | Drawn | None = None,
) -> Iterator[Batch]:
    """The windows at ``starts`` in order of time, on the device of the backbone.

    With ``some`` each window holds the nodes that this gives it alone.

    The graph is applied to the whole series here where it was not before.

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> backbone = STGNN()
        >>> view = data.prepared(backbone.needs).view
        >>> [len(batch.y) for batch in batches(view, backbone, torch.arange(5), size=3)]
        [3, 2]
    """
    device = _device(backbone)
    tensors = view.tensors.to(device)
    if tensors.neighbour_x is None:
        tensors = tensors.with_neighbours(backbone.needs.neighbours)
    for chunk in starts.split(size):
        yield tensors.batch(
            chunk.to(device), nodes=None if some is None else some.at(chunk).to(device)
        )


@torch.no_grad()
def last_week_features(
    view: PeriodView, backbone: Backbone
) -> tuple[Float[Tensor, "sample node hidden"], Bool[Tensor, "sample node"]]:
    """Features of the last week of training, and in which windows a node was read at all.

    Features as wide as the window have the readings added, which is where the residual of the
    published backbone adds them.

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> backbone = STGNN(hidden=16)
        >>> with torch.no_grad():
        ...     features, present = last_week_features(data.prepared(backbone.needs).view, backbone)
        >>> features.shape[1:], present.all()
        (torch.Size([3, 12]), tensor(True))
    """
    starts, tensors = last_week_starts(view), view.tensors
    chunks, present = [], []
    for batch in batches(view, backbone, starts):
        features = backbone.encode(batch.inputs, batch.graph)
        if features.shape[-1] == batch.inputs.x.shape[-1]:
            features = features + batch.inputs.x
        chunks.append(features.cpu())
        present.append(tensors.windows(batch.starts.to(tensors.device))[1].any(-1).cpu())
    return torch.cat(chunks), torch.cat(present)


def last_week_readings(
    view: PeriodView, nodes: NodeIndex | None = None
) -> Float[Tensor, "step node"]:
    """Raw readings of the last week of the training part, NaN where missing.

    Args:
        view: The period.
        nodes: Rows of some of its nodes, whose readings are copied; None: all.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> from eac.data.batches.needs import Needs
        >>> last_week_readings(data.prepared(Needs()).view).shape  # less than a week here
        torch.Size([180, 3])
    """
    steps = view.split.train
    first = max(steps.start, steps.stop - view.period.calendar.steps_per_week)
    week = view.period.series[first : steps.stop]
    if nodes is None:
        return week
    read = []
    for some in nodes.split(NODES_READ):
        read.append(week[:, some])
        drop_pages(view.period.series)
    return torch.cat(read, 1)


def mean_day(view: PeriodView) -> Float[Tensor, "node slot"]:
    """Mean scaled reading of each slot of the day in the training part.

    A slot without readings takes the mean of the node; a node without any is NaN throughout.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> mean_day(data.prepared(Needs()).view).shape == (3, data.period.calendar.steps_per_day)
        True
    """
    steps, calendar = view.split.train, view.period.calendar
    count = torch.zeros(calendar.steps_per_day, view.period.num_nodes)
    total = torch.zeros_like(count)
    for part in step_pieces(len(steps), view.period.num_nodes):
        some = steps[part.start : part.stop]
        readings = view.tensors.scaled(some).cpu()
        observed = view.tensors.observed(some).cpu().to(readings.dtype)
        slot = calendar.slot_of_day(torch.arange(some.start, some.stop))
        count.index_add_(0, slot, observed)
        total.index_add_(0, slot, readings * observed)
    mean = total.sum(0) / count.sum(0)
    return torch.where(count > 0, total / count.clamp_min(1), mean).T


def _device(backbone: Backbone) -> torch.device:
    for parameter in backbone.parameters():
        return parameter.device
    return torch.device("cpu")
