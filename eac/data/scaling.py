"""Scaling of readings to zero mean and unit deviation, and back."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eac.typing import NodeIndex, NodeSeries


@dataclass(frozen=True, eq=False)
class Scaler:
    """An affine map per node: ``scaled = (raw - mean) / scale``.

    Attributes:
        mean: In raw units, one value per node.
        scale: In raw units, positive, one value per node.
    """

    mean: Float[Tensor, " node"]
    scale: Float[Tensor, " node"]

    @staticmethod
    def identity(num_nodes: int) -> "Scaler":
        """The map that changes nothing."""
        return Scaler(torch.zeros(num_nodes), torch.ones(num_nodes))

    def transform(self, series: NodeSeries) -> NodeSeries:
        """Raw to scaled units; missing readings stay NaN."""
        return (series - self.mean) / self.scale

    def inverse(
        self, forecast: Float[Tensor, "batch node horizon"]
    ) -> Float[Tensor, "batch node horizon"]:
        """Scaled to raw units."""
        return torch.addcmul(self.mean[:, None], forecast, self.scale[:, None])

    def scale_target(
        self, target: Float[Tensor, "batch node horizon"]
    ) -> Float[Tensor, "batch node horizon"]:
        """Raw to scaled units, for batches of targets."""
        return (target - self.mean[:, None]) / self.scale[:, None]

    def subset(self, nodes: NodeIndex) -> "Scaler":
        """The same map for some of the nodes."""
        return Scaler(self.mean[nodes], self.scale[nodes])

    def to(self, device: torch.device | str) -> "Scaler":
        """The same map on another device."""
        return Scaler(self.mean.to(device), self.scale.to(device))


def fit_scaler(
    series: NodeSeries,
    *,
    per_node: bool,
    step_weight: Float[Tensor, " time"] | None = None,
    min_readings: int = 24,
) -> Scaler:
    """Mean and standard deviation of the readings present, per node or over all nodes.

    A node with fewer than ``min_readings`` readings takes the statistics of all nodes; a scale of
    zero (a constant node) becomes 1.

    Args:
        series: Raw readings of the part to fit on, NaN where missing.
        per_node: One mean and scale per node instead of one for all.
        step_weight: How often each step counts; the published code counts a step once for each
            window that holds it. None counts every step once.
        min_readings: A day of hourly readings by default.
    """
    weight = torch.ones(len(series)) if step_weight is None else step_weight
    present = (~series.isnan()).double() * weight.double()[:, None]
    values = series.double().nan_to_num(0.0)
    count = present.sum(0)
    total = (values * present).sum(0)
    mean_all = total.sum() / count.sum().clamp_min(1)
    centred = (values - mean_all) * (present > 0)
    var_all = (centred.square() * present).sum() / count.sum().clamp_min(1)
    mean, variance = mean_all.expand_as(total), var_all.expand_as(total)
    if per_node:
        own = total / count.clamp_min(1)
        own_variance = ((values - own).square() * present).sum(0) / count.clamp_min(1)
        enough = (series.isnan().logical_not().sum(0)) >= min_readings
        mean, variance = torch.where(enough, own, mean), torch.where(enough, own_variance, variance)
    scale = variance.sqrt()
    scale = torch.where(scale > 1e-6, scale, torch.ones_like(scale))
    return Scaler(mean.float(), scale.float())
