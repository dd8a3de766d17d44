"""The training loss of a batch: which targets it counts, and how much each."""

from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from eac.data.batches.batch import Batch
from eac.data.batches.datamodule import PeriodData
from eac.metrics.horizon import cumulative_weights
from eac.metrics.losses import Loss


def weighted_loss(
    loss: Loss,
    y_hat: Float[Tensor, "*output batch node horizon"],
    batch: Batch,
    data: PeriodData,
    *,
    units: Literal["scaled", "raw"],
    steps: Literal["equal", "cumulative"],
) -> Float[Tensor, ""]:
    """The loss over the nodes of the plan.

    Args:
        loss: Of scaled forecasts and targets.
        y_hat: Scaled forecasts.
        batch: Their targets.
        data: The period, whose mean scale keeps the size of a loss in raw units.
        units: ``raw`` weighs each node's error by its scale.
        steps: ``cumulative`` weighs each step as the mean of the cumulative errors does.

    Example:
        >>> import torch
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> from eac.metrics.losses import MAE
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> batch = data.full.batch(torch.tensor([0, 5]))
        >>> y_hat = batch.scaler.scale_target(batch.y) + 1
        >>> weighted_loss(MAE(), y_hat, batch, data, units="scaled", steps="equal")
        tensor(1.)
    """
    y, mask = batch.scaler.scale_target(batch.y), _counted(batch, data)
    if units == "raw":
        weight = batch.scaler.scale[..., None] / data.full.scaler.scale.mean()
        y_hat, y = y_hat * weight, y * weight
    if steps == "cumulative":
        weight = cumulative_weights(data.horizon).to(y)
        y_hat, y = y_hat * weight, y * weight
    if batch.loss_nodes is not None:
        y_hat, y = y_hat[..., batch.loss_nodes, :], y[:, batch.loss_nodes]
        mask = None if mask is None else mask[:, batch.loss_nodes]
    return loss(y_hat, y, mask)


def _counted(batch: Batch, data: PeriodData) -> Bool[Tensor, "batch node horizon"] | None:
    """Targets that the loss counts: observed and not the null value; None means all."""
    if data.null_value is not None and data.protocol.null_excluded_from_loss:
        return batch.counted(data.null_value)
    return None if batch.complete else batch.mask
