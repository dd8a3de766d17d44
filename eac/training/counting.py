"""Errors of a validation or a test, counted batch by batch."""

import torch
from jaxtyping import Float
from lightning.pytorch import Trainer
from torch import Tensor

from eac.continual.together import ALONE, Together
from eac.data.batches.batch import Batch
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.spread import Spread, node_errors, standard_error
from eac.metrics.horizon import HorizonErrors


class Counted:
    """Errors of one validation or test.

    Args:
        data: The period that is measured.
        by_batch: Whether the mean error is that over batches, as published, and not over readings.
        together: What processes that divide the sensors sum up.

    Attributes:
        errors: Sums by node and step.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> batch = data.full.batch(torch.tensor([0, 5]))
        >>> counted = Counted(data)
        >>> counted.add(batch, batch.y + 2)
        >>> counted.mean()
        tensor(2., dtype=torch.float64)
    """

    def __init__(self, data: PeriodData, *, by_batch: bool = False, together: Together = ALONE):
        self._together = together
        self._batch_size, self._num_nodes = data.batch_size, data.period.num_nodes
        self._horizon, self._null_value = data.horizon, data.null_value
        self.errors = self._none_yet()
        self._of_batches: list[Tensor] | None = [] if by_batch else None
        self._sampled: list[Tensor] = []

    def add(self, batch: Batch, y_hat: Float[Tensor, "batch node horizon"]) -> None:
        """Counts the errors of a batch, on the nodes that its loss counts."""
        if self._of_batches is None:
            _count(batch, y_hat, self.errors)
        else:
            size = self._batch_size
            for first in range(0, len(y_hat), size):  # several may be looked at in one go
                some, own = slice(first, first + size), self._none_yet()
                _count(batch.targets_of(some), y_hat[some], own)
                self._of_batches.append(own.mae())
                self.errors.merge(own)
        if (nodes := batch.nodes) is not None and nodes.dim() > 1:
            self._sampled.append(node_errors(y_hat, batch.y, batch.mask))

    def add_other_processes(self, trainer: Trainer) -> None:
        """Adds what the other processes of a training have counted."""
        if trainer.world_size > 1:
            own = self.errors.state().to(trainer.strategy.root_device)
            self.errors.load_state(trainer.strategy.reduce(own, reduce_op="sum"))

    def gather(self) -> None:
        """Takes the errors of all sensors into the first of the processes that divide them."""
        self.errors = self._together.every_sensor(self.errors)

    def mean(self) -> Float[Tensor, ""]:
        """MAE over all steps."""
        if self._of_batches:
            return torch.stack(self._of_batches).nanmean()
        return self._together.mae(self.errors.totals())

    def standard_error(self, some: Spread | None) -> Float[Tensor, ""] | None:
        """By how much ``mean`` may be off; None where windows held all nodes."""
        if not self._sampled or some is None:
            return None
        return self._together.deviation(standard_error(torch.cat(self._sampled), some.share))

    def _none_yet(self) -> HorizonErrors:
        return HorizonErrors(self._num_nodes, self._horizon, null_value=self._null_value)


def _count(batch: Batch, y_hat: Float[Tensor, "batch node horizon"], errors: HorizonErrors) -> None:
    y, mask, nodes = batch.y, batch.mask, batch.nodes
    if batch.loss_nodes is not None:
        y_hat, y, mask = (t[:, batch.loss_nodes] for t in (y_hat, y, mask))
        nodes = batch.loss_nodes if nodes is None else nodes[batch.loss_nodes]
    errors.update(y_hat, y, None if batch.complete else mask, nodes=nodes)
