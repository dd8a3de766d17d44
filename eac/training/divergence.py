"""A training whose loss is no longer a number ends with a sentence instead of going on."""

import math
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from eac.artifacts.resume_points import remove_checkpoints
from eac.continual.together import Together
from eac.data.batches.batch import Batch
from eac.data.batches.datamodule import PeriodData
from eac.data.core.pieces import pieces
from eac.errors import DivergedError, StreamError
from eac.strategies.base import PeriodPlan
from eac.training.callbacks import StopWhereStopped
from eac.training.forecaster import Forecaster

EVERY = 50
"""Batches between two looks on a device where each look has to wait for it."""
FAR = 1e4
"""A validation error of so many deviations of the targets is no forecast any more."""


def stops() -> tuple[Callback, ...]:
    """What may end the training of a period before its last epoch, besides early stopping.

    Example:
        >>> [type(callback).__name__ for callback in stops()]
        ['StopWhereStopped', 'StopWhereDiverged']
    """
    return StopWhereStopped(), StopWhereDiverged()


class StopWhereDiverged(Callback):
    """Ends a training at the first loss that is infinite or no number.

    Raises:
        DivergedError: Names period, batch, node and learning rate.
    """

    def __init__(self):
        self._batch: Batch | None = None
        self._place = 0
        self._loss: Tensor | None = None
        self._first: float | None = None
        self._far: tuple[str, Batch | None] | None = None

    @property
    def far(self) -> tuple[str, Batch | None] | None:
        """Where the loss, still a number, first was far above the first one, and its batch."""
        return self._far

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Notes where the training is."""
        del trainer, pl_module
        self._batch, self._place = batch, batch_idx

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Looks at the loss before it can change the weights; rarely where that takes waiting."""
        self._loss = loss.detach()
        if loss.device.type == "cpu" or (self._place + 1) % EVERY == 0:
            self._look(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at the last loss, before the weights of the epoch are kept; lets the batch go."""
        self._look(trainer, pl_module)
        self._batch = None

    def _look(self, trainer: Trainer, model: LightningModule) -> None:
        if self._loss is None:
            return
        loss, where = float(self._loss), f"batch {self._place} of epoch {trainer.current_epoch}"
        if not math.isfinite(loss):
            raise DivergedError(
                _sentence(trainer, f"the loss is {loss} in {where}", _worst(model, self._batch))
            )
        self._first = loss if self._first is None else self._first
        if self._far is None and abs(loss) > FAR * abs(self._first):
            self._far = f"the loss is {loss:.3g} in {where}", self._batch


@torch.no_grad()
def _worst(model: LightningModule, batch: Batch | None) -> int | None:
    """Row of the node whose forecast is furthest from what it should be."""
    if batch is None or not isinstance(model, Forecaster) or batch.y.device != model.device:
        return None
    gap = (model(batch) - batch.y).abs().nan_to_num(torch.inf, torch.inf)
    gap = torch.where(batch.mask, gap, 0.0).amax(2)
    if batch.loss_nodes is not None:
        counted = torch.zeros(gap.shape[1], dtype=torch.bool, device=gap.device)
        gap = torch.where(counted.index_fill(0, batch.loss_nodes, True), gap, 0.0)
    window, column = divmod(int(gap.argmax()), gap.shape[1])
    nodes = batch.nodes
    if nodes is None:
        return column
    return int(nodes[column] if nodes.ndim == 1 else nodes[window, column])


def check_validation(data: PeriodData, plan: PeriodPlan, together: Together) -> None:
    """Refuses a training of which no epoch could be chosen: there is nothing to validate on.

    Args:
        data: The period, before its training.
        plan: Says which of its nodes are validated on.
        together: The processes that may divide the nodes.

    Raises:
        StreamError: Names the period, the part and what to do.

    Example:
        >>> from eac.continual.together import ALONE
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> check_validation(data, PeriodPlan(), ALONE)
    """
    nodes = plan.graph_nodes if plan.loss_nodes is None else plan.loss_nodes
    starts, null = data.starts("val"), data.null_value
    first, last = int(starts[0]) + data.window, int(starts[-1]) + data.window + data.horizon - 1
    known = 0
    for _, part in pieces(data.period.series[first : last + 1]):
        own = part if nodes is None else part[:, nodes]
        known = int((~own.isnan() & (own != (torch.nan if null is None else null))).any())
        if known:
            break
    if not together.total(known):
        period, another = data.period, " and another run directory" if data.index else ""
        ends = [period.calendar.time_of(step) for step in (first, last)]
        dates = "" if None in ends else f" ({ends[0]} to {ends[1]})"
        zero = "" if null is None else f"; a reading of {null:g} counts as none"
        raise StreamError(
            f"period {period.name!r}: no reading of its validation part is known, in steps {first} "
            f"to {last}{dates}{zero}. Nothing can be chosen by it. Give another split with "
            f"data.train_fraction and data.val_fraction{another}, or wait until there are readings."
        )


def check_trained(trainer: Trainer, data: PeriodData, error: float | None, directory: Path) -> None:
    """Refuses a training whose best validation is no forecast, and removes its checkpoints.

    Args:
        trainer: After its training.
        data: The period.
        error: Of the best validation; None where there was none.
        directory: Of the period; going on with the run begins the period anew.

    Raises:
        DivergedError: If the weights are no numbers, or the error is far beyond the spread of the
            readings.
    """
    if error is None:
        return
    scaler, model = data.full.scaler, trainer.lightning_module
    spread = math.inf if scaler.trivial else float(scaler.scale.mean())
    lost = not all(bool(parameter.isfinite().all()) for parameter in model.parameters())
    if lost or error > FAR * spread or error == math.inf:
        remove_checkpoints(directory)
        seen = [c.far for c in trainer.callbacks if isinstance(c, StopWhereDiverged) and c.far]  # pyright: ignore[reportAttributeAccessIssue]
        where, batch = seen[0] if seen else ("no batch stands out", None)
        said = f"its best validation error is {error:.3g}, and {where}"
        raise DivergedError(_sentence(trainer, said, _worst(model, batch)))


def _sentence(trainer: Trainer, what: str, row: int | None) -> str:
    data = getattr(trainer, "datamodule")  # noqa: B009 - set by Trainer.fit
    period, elsewhere = data.period, " and another run directory" if data.index else ""
    rates = sorted({f"{g['lr']:.3g}" for one in trainer.optimizers for g in one.param_groups})
    node = "" if row is None else f", furthest off at node {period.node_ids[row]!r}"
    whole = (Path(trainer.default_root_dir) / "last.ckpt").is_file()
    kept = "the last whole epoch, and all periods before" if whole else "all periods before"
    return (
        f"training diverged in period {period.name!r}: {what}{node}, at a learning rate of "
        f"{', '.join(rates)}. Kept: {kept}. Give a smaller learning rate{elsewhere}, and look for "
        "readings far from all others with: eac data check"
    )
