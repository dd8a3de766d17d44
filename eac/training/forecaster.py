"""The Lightning module: a backbone and a strategy, trained on the batches of one period."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from eac.backbones.base import Backbone
from eac.backbones.outputs import ManyOutputs
from eac.backbones.revin import RevIN
from eac.continual.probe import OptimizerFactory, TrainingSettings, adamw
from eac.continual.start import begin_backbone
from eac.continual.together import ALONE, Together
from eac.cpu import in_one_kernel, side_by_side
from eac.data.batches.batch import Batch, Inputs
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.ready import Ready
from eac.data.core.graph import Graph
from eac.data.core.period import NodeChange
from eac.metrics.horizon import HorizonErrors
from eac.metrics.losses import MSE, Loss
from eac.protocols.draws import OwnDraws
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy
from eac.strategies.forecast import scaled_forecast
from eac.training.counting import Counted
from eac.training.objective import weighted_loss
from eac.training.pace import share_of_rate, stepping

SchedulerFactory = Callable[[Optimizer], LRScheduler]


class Forecaster(LightningModule):
    """Forecasts with ``backbone``, learns as ``strategy`` says.

    Args:
        backbone: The spatio-temporal network.
        strategy: Who learns from what, period by period.
        optimizer: Built for each period from what requires a gradient then.
        lr_scheduler: Built on that optimizer; stepped after each epoch (``WarmupCosine``: after
            each batch). None keeps the rate.
        loss: Over observed targets (published: MSE on raw targets).
        loss_steps: ``cumulative`` weighs each step as the mean of the cumulative errors does, in
            which near steps count more; ``equal`` counts all alike.
        loss_units: ``raw`` weighs each node's error by its scale, as an error in raw units does;
            ``scaled`` counts all nodes alike.
        revin: Reversible instance normalisation: the deviation, in scaled units, below which a
            window counts as constant, such as 0.1; None leaves windows as they are.

    Attributes:
        node_ids: Ids of the nodes it is pointed at; None before its first period.

    Example:
        >>> import torch
        >>> from eac import EAC, STGNN, Graph
        >>> model = Forecaster(STGNN(window=12, horizon=6), EAC(rank=6))
        >>> model.select_nodes(["a", "b"])
        >>> model.forecast(torch.zeros(4, 2, 12), Graph.empty(2)).shape
        torch.Size([4, 2, 6])
    """

    def __init__(
        self,
        backbone: Backbone,
        strategy: Strategy,
        *,
        optimizer: OptimizerFactory = adamw,
        lr_scheduler: SchedulerFactory | None = None,
        loss: Loss | None = None,
        loss_steps: Literal["equal", "cumulative"] = "equal",
        loss_units: Literal["scaled", "raw"] = "scaled",
        revin: float | None = None,
    ):
        super().__init__()
        self.loss = loss or MSE()
        outputs = self.loss.outputs
        self.made_from = (backbone, strategy, self.loss, revin)
        backbone = backbone if outputs == 1 else ManyOutputs(backbone, outputs)
        self.backbone = backbone if revin is None else RevIN(backbone, revin)
        self.strategy = strategy
        strategy.attach(self.backbone)
        self.loss_steps: Literal["equal", "cumulative"] = loss_steps
        self.loss_units: Literal["scaled", "raw"] = loss_units
        self.node_ids: tuple[str, ...] | None = None
        self._optimizer = optimizer
        self._lr_scheduler = lr_scheduler
        self._counted: Counted | None = None
        self._loss_sum: Tensor | None = None
        self.plan_rate = 1.0
        self.together: Together = ALONE

    def forward(self, batch: Batch) -> Float[Tensor, "batch node horizon"]:
        """Forecasts in raw units; of a loss with several outputs the one that counts."""
        return self.loss.point(self.outputs(batch))

    def outputs(self, batch: Batch) -> Float[Tensor, "*output batch node horizon"]:
        """Forecasts in raw units, every output of the loss."""
        parts = batch.parts(self.backbone.at_once)
        made = side_by_side(self._raw, parts) if batch.y.is_cpu else list(map(self._raw, parts))
        return made[0] if len(made) == 1 else torch.cat(made, dim=-2)

    def _raw(self, gather: Callable[[], Batch]) -> Float[Tensor, "*output batch node horizon"]:
        batch = gather()
        return batch.scaler.inverse(self.scaled_forecast(batch.inputs, batch.graph))

    def scaled_forecast(
        self, inputs: Inputs, graph: Graph
    ) -> Float[Tensor, "*output batch node horizon"]:
        """Forecasts in the units of the backbone."""
        return scaled_forecast(self.strategy, self.backbone, inputs, graph)

    @torch.no_grad()
    def forecast(
        self, x: Float[Tensor, "batch node window"], graph: Graph
    ) -> Float[Tensor, "batch node horizon"]:
        """What the model makes of windows that are already scaled, as published models take them.

        The nodes are those last selected, in the same order.
        """
        return self.scaled_forecast(Inputs(x), graph)

    def plan_period(self, context: PeriodContext) -> PeriodPlan:
        """What the strategy or a request says is to happen in the period; changes nothing."""
        return self.strategy.plan(context, self.backbone).as_asked(context.asked)

    def training_settings(self, data: PeriodData) -> TrainingSettings:
        """How this model trains on ``data``, for a strategy that tries something out."""
        loss = partial(self._batch_loss, data=data)
        null, judged, some = data.null_value, self.loss.judged, data.nodes_per_window
        together, count = self.together, self.together.total(data.period.num_nodes)
        share = min(1.0, (some or count) / count)
        size = max(1, round(data.batch_size * share))
        drawn = some and some * data.batch_size // together.processes
        made = (loss, self._optimizer, size, null, judged, bool(some), drawn)
        return TrainingSettings(*made, together=together)

    def begin_period(self, context: PeriodContext, plan: PeriodPlan) -> None:
        """Lets the strategy prepare the period, and freezes what the plan says."""
        fresh = context.previous is None or plan.start == "scratch"
        context.draws.first_weights(self.backbone, keep=fresh)
        self.strategy.begin_period(context, self.backbone)
        self.select_nodes(context.current.period.node_ids)
        begin_backbone(self.backbone, context.current, self.together, fresh=fresh)
        plan.open(self.backbone)
        self.plan_rate = plan.rate

    def select_nodes(self, node_ids: Sequence[str]) -> None:
        """Points the model at the nodes of a period, by id."""
        self.strategy.select_nodes(node_ids)
        self.node_ids = tuple(node_ids)

    def made_ready(self, data: LightningDataModule) -> Ready:
        """The period as the backbone needs it; a model without a period yet begins with this one.

        Lightning asks for this where no runner prepared the period.
        """
        data = _period_data(data).prepared(self.backbone.needs)
        node_ids = data.period.node_ids
        if self.node_ids is None:
            change = NodeChange.between(node_ids, (), set())
            training, draws = self.training_settings(data), OwnDraws(data.seed)
            context = PeriodContext(0, data.seed, data.view, None, change, training, draws)
            self.begin_period(context, self.plan_period(context))
        elif self.node_ids != node_ids:
            self.select_nodes(node_ids)
        return data.ready

    @property
    def period_data(self) -> PeriodData:
        """The data module of the period at hand."""
        return _period_data(getattr(self.trainer, "datamodule", None))

    def forget_training(self) -> None:
        """Lets go of the trainer and the data of the last training, which a copy would copy."""
        self.trainer = None
        self._counted = self._loss_sum = None

    def configure_optimizers(self) -> Any:
        """The optimizer over what requires a gradient now."""
        share = share_of_rate(self.trainer.callbacks, self.period_data.index)  # pyright: ignore[reportAttributeAccessIssue]
        optimizer, scheduler = self.make_optimizer(share)
        in_one_kernel(optimizer)
        if scheduler is None:
            return optimizer
        return [optimizer], [stepping(scheduler, self.trainer.estimated_stepping_batches)]

    def make_optimizer(self, share: float = 1.0) -> tuple[Optimizer, LRScheduler | None]:
        """A new optimizer at a share of its rate, and its schedule, if any."""
        optimizer = self._optimizer([p for p in self.parameters() if p.requires_grad])
        for group in optimizer.param_groups:
            group["lr"] *= share * self.plan_rate
        return optimizer, None if self._lr_scheduler is None else self._lr_scheduler(optimizer)

    def training_step(self, batch: Batch, batch_idx: int) -> Float[Tensor, ""]:
        """Loss over the nodes of the plan, plus the strategy's penalty."""
        del batch_idx
        y_hat = self.scaled_forecast(batch.inputs, batch.graph)
        loss = self._batch_loss(y_hat, batch, self.period_data)
        penalty = self.strategy.penalty(self.backbone)
        loss = loss if penalty is None else loss + penalty
        self._loss_sum = loss.detach() + (0.0 if self._loss_sum is None else self._loss_sum)
        return loss

    def _batch_loss(
        self, y_hat: Float[Tensor, "*output batch node horizon"], batch: Batch, data: PeriodData
    ) -> Float[Tensor, ""]:
        return weighted_loss(
            self.loss, y_hat, batch, data, units=self.loss_units, steps=self.loss_steps
        )

    def on_train_epoch_end(self) -> None:
        """Logs the mean loss of the epoch."""
        if self._loss_sum is not None:
            loss = self._loss_sum / self.trainer.num_training_batches
            self.log("train/loss", loss, sync_dist=True)
        self._loss_sum = None

    def on_validation_epoch_start(self) -> None:
        """Starts counting errors afresh."""
        by_batch = self.period_data.protocol.validate_by_batch
        self._counted = Counted(self.period_data, by_batch=by_batch, together=self.together)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Counts errors on the nodes that are learned on, as the loss weighs their signs."""
        del batch_idx
        self._now_counted.add(batch, self.loss.judged(self.outputs(batch), batch.y))

    def on_validation_epoch_end(self) -> None:
        """Logs the MAE over all steps, which early stopping watches, and its own error."""
        self._now_counted.add_other_processes(self.trainer)
        counted, some = self._now_counted, self.period_data.val_spread
        self.log("val/MAE", counted.mean(), prog_bar=True, sync_dist=True)
        if (error := counted.standard_error(some)) is not None:
            self.log("val/standard_error", error, sync_dist=True)

    def on_test_epoch_start(self) -> None:
        """Starts counting errors, and learning from them, afresh."""
        self._counted = Counted(self.period_data, together=self.together)
        self.strategy.begin_forecasts()

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Counts errors of all nodes, per node and horizon; gives the forecasts as ``y_hat``."""
        del batch_idx
        y_hat = self.strategy.adapt_forecast(self(batch), batch)
        self._now_counted.add(batch, y_hat)
        return {"y_hat": y_hat}

    def on_test_epoch_end(self) -> None:
        """Logs the errors over all nodes."""
        self.strategy.end_forecasts()
        self._now_counted.add_other_processes(self.trainer)
        self.log("test/MAE", self._now_counted.mean(), sync_dist=True)
        self._now_counted.gather()

    def on_predict_epoch_start(self) -> None:
        """Starts learning from earlier forecasts afresh."""
        self.strategy.begin_forecasts()

    def predict_step(self, batch: Batch, batch_idx: int) -> Float[Tensor, "batch node horizon"]:
        """Forecasts in raw units, those of a test."""
        del batch_idx
        return self.strategy.adapt_forecast(self(batch), batch)

    @property
    def errors(self) -> HorizonErrors:
        """Errors counted in the last validation or test."""
        return self._now_counted.errors

    @property
    def _now_counted(self) -> Counted:
        if self._counted is None:
            raise RuntimeError("no errors were counted yet; validate or test first.")
        return self._counted

    def parameter_counts(self) -> tuple[int, int]:
        """Trainable and total number of parameters."""
        total = sum(p.numel() for p in self.parameters())
        return sum(p.numel() for p in self.parameters() if p.requires_grad), total

    def print_trainable_parameters(self) -> None:
        """Prints trainable and total parameters, in the words PEFT users know."""
        trainable, total = self.parameter_counts()
        print(
            f"trainable params: {trainable:,} || all params: {total:,} || "
            f"trainable%: {100 * trainable / max(total, 1):.4f}"
        )


def _period_data(data: object) -> PeriodData:
    if not isinstance(data, PeriodData):
        raise TypeError("Forecaster trains on PeriodData; pass datamodule=PeriodData(...).")
    return data
