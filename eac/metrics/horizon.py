"""Masked errors by node and step of the horizon, as sums that are divided once."""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eac.errors import CheckpointError
from eac.records.horizon_table import METRICS, Errors, HorizonTable, mean_or_none

_SUMS = ("absolute", "squared", "relative", "relative_count", "target", "count")
CACHED_ELEMENTS = 1 << 17

Sums: TypeAlias = dict[str, Sequence[float]]
"""What is kept, summed over windows and nodes, at each step."""


class HorizonErrors:
    """Accumulates errors of forecasts; any group of nodes can be asked for afterwards.

    Six float64 sums are kept for each node and step, on the device of the forecasts. A target
    counts if its mask is True and it does not equal ``null_value`` exactly (in the targets' own
    precision). Relative errors also leave out targets of 0.

    Args:
        num_nodes: Nodes in the period.
        horizon: Steps forecast.
        null_value: Targets equal to this are left out; 0 in the published protocol.

    Example:
        >>> errors = HorizonErrors(num_nodes=1, horizon=2)
        >>> y = torch.tensor([[[10.0, 20.0]]])
        >>> errors.update(y + torch.tensor([1.0, 3.0]), y, torch.ones(1, 1, 2, dtype=torch.bool))
        >>> errors.summary().point["MAE"]
        {'1': 1.0, '2': 3.0, 'mean': 2.0}
        >>> errors.summary().cumulative["MAE"]
        {'1': 1.0, '2': 2.0, 'avg': 1.5}
    """

    def __init__(self, num_nodes: int, horizon: int, null_value: float | None = None):
        self.num_nodes = num_nodes
        self.horizon = horizon
        self.null_value = null_value
        self._sums = torch.zeros(len(_SUMS), num_nodes, horizon, dtype=torch.float64)

    def update(
        self,
        y_hat: Float[Tensor, "batch node horizon"],
        y: Float[Tensor, "batch node horizon"],
        mask: Bool[Tensor, "batch node horizon"] | None = None,
        nodes: Int[Tensor, "*batch node"] | None = None,
    ) -> None:
        """Adds a batch of forecasts in raw units.

        Args:
            y_hat: Forecasts.
            y: Targets, anything where ``mask`` is False.
            mask: True where a target was observed; None means everywhere.
            nodes: Row of each node of the batch, or of each node of each window; None means all
                rows in order.
        """
        if nodes is not None and nodes.dim() > 1:
            mask = None if mask is None else mask.flatten(0, 1)[None]
            self.update(y_hat.flatten(0, 1)[None], y.flatten(0, 1)[None], mask, nodes.flatten())
            return
        observed = torch.ones_like(y, dtype=torch.bool) if mask is None else mask
        if self.null_value is not None:
            present = y != self.null_value
            observed = present if mask is None else present.logical_and_(mask)
        sums = _batch_sums(y_hat.detach(), y, observed)
        self._sums = self._sums.to(sums.device)
        if nodes is None:
            self._sums += sums
        else:
            self._sums.index_add_(1, nodes, sums.double())

    def merge(self, other: "HorizonErrors") -> None:
        """Adds what another accumulator over the same nodes has seen."""
        self._sums = self._sums + other.state().to(self._sums.device)

    def reset(self) -> None:
        """Forgets everything seen."""
        self._sums = torch.zeros_like(self._sums)

    def state(self) -> Float[Tensor, "sum node horizon"]:
        """A copy of all sums; those of several processes may be added."""
        return self._sums.clone()

    def load_state(self, state: Float[Tensor, "sum node horizon"]) -> None:
        """Replaces the sums by those that ``state`` gave.

        Raises:
            CheckpointError: If they are of another number of nodes or steps.
        """
        if state.shape != self._sums.shape:
            raise CheckpointError(
                f"sums of shape {tuple(state.shape)} do not fit {self.num_nodes} nodes and "
                f"{self.horizon} steps. Load the state of the same period."
            )
        self._sums = state.to(dtype=torch.float64, copy=True)

    def mae(
        self, nodes: Int[Tensor, " chosen"] | Bool[Tensor, " node"] | None = None
    ) -> Float[Tensor, ""]:
        """MAE over all steps as a tensor on the device, for early stopping; NaN if unobserved."""
        absolute, count = self.totals(nodes)
        return absolute / count

    def totals(
        self, nodes: Int[Tensor, " chosen"] | Bool[Tensor, " node"] | None = None
    ) -> Float[Tensor, "2"]:
        """Sum of the absolute errors, and how many there are: what ``mae`` divides."""
        return torch.stack([sums.sum() for sums in _absolute_and_count(self._chosen(nodes))])

    def node_mae(self) -> Float[Tensor, " node"]:
        """MAE of each node over all steps; NaN where nothing was observed."""
        absolute, count = _absolute_and_count(self._sums)
        return absolute.sum(-1) / count.sum(-1)

    def summary(
        self, nodes: Int[Tensor, " chosen"] | Bool[Tensor, " node"] | None = None
    ) -> HorizonTable:
        """All metrics at all horizons over some of the nodes.

        Args:
            nodes: Rows or a mask of the nodes to count; None means all.
        """
        by_step = self._chosen(nodes).sum(1)
        point = _metrics(by_step.tolist())
        cumulative = _metrics(by_step.cumsum(1).tolist())
        return HorizonTable(_labelled(point, "mean"), _labelled(cumulative, "avg"))

    def _chosen(
        self, nodes: Int[Tensor, " chosen"] | Bool[Tensor, " node"] | None
    ) -> Float[Tensor, "sum chosen horizon"]:
        return self._sums if nodes is None else self._sums[:, nodes.to(self._sums.device)]


def cumulative_weights(horizon: int) -> Float[Tensor, " {horizon}"]:
    """How much each step weighs in the mean of the cumulative errors; 1 on average.

    Example:
        >>> cumulative_weights(2).tolist()
        [1.5, 0.5]
    """
    step = torch.arange(1, horizon + 1)
    return (1 / step).flip(0).cumsum(0).flip(0)


def _batch_sums(
    y_hat: Float[Tensor, "batch node horizon"],
    y: Float[Tensor, "batch node horizon"],
    observed: Bool[Tensor, "batch node horizon"],
) -> Float[Tensor, "sum node horizon"]:
    if y.stride(1) < y.stride(2):  # targets gathered from a series have node as the fastest axis
        swapped = (tensor.transpose(1, 2) for tensor in (y_hat, y, observed))
        return _batch_sums(*swapped).transpose(1, 2)
    sums = _sums_in_chunks(y_hat, y, observed)
    if y.is_cuda:  # without a transfer to the CPU, which would wait for all that is still running
        return torch.where(sums.isfinite(), sums.double(), _chunk_sums(y_hat, y.double(), observed))
    if bool(sums.isfinite().all()):
        return sums
    return _chunk_sums(y_hat, y.double(), observed)


def _sums_in_chunks(
    y_hat: Float[Tensor, "batch node horizon"],
    y: Float[Tensor, "batch node horizon"],
    observed: Bool[Tensor, "batch node horizon"],
) -> Float[Tensor, "sum node horizon"]:
    """The sums in the targets' own precision, of blocks that stay in the cache."""
    if y[:1].numel() > CACHED_ELEMENTS and not y.is_cuda:
        return _sums_by_columns(y_hat, y, observed)
    windows = len(y) if y.is_cuda else max(1, CACHED_ELEMENTS // max(1, y[:1].numel()))
    chunks = zip(y_hat.split(windows), y.split(windows), observed.split(windows), strict=True)
    sums = _chunk_sums(*next(chunks))
    for chunk in chunks:
        sums += _chunk_sums(*chunk)
    return sums


def _sums_by_columns(
    y_hat: Float[Tensor, "batch node horizon"],
    y: Float[Tensor, "batch node horizon"],
    observed: Bool[Tensor, "batch node horizon"],
) -> Float[Tensor, "sum node horizon"]:
    axis = 1 if y.shape[1] > y.shape[2] else 2
    size = max(1, CACHED_ELEMENTS * y.shape[axis] // y.numel())
    columns = zip(*(tensor.split(size, axis) for tensor in (y_hat, y, observed)), strict=True)
    return torch.cat([_chunk_sums(*part) for part in columns], dim=axis)


def _chunk_sums(
    y_hat: Float[Tensor, "batch node horizon"],
    y: Float[Tensor, "batch node horizon"],
    observed: Bool[Tensor, "batch node horizon"],
) -> Float[Tensor, "sum node horizon"]:
    error = torch.where(observed, y - y_hat.to(y.dtype), 0.0).abs_()
    target = torch.where(observed, y, 0.0).abs_()
    absolute, target_sum = error.sum(0), target.sum(0)
    count = observed.to(y.dtype).sum(0)
    nonzero = target.sign()
    relative_count = nonzero.sum(0)
    divisor = target.add_(1.0 - nonzero)
    relative = nonzero.mul_(error).div_(divisor).sum(0)
    squared = error.square_().sum(0)
    return torch.stack([absolute, squared, relative, relative_count, target_sum, count])


def _absolute_and_count(
    sums: Float[Tensor, "sum node horizon"],
) -> tuple[Float[Tensor, "node horizon"], Float[Tensor, "node horizon"]]:
    return sums[_SUMS.index("absolute")], sums[_SUMS.index("count")]


def _metrics(sums: Sequence[Sequence[float]]) -> dict[str, list[float | None]]:
    total: Sums = dict(zip(_SUMS, sums, strict=True))
    return {name: FORMULAS[name](total) for name in METRICS}


def _rmse(total: Sums) -> list[float | None]:
    mean_square = divide(total["squared"], total["count"])
    return [None if value is None else math.sqrt(value) for value in mean_square]


def divide(total: Sequence[float], count: Sequence[float], unit: float = 1.0) -> list[float | None]:
    """Sums divided by their counts; None where there is no count or no finite number.

    Example:
        >>> divide([6.0, 1.0], [3, 0])
        [2.0, None]
    """
    values = [unit * a / b if b > 0 else None for a, b in zip(total, count, strict=True)]
    return [value if value is not None and math.isfinite(value) else None for value in values]


def _labelled(metrics: dict[str, list[float | None]], summary: str) -> Errors:
    return {
        name: {str(step): value for step, value in enumerate(values, start=1)}
        | {summary: mean_or_none(values)}
        for name, values in metrics.items()
    }


FORMULAS: dict[str, Callable[[Sums], list[float | None]]] = {
    "MAE": lambda total: divide(total["absolute"], total["count"]),
    "RMSE": _rmse,
    "MAPE": lambda total: divide(total["relative"], total["relative_count"], unit=100.0),
    "WAPE": lambda total: divide(total["absolute"], total["target"], unit=100.0),
}
"""Each metric of ``METRICS`` at each step, from the sums that are kept."""
