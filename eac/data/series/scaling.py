"""Scaling of readings to zero mean and unit deviation, and back."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eac.checks import check_least
from eac.data.core.among import EVERY, Among
from eac.data.core.pieces import column_pieces, count_readings, pieces
from eac.typing import NodeSeries

CHUNK_ELEMENTS = 1 << 18
_QUANTILE_ELEMENTS = 1 << 23
CONSTANT = 1e-6
"""Deviation, as a share of the mean where that is below 1, up to which readings are constant."""
LARGE = 1 << 28
"""Readings from which on a series is read piece by piece along time (1 GiB)."""


@dataclass(frozen=True, eq=False)
class Scaler:
    """An affine map per node: ``scaled = (raw - mean) / scale``.

    Attributes:
        mean: In raw units, one value per node (of each window, where these hold other nodes).
        scale: In raw units, positive, one value per node.
        trivial: True when mean is 0 and scale 1 everywhere; batches are then passed through.

    Example:
        >>> scaler = Scaler(mean=torch.tensor([10.0]), scale=torch.tensor([2.0]))
        >>> scaler.transform(torch.tensor([[14.0]])), scaler.inverse(torch.tensor([[[2.0]]]))
        (tensor([[2.]]), tensor([[[14.]]]))
    """

    mean: Float[Tensor, "*batch node"]
    scale: Float[Tensor, "*batch node"]
    trivial: bool = False

    @staticmethod
    def identity(num_nodes: int) -> "Scaler":
        """The map that changes nothing."""
        return Scaler(torch.zeros(num_nodes), torch.ones(num_nodes), trivial=True)

    def transform(self, series: NodeSeries) -> NodeSeries:
        """Raw to scaled units; missing readings stay NaN."""
        return (series - self.mean).div_(self.scale)

    def inverse(
        self, forecast: Float[Tensor, "*output batch node horizon"]
    ) -> Float[Tensor, "*output batch node horizon"]:
        """Scaled to raw units, every output."""
        if self.trivial:
            return forecast
        return torch.addcmul(self.mean[..., None], forecast, self.scale[..., None])

    def scale_target(
        self, target: Float[Tensor, "batch node horizon"]
    ) -> Float[Tensor, "batch node horizon"]:
        """Raw to scaled units, for batches of targets."""
        if self.trivial:
            return target
        return (target - self.mean[..., None]) / self.scale[..., None]

    def subset(self, nodes: Int[Tensor, "*batch node"]) -> "Scaler":
        """The same map for some of the nodes, perhaps others in each window of a batch."""
        return Scaler(self.mean[nodes], self.scale[nodes], self.trivial)

    def to(self, device: torch.device | str) -> "Scaler":
        """The same map on another device."""
        return Scaler(self.mean.to(device), self.scale.to(device), self.trivial)


class Scaling(ABC):
    """How readings are scaled, whatever the protocol: inputs and targets alike.

    Example:
        >>> [isinstance(scaling, Scaling) for scaling in (Global(), PerNode(), Robust())]
        [True, True, True]
    """

    per_node: bool = True
    """Whether each node has a scale of its own."""

    @abstractmethod
    def fit(self, series: NodeSeries) -> Scaler:
        """The scaler of a training part; missing readings are NaN."""

    def fit_among(self, series: NodeSeries, among: Among) -> Scaler:
        """The same where statistics of the network are taken over other nodes too.

        One that takes none need not know of them.
        """
        del among
        return self.fit(series)


class Global(Scaling):
    """One mean and one deviation for all nodes.

    Example:
        >>> scaler = Global().fit(torch.tensor([[0.0, 10.0], [2.0, 12.0]]))
        >>> scaler.mean
        tensor([6., 6.])
    """

    per_node = False

    def fit(self, series: NodeSeries) -> Scaler:
        """The statistics of all readings."""
        return fit_scaler(series, per_node=False)


class PerNode(Scaling):
    """Mean and deviation of each node, drawn towards the typical node where readings are few.

    Args:
        few: With so many readings, a node's own statistics and the typical ones weigh alike.

    Example:
        >>> scaler = PerNode(few=0).fit(torch.tensor([[0.0, 10.0], [2.0, 14.0]]).repeat(50, 1))
        >>> scaler.mean, scaler.scale
        (tensor([ 1., 12.]), tensor([1., 2.]))
    """

    def __init__(self, few: int = 48):
        check_least(0, few=few)
        self.few = few

    def fit(self, series: NodeSeries) -> Scaler:
        """The statistics of each node; a node without readings takes the mean of all nodes'."""
        return self.fit_among(series, EVERY)

    def fit_among(self, series: NodeSeries, among: Among) -> Scaler:
        """The same, drawn towards the typical one of these nodes."""
        own = fit_scaler(series, per_node=True, min_readings=1, among=among)
        return _towards_typical(own, count_readings(series), self.few, among)


class Robust(Scaling):
    """Median and interquartile range of each node, as if normal; shrunk as in ``PerNode``.

    Args:
        few: With so many readings, a node's own statistics and the typical ones weigh alike.

    Example:
        >>> readings = torch.tensor([1.0, 2.0, 3.0, 2.0, 1000.0]).repeat(40)[:, None]
        >>> scaler = Robust(few=0).fit(readings)  # the outlier moves neither
        >>> scaler.mean
        tensor([2.])
    """

    def __init__(self, few: int = 48):
        check_least(0, few=few)
        self.few = few

    def fit(self, series: NodeSeries) -> Scaler:
        """The quartiles of each node; a node without readings takes the mean of all nodes'."""
        return self.fit_among(series, EVERY)

    def fit_among(self, series: NodeSeries, among: Among) -> Scaler:
        """The same, drawn towards the typical one of these nodes."""
        at = torch.tensor([0.25, 0.5, 0.75], dtype=series.dtype, device=series.device)
        parts = column_pieces(series, _QUANTILE_ELEMENTS)
        quartiles = torch.cat([part.nanquantile(at, dim=0) for _, part in parts], dim=1)
        low, middle, high = quartiles.nan_to_num(0.0)
        own = Scaler(middle, (high - low) / NORMAL_QUARTILES)
        return _towards_typical(own, count_readings(series), self.few, among)


MUCH_LARGER = 20
"""Sizes of a usual node (geometric mean) beyond which one is not typical; in ``bergen``, ``pm10-a``
and ``pl-pm10`` the largest is 9 of them."""
NORMAL_QUARTILES = 1.349
"""Interquartile range of a normal distribution of deviation 1."""


def _towards_typical(own: Scaler, readings: Int[Tensor, " node"], few: int, among: Among) -> Scaler:
    """Shrinks by readings / (readings + few); no scale falls below a fiftieth of the typical.

    The typical node is the mean of all but those whose readings are of another size altogether.
    """
    trust, ones = readings / (readings + few), torch.ones_like(own.mean)
    size = torch.maximum(own.mean.abs(), own.scale)
    sized = (readings > 0) & (size > 0)
    logs, number = among.total(torch.stack([size.log(), ones]), sized)
    usual = (logs / number.clamp_min(1)).exp()
    counted = (readings > 0) & (size <= MUCH_LARGER * usual)
    mean, scale, count = among.total(torch.stack([own.mean, own.scale, ones]), counted)
    if not count:
        return Scaler.identity(len(readings))
    mean, scale = mean / count, scale / count
    scale = scale.clamp_min(float(_least(mean)) or CONSTANT)
    return Scaler(
        torch.lerp(mean.expand_as(own.mean), own.mean, trust),
        torch.lerp(scale.expand_as(own.scale), own.scale, trust).clamp_min(0.02 * float(scale)),
    )


def fit_scaler(
    series: NodeSeries,
    *,
    per_node: bool,
    step_weight: Float[Tensor, " time"] | None = None,
    min_readings: int = 24,
    among: Among = EVERY,
) -> Scaler:
    """Mean and standard deviation of the readings present, per node or over all nodes.

    A node with fewer than ``min_readings`` readings takes the statistics of all nodes; a scale of
    zero (a constant node) becomes 1, or the deviation of all nodes where that is smaller.

    Args:
        series: Raw readings of the part to fit on, NaN where missing.
        per_node: One mean and scale per node instead of one for all.
        step_weight: How often each step counts; the published code counts a step once for each
            window that holds it. None counts every step once.
        min_readings: A day of hourly readings by default.
        among: Nodes that make up the statistics of all nodes.

    Example:
        >>> series = torch.tensor([[0.0, 10.0], [2.0, 14.0]])
        >>> scaler = fit_scaler(series, per_node=True, min_readings=2)
        >>> scaler.mean, scaler.scale
        (tensor([ 1., 12.]), tensor([1., 2.]))
    """
    weight = torch.ones(len(series)) if step_weight is None else step_weight
    weight = weight.double()[:, None]
    if series.numel() > LARGE:
        parts = [_statistics_by_steps(series, weight)]
    else:
        parts = [_statistics(part, weight) for _, part in column_pieces(series, CHUNK_ELEMENTS)]
    readings, count, own, own_variance = torch.cat(parts, dim=1)
    everything = among.total(count).clamp_min(1)
    mean_all = among.total(own * count) / everything
    var_all = among.total((own_variance + (own - mean_all).square()) * count) / everything
    mean, variance = mean_all.expand_as(own), var_all.expand_as(own)
    if per_node:
        enough = readings >= min_readings
        mean, variance = torch.where(enough, own, mean), torch.where(enough, own_variance, variance)
    scale, overall = variance.sqrt(), float(var_all.sqrt())
    otherwise = min(1.0, overall) if overall > _least(mean_all) else 1.0
    scale = torch.where(scale > _least(mean), scale, otherwise)
    return Scaler(mean.float(), scale.float())


def _least(mean: Float[Tensor, "*node"]) -> Float[Tensor, "*node"]:
    """The deviation up to which readings around this mean count as constant."""
    return CONSTANT * mean.abs().clamp_max(1.0)


def _statistics_by_steps(
    series: NodeSeries, weight: Float[Tensor, "time 1"]
) -> Float[Tensor, "statistic node"]:
    """As ``_statistics``, in two walks along time, which is how a file is laid out."""
    readings, count, total, squares = series.new_zeros(4, series.shape[1], dtype=torch.float64)
    for steps, part in pieces(series):
        present = ~part.isnan()
        readings += present.sum(0)
        share = weight[steps.start : steps.stop] * present
        count += share.sum(0)
        total += (part.nan_to_num(0.0).double() * share).sum(0)
    mean = total / count.clamp_min(1)
    for steps, part in pieces(series):
        far = (part.double() - mean).square_().nan_to_num_(0.0)
        squares += (far * weight[steps.start : steps.stop]).sum(0)
    return torch.stack([readings, count, mean, squares / count.clamp_min(1)])


def _statistics(
    series: NodeSeries, weight: Float[Tensor, "time 1"]
) -> Float[Tensor, "statistic node"]:
    """Readings, their weight, mean and variance of each node, in float64."""
    missing = series.isnan()
    weight = weight.masked_fill(missing, 0.0)
    values = series.double().masked_fill_(missing, 0.0)
    count = weight.sum(0)
    mean = (values * weight).sum(0) / count.clamp_min(1)
    variance = values.sub_(mean).square_().mul_(weight).sum(0) / count.clamp_min(1)
    return torch.stack([(~missing).sum(0).double(), count, mean, variance])
