"""The first prompt of a node that has just joined."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eac.data.batches.view import PeriodView
from eac.described import Described
from eac.errors import ConfigError
from eac.typing import NodeIndex

PAIRS_AT_ONCE = 1 << 22
"""Pairs of a new and a known node that are compared at once."""


@dataclass(frozen=True, eq=False)
class Arrival:
    """What is known when nodes join a network in which others have learned a prompt.

    Attributes:
        view: The period; only its training part may be looked at.
        new: Rows in the period of the nodes that join.
        old: Rows in the period of the nodes that have a prompt.
        learned: Factor rows of the nodes in ``old``.
        pool: Factor rows of every node with a prompt, present or not.
        drawn: Random first values of the nodes in ``new``, as published.
        error: Error of given first values on the new nodes' first week of training; NaN if
            nothing was read.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> view, learned = data.prepared(Needs()).view, torch.tensor([[1.0, 3.0], [3.0, 5.0]])
        >>> new, old = torch.tensor([2]), torch.tensor([0, 1])
        >>> arrival = Arrival(view, new, old, learned, learned, torch.zeros(1, 2), lambda rows: 0.0)
        >>> UnknownStart().first_rows(arrival).rows
        tensor([[2., 4.]])
    """

    view: PeriodView
    new: NodeIndex
    old: NodeIndex
    learned: Float[Tensor, "old column"]
    pool: Float[Tensor, "known column"]
    drawn: Float[Tensor, "new column"]
    error: Callable[[Float[Tensor, "new column"]], float]


@dataclass(frozen=True, eq=False)
class FirstRows:
    """First factor rows of the nodes that join, and what the record should say about them.

    Example:
        >>> FirstRows(torch.zeros(2, 6), "as unknown sensors").note
        'as unknown sensors'
    """

    rows: Float[Tensor, "new column"]
    note: str | None = None


class ColdStart(Described, ABC):
    """Gives new nodes their first factor rows.

    Example:
        >>> [start.name for start in (RandomStart(), UnknownStart(), AlikeStart())]
        ['RandomStart', 'UnknownStart', 'AlikeStart']
    """

    looks_at_others: bool = True
    """Whether the rows depend on sensors that are there already."""

    @property
    def name(self) -> str:
        """What a record calls it."""
        return type(self).__name__

    @abstractmethod
    def first_rows(self, arrival: Arrival) -> FirstRows:
        """Rows for the new nodes, in their order."""


class RandomStart(ColdStart):
    """Small random values (published).

    Example:
        >>> from eac.strategies.eac import EAC
        >>> EAC(rank=6, cold_start=RandomStart()).rank
        6
    """

    looks_at_others = False

    def first_rows(self, arrival: Arrival) -> FirstRows:
        """The values drawn."""
        return FirstRows(arrival.drawn)


class UnknownStart(ColdStart):
    """The prompt of an unknown sensor: the mean of all prompts learned.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> view, rows = data.prepared(Needs()).view, torch.tensor([[1.0, 3.0], [3.0, 5.0]])
        >>> new, old, zero = torch.tensor([2]), torch.tensor([0, 1]), torch.zeros(1, 2)
        >>> arrival = Arrival(view, new, old, rows, rows, zero, error=lambda rows: 0.0)
        >>> UnknownStart().first_rows(arrival).rows
        tensor([[2., 4.]])
    """

    def first_rows(self, arrival: Arrival) -> FirstRows:
        """The same row for each."""
        return FirstRows(_mean_row(arrival).expand(len(arrival.new), -1).clone())


class NeighboursStart(ColdStart):
    """The mean of the nodes that a new node listens to, weighted as the graph weighs them.

    New nodes that hear only other new nodes take from those, wave by wave; a node out of reach of
    all prompts starts as an unknown sensor.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> view, rows = data.prepared(Needs()).view, torch.tensor([[1.0, 3.0], [3.0, 5.0]])
        >>> new, old, zero = torch.tensor([2]), torch.tensor([0, 1]), torch.zeros(1, 2)
        >>> arrival = Arrival(view, new, old, rows, rows, zero, error=lambda rows: 0.0)
        >>> NeighboursStart().first_rows(arrival).rows.shape
        torch.Size([1, 2])
    """

    def first_rows(self, arrival: Arrival) -> FirstRows:
        """Rows spread along the edges."""
        graph = arrival.view.period.graph
        source, target = graph.edge_index.cpu()
        weight = graph.edge_weight.cpu().to(arrival.learned.dtype)
        rows = arrival.learned.new_zeros(graph.num_nodes, arrival.learned.shape[1])
        rows[arrival.old] = arrival.learned
        known = torch.zeros(graph.num_nodes, dtype=torch.bool)
        known[arrival.old] = True
        while True:
            heard = weight * known[source]
            total = heard.new_zeros(graph.num_nodes).index_add(0, target, heard)
            reached = ~known & (total > 0)
            if not reached.any():
                break
            summed = torch.zeros_like(rows).index_add(0, target, heard[:, None] * rows[source])
            rows[reached] = summed[reached] / total[reached, None]
            known |= reached
        rows[~known] = _mean_row(arrival)
        return FirstRows(rows[arrival.new])


class AlikeStart(ColdStart):
    """The mean of the nodes whose first week looks most like a new node's.

    Likeness is the correlation of readings over the first week of training, hour against hour, so
    that nodes of different level and size can be alike; only positive likeness counts, and weighs
    the mean. A node like no other, or that read nothing, starts as an unknown sensor.

    Args:
        count: How many nodes are taken.
        min_shared: Readings that two nodes must share to be compared.

    Example:
        >>> AlikeStart(count=5).made_with
        {'count': 5}
    """

    def __init__(self, count: int = 3, min_shared: int = 12):
        if count < 1:
            raise ConfigError(f"AlikeStart(count={count}): give at least 1.")
        self.count = count
        self.min_shared = min_shared

    def first_rows(self, arrival: Arrival) -> FirstRows:
        """Weighted means of the rows of the nodes most alike."""
        readings = first_week(arrival.view)
        old, count = readings[:, arrival.old], min(self.count, len(arrival.old))
        rows = []
        for new in arrival.new.split(max(1, PAIRS_AT_ONCE // max(1, len(arrival.old)))):
            likeness = correlation(readings[:, new], old, self.min_shared)
            weight, chosen = likeness.nan_to_num(0.0).clamp_min(0).topk(count, dim=1)
            total = weight.sum(1, keepdim=True)
            mean = (weight[:, :, None] * arrival.learned[chosen]).sum(1) / total.clamp_min(1e-12)
            rows.append(torch.where(total > 0, mean, _mean_row(arrival)))
        return FirstRows(torch.cat(rows))


class MeasuredStart(ColdStart):
    """Whichever start forecasts the new nodes' first week of training best.

    Args:
        among: The starts to measure; null takes all four.

    Example:
        >>> MeasuredStart(among=[RandomStart(), UnknownStart()]).name
        'MeasuredStart'
    """

    def __init__(self, among: Sequence[ColdStart] | None = None):
        self.among = tuple(
            among or (RandomStart(), NeighboursStart(), AlikeStart(), UnknownStart())
        )

    def first_rows(self, arrival: Arrival) -> FirstRows:
        """The rows with the least error; of equal ones those listed first."""
        tried = [start.first_rows(arrival).rows for start in self.among]
        errors = [arrival.error(rows) for rows in tried]
        names = [start.name for start in self.among]
        best = min(range(len(tried)), key=lambda i: (errors[i] != errors[i], errors[i]))
        listed = ", ".join(f"{e:.4g} {name}" for e, name in zip(errors, names, strict=True))
        said = f"first prompts by {names[best]}: MAE of the first week {listed}"
        return FirstRows(tried[best], said)


def first_week(view: PeriodView) -> Float[Tensor, "step node"]:
    """Raw readings of the first week of the training part, NaN where missing.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> first_week(data.prepared(Needs()).view).shape  # less than a week here
        torch.Size([180, 3])
    """
    steps = view.split.train
    stop = min(steps.stop, steps.start + view.period.calendar.steps_per_week)
    return view.period.series[steps.start : stop]


def correlation(
    one: Float[Tensor, "step one"], other: Float[Tensor, "step other"], min_shared: int
) -> Float[Tensor, "one other"]:
    """Pearson correlation of each pair of series over the steps that both have.

    NaN for a pair that shares fewer than ``min_shared`` readings, or where one of the two is
    constant over them.

    Example:
        >>> one = torch.tensor([[1.0], [2.0], [3.0], [torch.nan]])
        >>> other = torch.tensor([[2.0, 3.0], [4.0, 2.0], [6.0, 1.0], [0.0, 0.0]])
        >>> correlation(one, other, min_shared=3)
        tensor([[ 1., -1.]])
    """
    (a, here), (b, there) = _filled(one), _filled(other)
    count = here.T @ there
    sum_a, sum_b = a.T @ there, here.T @ b
    product = count * (a.T @ b) - sum_a * sum_b
    spread_a = count * (a.square().T @ there) - sum_a.square()
    spread_b = count * (here.T @ b.square()) - sum_b.square()
    known = (count >= min_shared) & (spread_a > 1e-9) & (spread_b > 1e-9)
    value = product / (spread_a * spread_b).clamp_min(1e-18).sqrt()
    return torch.where(known, value, torch.nan).to(one.dtype)


def _filled(series: Float[Tensor, "step node"]) -> tuple[Tensor, Tensor]:
    """Readings about their mean in float64, 0 where missing, and where they are present."""
    present = ~series.isnan()
    centred = series.double() - series.double().nanmean(0)
    return centred.masked_fill(~present, 0.0).nan_to_num(0.0), present.double()


def _mean_row(arrival: Arrival) -> Float[Tensor, " column"]:
    return arrival.pool.mean(0)
