"""What is drawn anew for each training batch."""

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from eac.data.batches.batch import Batch
from eac.data.batches.reservoir import Rehearsal
from eac.data.batches.tensors import PeriodTensors
from eac.data.series.scaling import Scaler, Scaling
from eac.errors import ConfigError
from eac.protocols.protocol import Protocol

READ = ("x", "neighbour_x", "history", "neighbour_history", "network")
"""What a batch holds of scaled readings."""
STRETCH = 0.2
"""Deviation of the logarithm by which a window at another level is stretched."""
MOVE = 0.4
"""Deviation by which it is moved, in deviations of the node.

How both were chosen stands in ``docs/practical-trials.md``.
"""


def training_batch(
    tensors: PeriodTensors,
    starts: Int[Tensor, " batch"],
    nodes_per_window: int | None = None,
    past: Rehearsal | None = None,
    *,
    disguise: float = 0.0,
    level_shift: float = 0.0,
) -> Batch:
    """Windows of the period, each of nodes drawn for it, and behind them those of earlier ones.

    Args:
        tensors: The period.
        starts: First steps of the windows; negative numbers stand for windows of ``past``.
        nodes_per_window: Nodes of a window; None takes all.
        past: What is rehearsed, if anything.
        disguise: Share of the windows of the period that are moved in the week.
        level_shift: Share of the windows, rehearsed ones included, at another level.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> tensors, starts = data.prepared(Needs()).view.tensors, torch.tensor([0, 5])
        >>> training_batch(tensors, starts, nodes_per_window=2).y.shape
        torch.Size([2, 2, 12])
    """
    own = starts if past is None else starts[starts >= 0]
    days = draw_disguises(tensors, disguise, len(own))
    if past is None or nodes_per_window is None:
        batch = tensors.batch(own, days, draw_nodes(tensors, nodes_per_window, len(own)))
    else:
        nodes = torch.randint(tensors.num_nodes, (len(own), nodes_per_window)).to(tensors.device)
        batch = past.added(tensors.batch(own, days, nodes), starts[starts < 0])
    return at_other_levels(batch, level_shift)


def at_other_levels(batch: Batch, share: float) -> Batch:
    """The batch with a share of its windows moved and stretched at random, targets included.

    All that was read of a window, its history, its neighbours and the network goes through one map
    of scaled readings, and the scaler takes it back: a forecaster learns what follows at levels
    that were never read. What is unknown stays 0; what a gap keeps of a reading moves with it.

    Args:
        batch: With scaled targets.
        share: Of the windows; 0 draws nothing.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> batch = data.prepared(Needs()).view.tensors.batch(torch.tensor([0, 5]))
        >>> moved = at_other_levels(batch, share=1.0)
        >>> read, same = (some.scaler.inverse(some.inputs.x) for some in (batch, moved))
        >>> torch.allclose(read, same, atol=1e-3)
        True
    """
    if not share:
        return batch
    count, device = len(batch.y), batch.y.device
    drawn = torch.randn(2, count, 1).to(device) * (torch.rand(count, 1) < share).to(device)
    factor, shift = (STRETCH * drawn[0]).exp(), MOVE * drawn[1]
    inputs = batch.inputs
    known = {"x": inputs.observed, "history": inputs.history_observed}  # None: everything is
    seen = {}
    for name in READ:
        if (read := getattr(inputs, name)) is not None:
            shape, there = (count, *(1,) * (read.dim() - 1)), known.get(name, False)
            other = read * factor.view(shape) + shift.view(shape)
            seen[name] = other if there is None else torch.where((read != 0) | there, other, 0.0)
    scale = batch.scaler.scale / factor
    scaler = Scaler(batch.scaler.mean - shift * scale, scale)
    return replace(batch, gathered=replace(inputs, **seen), scaler=scaler)


def check_scaled(level_shift: float, protocol: Protocol, scaling: Scaling | None) -> None:
    """Refuses windows at other levels where targets are not scaled: nothing says how far to move.

    Example:
        >>> from eac.protocols.protocol import STRICT
        >>> check_scaled(0.5, STRICT, None)
    """
    if level_shift and scaling is None and not protocol.scale_targets:
        raise ConfigError(
            f"data.level_shift={level_shift}: targets are in raw units under --protocol "
            f"{protocol.name}. Give data.scaling, such as PerNode, or leave level_shift out."
        )


def draw_nodes(
    tensors: PeriodTensors, most: int | None, num_windows: int
) -> Int[Tensor, "batch chosen"] | None:
    """Positions of as many nodes as a window may hold, drawn for each window; None means all.

    Where the loss counts some of the nodes only, all are kept.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> tensors = data.prepared(Needs()).view.tensors
        >>> draw_nodes(tensors, 2, num_windows=4).shape, draw_nodes(tensors, None, num_windows=4)
        (torch.Size([4, 2]), None)
    """
    held = tensors.num_nodes
    if most is None or most >= held or tensors.loss_nodes is not None:
        return None
    return torch.randint(held, (num_windows, most)).to(tensors.device)


def draw_disguises(
    tensors: PeriodTensors, share: float, num_windows: int
) -> Int[Tensor, " batch"] | None:
    """Days by which each window is moved in the week; 0 for most. None moves none.

    No window is moved so far that its weekly history would reach into its own forecast.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> sizes = {"num_nodes": 3, "num_periods": 1, "steps_per_period": 96, "steps_per_day": 24}
        >>> stream = SyntheticStream(**sizes)
        >>> tensors = PeriodData(stream).prepared(Needs(lags=("1w",))).full
        >>> days = draw_disguises(tensors, share=1.0, num_windows=50)
        >>> bool(((days >= 1) & (days <= 6)).all())
        True
    """
    calendar, weekly = tensors.calendar, [lag.steps for lag in tensors.lags if lag.weekly]
    if not share or not weekly:
        return None
    room = (min(weekly) - tensors.horizon) // calendar.steps_per_day
    most = min(calendar.days_per_week - 1, room)
    if most < 1:
        return None
    days = torch.randint(1, most + 1, (num_windows,)) * (torch.rand(num_windows) < share)
    return days.to(tensors.device)
