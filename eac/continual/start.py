"""What a backbone sees of a period before it is trained."""

from dataclasses import replace

import torch

from eac.backbones.base import Backbone
from eac.continual.features import batches, training_starts
from eac.continual.together import Together
from eac.data.batches.batch import Batch
from eac.data.batches.view import PeriodView

FIRST_READINGS = 1 << 16
"""Targets of training windows by which a backbone chooses first values."""
LOOKED_AT = 64
"""Training windows, and nodes, by which a backbone sees what is known of its history."""


def begin_backbone(
    backbone: Backbone, view: PeriodView, together: Together, *, fresh: bool
) -> None:
    """Shows a backbone what training windows know of its history, and lets it choose first values.

    Args:
        backbone: About to be trained.
        view: The period, or the share that this process has of it.
        together: What processes that divide the sensors tell each other.
        fresh: Whether nothing was learned yet; only then first values are chosen.

    Example:
        >>> from eac.backbones.seasonal import SeasonalMLP
        >>> from eac.continual.together import ALONE
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> sizes = dict(num_nodes=3, num_periods=1, steps_per_period=300, steps_per_day=24)
        >>> data = PeriodData(SyntheticStream(**sizes))
        >>> backbone = SeasonalMLP(lags=["1d", "1w"])
        >>> begin_backbone(backbone, data.prepared(backbone.needs).view, ALONE, fresh=True)
        >>> backbone.lag_learned
        tensor([ True, False])
    """
    if backbone.needs.lags:
        seen = some_windows(view)
        backbone.look_back(replace(seen, summed=together.summed), fresh=fresh)
    if fresh:
        batch = first_windows(view, backbone, readings=FIRST_READINGS // together.processes)
        backbone.start_from(replace(batch, summed=together.summed))


def first_windows(view: PeriodView, backbone: Backbone, *, readings: int = FIRST_READINGS) -> Batch:
    """Training windows spread evenly over the part, as many as hold about so many targets.

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> backbone = STGNN()
        >>> batch = first_windows(data.prepared(backbone.needs).view, backbone, readings=180)
        >>> tuple(batch.y.shape)
        (5, 3, 12)
    """
    starts = training_starts(view)
    wanted = max(1, readings // (view.period.num_nodes * view.tensors.horizon))
    starts = starts[:: -(-len(starts) // wanted)]
    return next(batches(view, backbone, starts, size=len(starts)))


def some_windows(view: PeriodView) -> Batch:
    """Some training windows, spread evenly over the part, each of the same few nodes.

    Example:
        >>> from eac.backbones.seasonal import SeasonalMLP
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> batch = some_windows(data.prepared(SeasonalMLP().needs).view)
        >>> tuple(batch.inputs.history.shape)  # batch, node, lag, window and horizon
        (53, 3, 3, 24)
    """
    starts, count = training_starts(view), view.period.num_nodes
    starts = starts[:: -(-len(starts) // LOOKED_AT)]
    nodes = torch.arange(count)[:: -(-count // LOOKED_AT)]
    return view.tensors.batch(starts, nodes=nodes)
