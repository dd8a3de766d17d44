"""One period as a Lightning data module."""

import copy
from dataclasses import replace
from functools import cached_property

from jaxtyping import Int
from lightning.pytorch import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from eac.checks import check_fractions, check_least, check_shares
from eac.data.batches.batch import Batch
from eac.data.batches.drawing import check_scaled, training_batch
from eac.data.batches.loaders import BatchSizes, Loaders
from eac.data.batches.needs import Needs
from eac.data.batches.preparation import Layout, check_needs
from eac.data.batches.ready import Learner, Maker, Ready
from eac.data.batches.reservoir import Rehearsal, Reservoir
from eac.data.batches.sampler import Loader
from eac.data.batches.share import Share
from eac.data.batches.spread import Spread
from eac.data.batches.starts import Starts
from eac.data.batches.tensors import PeriodTensors
from eac.data.batches.view import PeriodView
from eac.data.core.period import Period
from eac.data.core.stream import GraphStream
from eac.data.core.windows import Split
from eac.data.readers.open import open_stream
from eac.data.series.scaling import Scaling
from eac.protocols.draws import Draws, OwnDraws, period_seed
from eac.protocols.protocol import PROTOCOLS, ProtocolName
from eac.typing import NodeIndex, Part, StrPath


class PeriodData(LightningDataModule):
    """Windows of one period of a stream.

    ``prepared`` gives the period ready for a backbone, ``planned`` for a training; without a runner
    ``setup`` does both. Loaders yield start steps; the model's device gathers the windows of these.

    Args:
        stream: A stream, or the path of one.
        period: Position or name of the period.
        window: Past steps in (published: 12).
        horizon: Future steps out (published: 12).
        batch_size: Windows in a training batch (published: 64 or 128), all processes together.
        eval_batch_size: Windows in a batch of validation or test; fewer of a large network. Under
            ``published`` a validation takes ``batch_size``, as there.
        val_windows: Of a validation during training, at most (see ``Ready.spread``); null: all.
        train_fraction: Share of the period that is trained on (published: 0.6; few-shot: 0.2).
        val_fraction: Share that follows, for early stopping; the rest is the test part.
        rehearsal: Share of the training windows drawn from earlier periods, for nodes they had:
            with ``nodes_per_window`` from a ``Reservoir``; else as far back as
            ``REHEARSED_READINGS`` reach, which needs periods on one clock.
        disguise: Share of the training windows with weekly history and day of another weekday.
        level_shift: Share of the training windows moved and stretched at random, targets included.
        carry: Share of a reading that a gap keeps with each step; 0 fills gaps with the mean.
        nodes_per_window: Nodes of a training window, drawn for each; null takes all. For backbones
            that hear neighbours through their whole series alone, if at all.
        steps_per_epoch: Batches in an epoch; null: as many as show each window once.
        refit_epochs: Epochs that follow in the end on training and validation part together.
        holidays: Country whose public holidays count as the last day of a week, such as ``NO`` or
            ``DE-BY``; null: none. For streams with time stamps; needs ``eac[holidays]``.
        scaling: Of inputs and targets, fitted on the training part; null: as the protocol says.
        null_value: Readings equal to this do not count for ``scaling``; null: as the protocol says.
        protocol: How inputs are scaled and errors counted.
        seed: Of the order of training windows, which ``draws`` gives.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> stream = SyntheticStream(num_nodes=3, num_periods=2, steps_per_period=300)
        >>> data = PeriodData(stream, window=12, horizon=6).for_period(1)
        >>> data.period.name, len(data.starts("test"))
        ('1', 43)
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
        level_shift: float = 0.0,
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
        check_least(1, window=window, horizon=horizon, val_windows=val_windows)
        check_least(1, batch_size=batch_size, eval_batch_size=eval_batch_size)
        check_least(1, nodes_per_window=nodes_per_window, steps_per_epoch=steps_per_epoch)
        check_least(0, refit_epochs=refit_epochs)
        check_fractions(train_fraction, val_fraction)
        check_shares(rehearsal=rehearsal, disguise=disguise, level_shift=level_shift, carry=carry)
        check_scaled(level_shift, PROTOCOLS[protocol], scaling)
        self.stream = stream if isinstance(stream, GraphStream) else open_stream(stream)
        self.window, self.horizon, self.period_key = window, horizon, period
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.val_windows, self.fractions = val_windows, (train_fraction, val_fraction)
        self.rehearsal, self.disguise, self.level_shift = rehearsal, disguise, level_shift
        self.nodes_per_window, self.steps_per_epoch = nodes_per_window, steps_per_epoch
        self.protocol = rules = PROTOCOLS[protocol]
        self.null_value = null = rules.null_value if null_value is None else null_value
        some = nodes_per_window is not None
        self.layout = Layout(window, horizon, rules, scaling, null, carry, holidays, some)
        self.seed, self.refit_epochs, self._refitting = seed, refit_epochs, False
        self.draws: Draws = OwnDraws(seed)
        self._past: Reservoir | None = None
        self._rehearsal: Rehearsal | None = None
        self._ready: Ready | None = None
        self.share: Share | None = None
        self._made: dict[Needs, Ready] = {}
        self._maker = Maker(self.layout, self.fractions, rehearsal, nodes_per_window)

    def for_period(self, period: int | str) -> "PeriodData":
        """The same settings on another period of the same stream."""
        other = self._with(None)
        other.period_key, other.draws, other._made = period, OwnDraws(self.seed), {}
        other._past = other._rehearsal = other.share = None
        other._maker = replace(self._maker, share=None)
        for known in ("period", "index"):
            other.__dict__.pop(known, None)
        return other

    def of_share(self, share: Share) -> "PeriodData":
        """The period with the sensors of a share alone."""
        other = self._with(None, {})
        other.share, other._maker = share, replace(self._maker, share=share)
        other.__dict__["period"] = share.period
        return other

    def prepared(self, needs: Needs) -> "PeriodData":
        """The period, with what a backbone needs; made once for the same needs.

        Raises:
            ConfigError: If settings and needs do not go together.
        """
        if self._ready is not None and self._ready.needs == needs:
            return self
        check_needs(needs, self.nodes_per_window)
        return self._with(self._made_for(needs))

    def planned(
        self, nodes: NodeIndex | None, loss_nodes: NodeIndex | None, draws: Draws
    ) -> "PeriodData":
        """The same, trained and validated on ``nodes``, with a loss over ``loss_nodes``.

        Both are rows of the period, None all of them; ``draws`` gives the order of the windows.
        """
        other = self._with(self.ready.restricted(nodes, loss_nodes))
        other.draws, other._rehearsal = draws, None
        return other

    def remembering(self, past: Reservoir | None) -> "PeriodData":
        """The same with what is known of the earlier periods; None reads them when it is needed."""
        other = self._with(self._ready)
        other._past, other._rehearsal = past, None
        return other

    @property
    def past(self) -> Reservoir:
        """What is kept of the periods before, from which rehearsal draws."""
        if self._past is None:
            needs = self.ready.needs
            self._past = self._maker.past(self.stream, self.index, needs, self.seed)
        return self._past

    def past_after(self) -> Reservoir:
        """What is kept once this period is over."""
        seed = period_seed(self.seed, self.index)
        return self._maker.with_period(self.past, self.ready, self.period, seed)

    def setup(self, stage: str) -> None:
        """Lets the model have the period as it needs it; one that a runner prepared stays so."""
        del stage
        model = None if self.trainer is None else self.trainer.lightning_module
        self._ready = model.made_ready(self) if isinstance(model, Learner) else self._ready

    @property
    def ready(self) -> Ready:
        """The period made ready; as for a backbone without needs, where nobody prepared it."""
        return self._made_for(Needs()) if self._ready is None else self._ready

    def for_refit(self) -> "PeriodData":
        """The same period, whose training windows come from its validation part too."""
        other = self._with(self._ready)
        other._refitting = True
        return other

    @cached_property
    def index(self) -> int:
        """Position of the period in the stream."""
        return self.stream.index_of(self.period_key)

    @cached_property
    def period(self) -> Period:
        """The period, read on first use."""
        return self.stream.load(self.index)

    @property
    def split(self) -> Split:
        """Steps of each part."""
        return Split.by_fraction(self.period.num_steps, self.fractions)

    @property
    def full(self) -> PeriodTensors:
        """All nodes of the period."""
        return self.ready.full

    @property
    def view(self) -> PeriodView:
        """The period as strategies see it."""
        return PeriodView(self.period, self.full, self.split)

    def at_rest(self, ready: Ready | None = None) -> "PeriodData":
        """The same, holding the period alone, and this of it, until it is made ready again."""
        return self._with(ready, {})

    def starts(self, part: Part) -> Int[Tensor, " window"]:
        """First steps of the windows of one part, in order of time."""
        return self._starts.of(part)

    def train_dataloader(self) -> Loader:
        """Shuffled training windows, among them the share rehearsed from earlier periods."""
        past, seeds = self._rehearsed, self.draws.order_seeds(self.index)
        older = self._starts.before(self.full) if past is None else past.starts
        return self._loaders.training(older, seeds, with_validation=self._refitting)

    def val_dataloader(self) -> Loader:
        """Validation windows, in order of time unless the protocol says otherwise."""
        return self._loaders.validation(self.val_spread)

    @property
    def val_spread(self) -> Spread | None:
        """The nodes that each window of a validation during training takes; None: all of them."""
        return self.ready.spread(self._loaders.val_starts, self.protocol) if self._fitting else None

    def test_dataloader(self) -> Loader:
        """Test windows in order of time."""
        return self._loaders.in_time(self.starts("test"), self.eval_batch_size)

    def predict_dataloader(self) -> Loader:
        """The test windows again."""
        return self.test_dataloader()

    def on_after_batch_transfer(self, batch: Int[Tensor, " batch"], dataloader_idx: int) -> Batch:
        """Gathers the windows that begin at the start steps of ``batch``."""
        del dataloader_idx
        trainer, fitting = self.trainer, self._fitting
        tensors = (self.ready.trained if fitting else self.ready.tested).on(batch.device)
        if trainer is None or not (fitting and trainer.training):
            return self.ready.measured(tensors, batch, self.val_spread)
        drawn = {"disguise": self.disguise, "level_shift": self.level_shift}
        return training_batch(tensors, batch, self.nodes_per_window, self._rehearsed, **drawn)

    def _with(self, ready: Ready | None, made: dict[Needs, Ready] | None = None) -> "PeriodData":
        other = copy.copy(self)
        other._ready, other._made = ready, self._made if made is None else made
        return other

    def _made_for(self, needs: Needs) -> Ready:
        if needs not in self._made:
            self._made[needs] = self._maker.made(self.stream, self.index, self.period, needs)
        return self._made[needs]

    @property
    def _starts(self) -> Starts:
        return Starts(self.split, self.window, self.horizon, self.protocol, self.period.name)

    @property
    def _loaders(self) -> Loaders:
        training = self.batch_size, self.steps_per_epoch, self.rehearsal
        sizes = BatchSizes(*training, self.eval_batch_size, self.val_windows)
        return Loaders(self._starts, self.period.num_nodes, sizes, self.trainer, self.share)

    @property
    def _rehearsed(self) -> Rehearsal | None:
        """The windows of earlier periods that a training draws from; None where there are none."""
        if self._rehearsal is None and self._maker.samples:
            self._rehearsal = self.ready.rehearsal(lambda: self.past, self.period, self.share)
        return self._rehearsal or None

    @property
    def _fitting(self) -> bool:
        return self.trainer is not None and self.trainer.state.fn == TrainerFn.FITTING
