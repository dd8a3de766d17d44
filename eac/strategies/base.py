"""The contract of a strategy: what to start from, which nodes to learn on, what to freeze."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.continual.probe import TrainingSettings
from eac.continual.updates import open_updates
from eac.data.batches.batch import Batch, Inputs
from eac.data.batches.view import PeriodView
from eac.data.core.graph import Graph
from eac.data.core.period import NodeChange
from eac.described import Described
from eac.protocols.draws import Draws, OwnDraws
from eac.records.update import UpdateRecord
from eac.typing import ForecastMemory, NodeIndex, NodeSeries

Asked = Literal["tune prompts", "refresh everything"]
"""What somebody, such as a monitor, may ask of the next period."""


@dataclass(frozen=True, eq=False)
class PeriodContext:
    """What a strategy knows when a period begins or ends: this period and the one before.

    Attributes:
        index: Position in the stream, from 0.
        seed: Random seed of this period.
        current: The period at hand.
        previous: The period before, or None at the start.
        change: Ids kept, new, returned and gone.
        training: How the forecaster trains, for a strategy that tries something out.
        draws: Where first values come from, by the seed of the run.
        asked: What the period is asked for; None: nothing.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.core.period import NodeChange
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=4, num_periods=1, steps_per_period=300))
        >>> change = NodeChange.between(data.period.node_ids, (), set())
        >>> context = PeriodContext(0, 42, data.prepared(Needs()).view, None, change)
        >>> context.previous is None, len(context.change.new)
        (True, 4)
    """

    index: int
    seed: int
    current: PeriodView
    previous: PeriodView | None
    change: NodeChange
    training: TrainingSettings = field(default_factory=TrainingSettings)
    draws: Draws = field(default_factory=lambda: OwnDraws(torch.initial_seed()))
    asked: Asked | None = None


@dataclass(frozen=True, eq=False)
class PeriodPlan:
    """What happens in one period.

    Attributes:
        train: False skips training; the period is only tested.
        start: From the model as the last period left it, or from its first weights.
        freeze_backbone: Train what the strategy owns, and nothing of the backbone.
        train_head: With a frozen backbone, train its readout all the same.
        train_update: With a frozen backbone, train its low-rank updates, biases and scales.
        rate: Times the learning rate.
        loss_nodes: Rows of the period the loss counts; None means all.
        graph_nodes: Rows of the period trained on as a subgraph; None means all.

    Example:
        >>> plan = PeriodPlan(freeze_backbone=True)
        >>> plan.train, plan.start  # trains what the strategy owns, from the previous model
        (True, 'previous')
    """

    train: bool = True
    start: Literal["previous", "scratch"] = "previous"
    freeze_backbone: bool = False
    train_head: bool = False
    train_update: bool = False
    rate: float = 1.0
    loss_nodes: NodeIndex | None = None
    graph_nodes: NodeIndex | None = None

    def as_asked(self, asked: Asked | None) -> "PeriodPlan":
        """This plan, or to train everything on all nodes where that is asked for.

        Example:
            >>> PeriodPlan(freeze_backbone=True).as_asked("refresh everything").freeze_backbone
            False
        """
        if asked != "refresh everything":
            return self
        return PeriodPlan(start=self.start)

    def open(self, backbone: Backbone) -> None:
        """Lets what the plan names of the backbone be trained, and nothing else of it."""
        backbone.requires_grad_(not self.freeze_backbone)
        if self.train_update:
            open_updates(backbone)
        if self.train_head:
            for parameter in backbone.head_parameters():
                parameter.requires_grad_(True)

    @staticmethod
    def on_subgraph(graph: Graph, nodes: NodeIndex, num_hops: int) -> "PeriodPlan":
        """Learn on ``nodes``, in the subgraph of all they hear from; skip where there are none."""
        if not len(nodes):
            return PeriodPlan(train=False)
        return PeriodPlan(loss_nodes=nodes, graph_nodes=graph.k_hop_subgraph(nodes, num_hops))


class Strategy(Described, nn.Module, ABC):
    """Decides, period by period, who learns from what.

    Only ``plan`` must be written. The hooks are called in this order: ``attach`` once; for each
    period ``plan``, ``begin_period`` and ``select_nodes``; for each batch ``adapt_input``,
    ``adapt_features`` and (in training) ``penalty``; once the best weights are back
    ``end_training``; before each test ``begin_forecasts``, for each of its batches
    ``adapt_forecast`` and then ``end_forecasts``; and at last ``end_period``. Parameters and
    memories a strategy owns are saved with the model.

    Example:
        >>> class Frozen(Strategy):
        ...     def plan(self, context, backbone):
        ...         return PeriodPlan(train=context.index == 0)
        >>> [name for name, _ in Frozen().named_parameters()]
        []
    """

    def __init__(self):
        super().__init__()
        self._notes: list[str] = []
        self._update: UpdateRecord | None = None

    @property
    def title(self) -> str:
        """What reports call it."""
        return type(self).__name__

    @abstractmethod
    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """What to do in this period; may read the backbone as it is now, changes nothing."""

    def attach(self, backbone: Backbone) -> None:
        """Builds, once, what the strategy owns in the sizes of the backbone."""
        del backbone

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Grows, freezes or estimates what this period needs, before training."""
        del context, backbone

    def select_nodes(self, node_ids: Sequence[str]) -> None:
        """Points per-node state at the nodes of the period that comes next, by id."""
        del node_ids

    def adapt_input(self, inputs: Inputs) -> Inputs:
        """Changes what the backbone sees."""
        return inputs

    def adapt_features(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node hidden"]:
        """Changes the features between the two halves of the backbone."""
        del inputs
        return features

    def penalty(self, backbone: Backbone) -> Float[Tensor, ""] | None:
        """A term added to the training loss, or None."""
        del backbone
        return None

    def end_training(self, context: PeriodContext, backbone: Backbone) -> None:
        """Accepts, mends or takes back what was trained, before it is tested."""
        del context, backbone

    def begin_forecasts(self) -> None:
        """Forgets what earlier tests taught; forecasts come in order of time from here on."""

    def resume_forecasts(
        self, memory: ForecastMemory | None = None, since: NodeSeries | None = None
    ) -> None:
        """Readies forecasts of a finished run, in place of ``begin_forecasts``.

        Args:
            memory: What ``forecasts_memory`` gave after the forecast before; None: there was none.
            since: Where there was none, readings since the run ended, after one horizon of others.
        """
        del memory, since
        self.begin_forecasts()

    def forecasts_memory(self) -> ForecastMemory | None:
        """What the next forecast is to go on from, tensors and values of JSON; None: nothing."""
        return None

    def end_forecasts(self) -> None:
        """Keeps what a test has taught, if forecasts of a finished run are to begin with it."""

    def adapt_forecast(
        self, y_hat: Float[Tensor, "batch node horizon"], batch: Batch
    ) -> Float[Tensor, "batch node horizon"]:
        """Changes forecasts of a test, in raw units, before they are counted.

        This alone of the hooks sees targets, and must not look ahead: a target may change only
        forecasts made at its step or later.
        """
        del batch
        return y_hat

    @property
    def forecasts_apart(self) -> bool:
        """True where a test's forecast of a node does not depend on the others in its batch."""
        return type(self).adapt_forecast is Strategy.adapt_forecast

    @property
    def divides(self) -> bool:
        """True where processes may divide the sensors among them (``--run.divide_sensors``).

        Whatever it decides must then follow from what ``context.training.together`` sums up, and
        all that it keeps of a sensor must be rows of a ``PromptPool``.
        """
        return False

    def end_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Remembers what later periods need, after training."""
        del context, backbone

    def begin_notes(self, first: str = "") -> None:
        """Forgets what was left for earlier records, and leaves a first remark, if any."""
        self.take_notes()
        self.take_update()
        if first:
            self.note(first)

    def note(self, text: str) -> None:
        """Leaves a remark for the reader of this period's record."""
        self._notes.append(text)

    def take_notes(self) -> tuple[str, ...]:
        """The remarks left since they were last taken, also by strategies this one stands on."""
        taken = []
        for part in self.modules():
            if isinstance(part, Strategy):
                taken += part._notes
                part._notes = []
        return tuple(taken)

    def record_update(self, update: UpdateRecord | None) -> None:
        """Leaves what is known of this period's low-rank update for its record."""
        self._update = update

    def take_update(self) -> UpdateRecord | None:
        """What was left, also by strategies this one stands on, since it was last taken."""
        taken = None
        for part in self.modules():
            if isinstance(part, Strategy):
                taken, part._update = taken or part._update, None
        return taken
