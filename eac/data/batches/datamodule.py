"""One period as a Lightning data module."""

import copy
from dataclasses import replace
from functools import cached_property, partial

import torch
from jaxtyping import Int
from lightning.pytorch import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.utils.data import DataLoader

from eac.data.batches.batch import Batch
from eac.data.batches.context import WantsContext, lag_steps, steps_before
from eac.data.batches.drawing import draw_disguises, draw_nodes
from eac.data.batches.intake import Intake, before_period, check_mapped, covariate_scale, prepare
from eac.data.batches.sampler import SharedBatches, StartBatches, Starts, epoch_seed
from eac.data.batches.scaling import Scaling
from eac.data.batches.tensors import PeriodTensors, PeriodView
from eac.data.core.covariates import CovariateScale
from eac.data.core.period import Period
from eac.data.core.stream import GraphStream
from eac.data.core.windows import Split, check_counts, check_fractions, check_shares, window_starts
from eac.data.readers.open import open_stream
from eac.errors import ConfigError
from eac.protocols.protocol import PROTOCOLS, ProtocolName
from eac.protocols.published_draws import PublishedDraws
from eac.typing import NodeIndex, Part, StrPath

Loader = DataLoader[Int[Tensor, " batch"]]

EVAL_READINGS = 1 << 23
"""Readings in a batch of validation or test (32 MiB); larger blocks are returned to the system."""


class PeriodData(LightningDataModule):
    """Windows of one period of a stream.

    A loader yields start steps; the windows are gathered on the device of the model, from one
    copy of the series.

    Args:
        stream: A stream, or the path of one.
        period: Position or name of the period.
        window: Past steps in (published: 12).
        horizon: Future steps out (published: 12).
        batch_size: Windows in a training batch (published: 64 or 128), all processes together.
        eval_batch_size: Windows in a batch of validation or test; fewer where the network is so
            large that they would not stay in memory that is used again. Under ``published`` a
            validation takes ``batch_size``, as there.
        val_windows: Windows of a validation during training, at most, evenly spread; null: all.
        train_fraction: Share of the period that is trained on (published: 0.6; few-shot: 0.2).
        val_fraction: Share that follows, for early stopping; the rest is the test part.
        rehearsal: Share of the training windows drawn from all earlier periods, for nodes they
            had; needs periods on one clock.
        disguise: Share of the training windows whose weekly history and day of the week are those
            of another weekday, as on a holiday.
        carry: Share of a reading that a gap keeps with each step; 0 fills gaps with the mean.
        nodes_per_window: Nodes of a training window, drawn for each; null takes all. For backbones
            that hear neighbours through their whole series alone, if at all.
        steps_per_epoch: Batches in an epoch; null: as many as show each window once.
        refit_epochs: Epochs that follow in the end on training and validation part together.
        holidays: Country whose public holidays count as the last day of a week, such as ``NO`` or
            ``DE-BY``; null: none. For streams with time stamps; needs ``eac[holidays]``.
        scaling: Of inputs and targets, fitted on the training part; null: as the protocol says.
        null_value: Readings equal to this are left out of what ``scaling`` is fitted to; null: as
            the protocol says.
        protocol: How inputs are scaled and errors counted.
        seed: Of the order of training windows.

    Attributes:
        draws: Gives that order in its place, in a run whose protocol draws as published.
    """

    def __init__(
        self,
        stream: GraphStream | StrPath,
        *,
        period: int | str = 0,
        window: int = 12,
        horizon: int = 12,
        batch_size: int = 64,
        eval_batch_size: int = 64,
        val_windows: int | None = None,
        train_fraction: float = 0.6,
        val_fraction: float = 0.2,
        rehearsal: float = 0.0,
        disguise: float = 0.0,
        carry: float = 0.0,
        nodes_per_window: int | None = None,
        steps_per_epoch: int | None = None,
        refit_epochs: int = 0,
        holidays: str | None = None,
        scaling: Scaling | None = None,
        null_value: float | None = None,
        protocol: ProtocolName = "strict",
        seed: int = 0,
    ):
        super().__init__()
        check_counts(window=window, horizon=horizon, val_windows=val_windows)
        check_counts(batch_size=batch_size, eval_batch_size=eval_batch_size)
        check_counts(nodes_per_window=nodes_per_window, steps_per_epoch=steps_per_epoch)
        check_fractions(train_fraction, val_fraction)
        check_shares(rehearsal=rehearsal, disguise=disguise, carry=carry)
        if refit_epochs < 0:
            raise ConfigError(f"refit_epochs={refit_epochs}: give 0 or more.")
        self.stream = stream if isinstance(stream, GraphStream) else open_stream(stream)
        self.period_key = period
        self.window = window
        self.horizon = horizon
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.val_windows = val_windows
        self.fractions = (train_fraction, val_fraction)
        self.rehearsal = rehearsal
        self.disguise = disguise
        self.nodes_per_window = nodes_per_window
        self.steps_per_epoch = steps_per_epoch
        self.refit_epochs = refit_epochs
        self.lags: tuple[str, ...] = ()
        self.covariates: tuple[str, ...] = ()
        self.protocol = PROTOCOLS[protocol]
        null_value = self.protocol.null_value if null_value is None else null_value
        self.intake = Intake(
            window, horizon, (), scaling, null_value, carry=carry, holidays=holidays
        )
        self.seed = seed
        self.draws: PublishedDraws | None = None
        self._refitting = False
        self._period: Period | None = None
        self._full: PeriodTensors | None = None
        self._learning: PeriodTensors | None = None

    def for_period(self, period: int | str) -> "PeriodData":
        """The same settings on another period of the same stream."""
        other = copy.copy(self)
        other.period_key = period
        other._period = other._full = other._learning = None
        return other

    def for_refit(self) -> "PeriodData":
        """The same period, whose training windows come from its validation part too."""
        other = copy.copy(self)
        other._refitting = True
        return other

    @property
    def index(self) -> int:
        """Position of the period in the stream."""
        return self.stream.index_of(self.period_key)

    @property
    def period(self) -> Period:
        """The period, read on first use."""
        if self._period is None:
            self._period = self.stream.load(self.index)
        return self._period

    @property
    def split(self) -> Split:
        """Steps of each part."""
        return Split.by_fraction(self.period.num_steps, self.fractions)

    @property
    def full(self) -> PeriodTensors:
        """All nodes of the period."""
        if self._full is None:
            check_mapped(
                self.period,
                carry=self.intake.carry,
                rehearsal=self.rehearsal,
                nodes_per_window=self.nodes_per_window,
            )
            lags = lag_steps(self.lags, self.period.calendar, self.horizon)
            lead = max((lag.steps for lag in lags), default=0) + self._steps_rehearsed()
            intake = replace(self.intake, lags=lags, covariates=self.covariate_scale)
            before = before_period(self.stream, self.index, lead, self.covariates)
            self._full = prepare(self.period, self.split, self.protocol, intake, before)
        return self._full

    @cached_property
    def covariate_scale(self) -> CovariateScale | None:
        """How covariates are scaled throughout the stream; fitted to its first period once."""
        return covariate_scale(self.stream, self.covariates, self.fractions)

    @property
    def view(self) -> PeriodView:
        """The period as strategies see it."""
        return PeriodView(self.period, self.full, self.split)

    @property
    def learning(self) -> PeriodTensors:
        """The nodes that are trained and validated on."""
        return self._learning or self.full

    def learn_on(self, nodes: NodeIndex | None, loss_nodes: NodeIndex | None) -> None:
        """Restricts training and validation to ``nodes``, with a loss over ``loss_nodes``."""
        everything = torch.arange(self.period.num_nodes)
        if nodes is not None or loss_nodes is not None:
            nodes = everything if nodes is None else nodes
            self._learning = self.full.subset(nodes, loss_nodes)

    def use_context_of(self, backbone: WantsContext) -> None:
        """Gives batches the seasonal history and the covariates that the backbone asks for.

        Raises:
            ConfigError: If windows are to hold some of the nodes and the backbone needs them all.
        """
        if self.nodes_per_window is not None and (backbone.hops is None or backbone.hops > 1):
            raise ConfigError(
                f"nodes_per_window={self.nodes_per_window}: {type(backbone).__name__} hears nodes "
                "that such a window leaves out. Leave it at null for this backbone."
            )
        if (self.lags, self.covariates) != (backbone.lags, backbone.covariates):
            self.lags, self.covariates = backbone.lags, backbone.covariates
            self._full = self._learning = None
            self.__dict__.pop("covariate_scale", None)

    def apply_graph_once(self, backbone: WantsContext) -> None:
        """Lets the backbone apply the graph to the whole series instead of to each window."""

        def applied(tensors: PeriodTensors) -> PeriodTensors:
            tensors = tensors.with_neighbours(backbone.neighbour_series)
            return tensors if self.nodes_per_window is None else tensors.by_node()

        self._full = applied(self.full)
        self._learning = None if self._learning is None else applied(self._learning)

    def starts(self, part: Part) -> Int[Tensor, " window"]:
        """First steps of the windows of one part, in order of time."""
        starts = window_starts(
            self.split.part(part), self.window, self.horizon, period=self.period.name, part=part
        )
        return starts if self.protocol.keep_last_window or len(starts) == 1 else starts[:-1]

    def train_dataloader(self) -> Loader:
        """Shuffled training windows, among them the share rehearsed from earlier periods."""
        own, older = self.starts("train"), self._older_starts()
        if self._refitting:
            own = torch.arange(int(own[0]), int(self.starts("val")[-1]) + 1)
        own = own.flip(0) if self.protocol.seed_for_seed else own
        seed_of = partial(epoch_seed, self.seed * 1009 + self.index)
        sampler = StartBatches(
            len(own),
            self.batch_size,
            seed_of=seed_of if self.draws is None else self.draws.order_seed,
            num_older=len(older),
            older_share=self.rehearsal,
            num_batches=self.steps_per_epoch,
        )
        return self._loader(torch.cat([own, older]), sampler, fill=True)

    def val_dataloader(self) -> Loader:
        """Validation windows, in order of time unless the protocol says otherwise."""
        starts = self.starts("val")
        if self.val_windows is not None:
            starts = starts[:: -(-len(starts) // self.val_windows)]
        if self.protocol.seed_for_seed:
            return self._in_order(starts.flip(0), self.batch_size)
        return self._in_order(starts, self.eval_batch_size)

    def test_dataloader(self) -> Loader:
        """Test windows in order of time."""
        return self._in_order(self.starts("test"), self.eval_batch_size)

    def predict_dataloader(self) -> Loader:
        """The test windows again."""
        return self.test_dataloader()

    def on_after_batch_transfer(self, batch: Int[Tensor, " batch"], dataloader_idx: int) -> Batch:
        """Gathers the windows that begin at the start steps of ``batch``."""
        del dataloader_idx
        trainer = self.trainer
        fitting = trainer is not None and trainer.state.fn == TrainerFn.FITTING
        tensors = self._on(batch.device, learning=fitting)
        if trainer is None or not (fitting and trainer.training):
            return tensors.batch(batch)
        days = draw_disguises(tensors, self.disguise, len(batch))
        return tensors.batch(batch, days, draw_nodes(tensors, self.nodes_per_window, len(batch)))

    @property
    def windows_of_all(self) -> int:
        """Windows of all nodes that hold as much as a training batch."""
        share = min(1.0, (self.nodes_per_window or self.period.num_nodes) / self.period.num_nodes)
        return max(1, round(self.batch_size * share))

    def _steps_rehearsed(self) -> int:
        return steps_before(self.stream, self.index) if self.rehearsal else 0

    def _older_starts(self) -> Int[Tensor, " window"]:
        """First steps, before the period, of windows that end before it."""
        lags = (lag.steps for lag in self.full.lags)
        reached = self.full.lead - max(lags, default=0)
        return torch.arange(-reached, max(1 - self.window - self.horizon, -reached))

    def _on(self, device: torch.device, *, learning: bool) -> PeriodTensors:
        if learning and self._learning is not None:
            self._learning = self._learning.to(device)
            return self._learning
        self._full = self.full.to(device)
        return self._full

    def _in_order(self, starts: Int[Tensor, " window"], most: int) -> Loader:
        fitting = EVAL_READINGS // (self.period.num_nodes * max(self.window, self.horizon))
        batches = StartBatches(len(starts), min(most, max(1, fitting)), seed_of=None)
        return self._loader(starts, batches, fill=False)

    def _loader(
        self, starts: Int[Tensor, " window"], batches: StartBatches, *, fill: bool
    ) -> Loader:
        """A loader of start steps; several processes share out each batch among them."""
        sampler, trainer = batches, self.trainer
        if trainer is not None and trainer.world_size > 1:
            sampler = SharedBatches(batches, trainer.global_rank, trainer.world_size, fill=fill)
        generator = torch.Generator().manual_seed(0)
        return DataLoader(Starts(starts), sampler=sampler, batch_size=None, generator=generator)
