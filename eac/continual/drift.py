"""How far a node's readings or features moved between two periods.

Every score is one number per node of the current period, larger for more drift and NaN where
nothing can be compared.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BINS = 10
"""Bins of every histogram, as published."""
NODES = 1 << 12
"""Nodes whose days are compared at once."""


def histograms(
    values: Float[Tensor, "sample series"],
    present: Bool[Tensor, "sample series"],
    low: Float[Tensor, " series"],
    high: Float[Tensor, " series"],
    bins: int = BINS,
) -> Float[Tensor, "series bin"]:
    """Share of the values present in each of equally wide bins between ``low`` and ``high``.

    A value equal to ``high`` is in the last bin; where ``low`` equals ``high`` everything is in
    the first. A series without values is NaN.

    Example:
        >>> column = torch.tensor([[0.0], [1.0], [4.0]])
        >>> bounds = torch.tensor([0.0]), torch.tensor([4.0])
        >>> histograms(column, torch.ones(3, 1, dtype=torch.bool), *bounds, bins=2)
        tensor([[0.6667, 0.3333]])
    """
    width = high - low
    position = (values - low) / torch.where(width > 0, width, torch.ones_like(width))
    index = (position.nan_to_num(0.0) * bins).long().clamp(0, bins - 1)
    counts = values.new_zeros(values.shape[1], bins)
    counts.scatter_add_(1, index.T, present.T.to(values.dtype))
    return counts / counts.sum(1, keepdim=True)


def jensen_shannon(
    p: Float[Tensor, "series bin"], q: Float[Tensor, "series bin"]
) -> Float[Tensor, " series"]:
    """Jensen-Shannon distance in nats: the root of the mean divergence from the mixture.

    Example:
        >>> p, q = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> jensen_shannon(p, q)  # the root of log 2
        tensor([0.8326])
    """
    middle = (p + q) / 2
    divergence = _relative_entropy(p, middle) + _relative_entropy(q, middle)
    return (divergence / 2).clamp_min(0).sqrt()


def feature_drift(
    before: Float[Tensor, "sample node hidden"],
    before_present: Bool[Tensor, "sample node"],
    after: Float[Tensor, "other node hidden"],
    after_present: Bool[Tensor, "other node"],
) -> Float[Tensor, " node"]:
    """Sum over channels of the distance between the histograms of two sets of features.

    Each set is scaled between its own smallest and largest value first (TrafficStream), so that a
    mere change of level or spread counts as no drift.

    Example:
        >>> before, read = torch.randn(200, 2, 3), torch.ones(200, 2, dtype=torch.bool)
        >>> after = before.clone()
        >>> after[:, 1] = after[:, 1].exp()  # another distribution, not another level
        >>> drift = feature_drift(before, read, after, read)
        >>> float(drift[0]), bool(drift[1] > 0.1)
        (0.0, True)
    """
    _, node, hidden = before.shape
    p, q = (
        histograms(*_columns(values, present))
        for values, present in ((before, before_present), (after, after_present))
    )
    return jensen_shannon(p, q).view(node, hidden).sum(1)


def daily_drift(
    before: Float[Tensor, "step node"],
    after: Float[Tensor, "step_after node"],
    steps_per_day: int,
) -> Float[Tensor, " node"]:
    """Mean distance between the histograms of two weeks of readings, day against day.

    Days are counted back from the last step of both. The bins of a node span what it read in
    both weeks together. Days without a reading on one side are left out.

    Example:
        >>> day = torch.arange(24.0)
        >>> before = day.repeat(7)[:, None].expand(-1, 2)
        >>> after = torch.stack([day.repeat(7), (day.repeat(7) > 11) * 23.0], dim=1)
        >>> daily_drift(before, after, steps_per_day=24)
        tensor([0.0000, 0.6168])
    """
    days = max(1, min(len(before), len(after)) // steps_per_day)
    scores = []
    for old, new in zip(before.split(NODES, 1), after.split(NODES, 1), strict=True):
        low, high = _bounds(torch.cat([old, new]), dim=0)
        distances = []
        for day in range(days):
            pair = [_day_back(week, day, steps_per_day) for week in (old, new)]
            p, q = (histograms(values, ~values.isnan(), low, high) for values in pair)
            distances.append(jensen_shannon(p, q))
        scores.append(torch.stack(distances).nanmean(0))
    return torch.cat(scores)


def wasserstein(
    before: Float[Tensor, "step node"], after: Float[Tensor, "step_after node"]
) -> Float[Tensor, " node"]:
    """First Wasserstein distance between the readings present of each node, in their unit.

    Example:
        >>> wasserstein(torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [3.0]]))
        tensor([2.])
    """
    pairs = zip(before.split(NODES, 1), after.split(NODES, 1), strict=True)
    return torch.cat([_wasserstein(old, new) for old, new in pairs])


def relative_wasserstein(
    before: Float[Tensor, "step node"], after: Float[Tensor, "step_after node"]
) -> Float[Tensor, " node"]:
    """``wasserstein`` in units of each node's own range in both, to compare busy and quiet ones.

    Example:
        >>> before, after = torch.tensor([[0.0], [4.0]]), torch.tensor([[2.0], [8.0]])
        >>> relative_wasserstein(before, after)
        tensor([0.3750])
    """
    low, high = _bounds(torch.cat([before, after]), dim=0)
    width = high - low
    return wasserstein(before, after) / torch.where(width > 0, width, torch.ones_like(width))


def spread_to(
    scores: Float[Tensor, " shared"], rows: Int[Tensor, " shared"], num_nodes: int
) -> Float[Tensor, " node"]:
    """Scores of some nodes as one number per node; NaN for the others.

    Example:
        >>> spread_to(torch.tensor([0.5]), torch.tensor([2]), num_nodes=4)
        tensor([   nan,    nan, 0.5000,    nan])
    """
    everywhere = torch.full((num_nodes,), torch.nan, dtype=scores.dtype)
    everywhere[rows] = scores
    return everywhere


def _wasserstein(
    before: Float[Tensor, "step node"], after: Float[Tensor, "step_after node"]
) -> Float[Tensor, " node"]:
    """The area between the two distribution functions of each node; NaN where one has none."""
    values, known = torch.cat([before, after]), [~before.isnan(), ~after.isnan()]
    counts = [present.sum(0) for present in known]
    steps = torch.cat([known[0] / counts[0], -(known[1] / counts[1])])
    values = torch.where(values.isnan(), values.nan_to_num(-torch.inf).amax(0), values)
    values, order = values.sort(0)
    between = steps.nan_to_num(0.0).gather(0, order).cumsum(0)[:-1].abs()
    area = (between * values.diff(dim=0)).nansum(0)
    return torch.where((counts[0] > 0) & (counts[1] > 0), area, torch.nan)


def _relative_entropy(
    p: Float[Tensor, "series bin"], q: Float[Tensor, "series bin"]
) -> Float[Tensor, " series"]:
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(1)


def _columns(
    values: Float[Tensor, "sample node hidden"], present: Bool[Tensor, "sample node"]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Values and presence with one column per node and channel, and the bounds of each."""
    columns = values.flatten(1)
    there = present[:, :, None].expand(values.shape).flatten(1)
    low, high = _bounds(columns.masked_fill(~there, torch.nan), dim=0)
    return columns, there, low, high


def _bounds(values: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Smallest and largest value present; 0 where there is none."""
    missing = values.isnan()
    low = values.masked_fill(missing, torch.inf).amin(dim)
    high = values.masked_fill(missing, -torch.inf).amax(dim)
    known = ~missing.all(dim)
    return torch.where(known, low, 0.0), torch.where(known, high, 0.0)


def _day_back(week: Float[Tensor, "step node"], day: int, steps_per_day: int) -> Tensor:
    stop = len(week) - day * steps_per_day
    return week[max(0, stop - steps_per_day) : stop]
