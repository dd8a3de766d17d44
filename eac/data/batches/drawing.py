"""What is drawn anew for each training batch."""

import torch
from jaxtyping import Int
from torch import Tensor

from eac.data.batches.batch import Batch
from eac.data.batches.reservoir import Rehearsal
from eac.data.batches.tensors import PeriodTensors


def training_batch(
    tensors: PeriodTensors,
    starts: Int[Tensor, " batch"],
    *,
    disguise: float,
    nodes_per_window: int | None,
    past: Rehearsal | None,
) -> Batch:
    """Windows of the period, each of nodes drawn for it, and behind them those of earlier ones.

    Args:
        tensors: The period.
        starts: First steps of the windows; negative numbers stand for windows of ``past``.
        disguise: Share of the windows of the period that are moved in the week.
        nodes_per_window: Nodes of a window; None takes all.
        past: What is rehearsed, if anything.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> tensors, starts = data.prepared(Needs()).view.tensors, torch.tensor([0, 5])
        >>> training_batch(tensors, starts, disguise=0.0, nodes_per_window=2, past=None).y.shape
        torch.Size([2, 2, 12])
    """
    own = starts if past is None else starts[starts >= 0]
    days = draw_disguises(tensors, disguise, len(own))
    if past is None or nodes_per_window is None:
        return tensors.batch(own, days, draw_nodes(tensors, nodes_per_window, len(own)))
    nodes = torch.randint(tensors.num_nodes, (len(own), nodes_per_window)).to(tensors.device)
    return past.added(tensors.batch(own, days, nodes), starts[starts < 0])


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
