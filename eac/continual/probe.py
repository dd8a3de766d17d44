"""Short trainings and cheap measurements, from which a strategy decides about a period."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.optim import Optimizer

from eac.backbones.base import Backbone
from eac.continual.features import CHUNK, batches, evaluating, training_starts
from eac.continual.together import ALONE, Together
from eac.data.batches.batch import Batch
from eac.data.batches.spread import Drawn, spread
from eac.data.batches.view import PeriodView
from eac.data.core.windows import window_starts
from eac.metrics.horizon import HorizonErrors
from eac.metrics.losses import MSE
from eac.typing import NodeIndex

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]
State = dict[str, Tensor]
Judged = Callable[[Tensor, Tensor], Tensor]
AS_THEY_ARE: Judged = MSE().judged

COMPARED = 1 << 17
"""Windows x nodes on which states of a model are compared, all on the same ones."""
WINDOWS_DRAWN = 32
"""Windows of a probe's batch whose nodes are drawn."""


def adamw(parameters: Iterable[nn.Parameter]) -> Optimizer:
    """AdamW with the published learning rate, 0.03, and torch's weight decay, 0.01.

    Example:
        >>> adamw([nn.Parameter(torch.zeros(1))]).defaults["lr"]
        0.03
    """
    return torch.optim.AdamW(parameters, lr=0.03)


def masked_mse(
    y_hat: Float[Tensor, "*output batch node horizon"], batch: Batch
) -> Float[Tensor, ""]:
    """Squared error of scaled forecasts over the targets observed.

    Example:
        >>> from eac.data.batches.batch import Inputs
        >>> from eac.data.core.graph import Graph
        >>> from eac.data.series.scaling import Scaler
        >>> y, mask = torch.tensor([[[1.0, 9.0]]]), torch.tensor([[[True, False]]])
        >>> scaler, starts = Scaler.identity(1), torch.tensor([0])
        >>> batch = Batch(Inputs(torch.zeros(1, 1, 12)), y, mask, Graph.empty(1), scaler, starts)
        >>> masked_mse(torch.tensor([[[3.0, 0.0]]]), batch)
        tensor(4.)
    """
    return MSE()(y_hat, batch.scaler.scale_target(batch.y), batch.mask)


@dataclass(frozen=True)
class TrainingSettings:
    """How the forecaster trains, for those who try out a training before it.

    Attributes:
        loss: Of scaled forecasts of a batch.
        optimizer: Made anew for each training.
        batch_size: Windows in a batch.
        null_value: Targets equal to this are left out of the errors.
        judged: Makes of forecasts and targets those forecasts whose MAE a validation counts.
        by_node: A window may hold some of the nodes alone; what would be measured on too many is
            then measured on some.
        node_windows: Windows x nodes of a batch, where a window may hold some of the nodes; a probe
            of a network with more nodes draws as many.
        together: What processes that divide the nodes sum up.

    Example:
        >>> TrainingSettings(batch_size=32).null_value is None
        True
    """

    loss: Callable[[Tensor, Batch], Tensor] = masked_mse
    optimizer: OptimizerFactory = adamw
    batch_size: int = 64
    null_value: float | None = None
    judged: Judged = AS_THEY_ARE
    by_node: bool = False
    node_windows: int | None = None
    together: Together = ALONE


class Trial(nn.Module, ABC):
    """A module that forecasts batches in scaled units and can be trained for a try.

    Attributes:
        backbone: The network inside.

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> from eac.strategies.forecast import Pair
        >>> from eac.strategies.online_all import OnlineAll
        >>> isinstance(Pair(OnlineAll(), STGNN()), Trial)
        True
    """

    backbone: Backbone

    @abstractmethod
    def forward(self, batch: Batch) -> Float[Tensor, "*output batch node horizon"]:
        """Forecasts in scaled units."""

    @abstractmethod
    def penalty(self) -> Float[Tensor, ""] | None:
        """A term added to the loss, or None."""


@dataclass(frozen=True)
class Budget:
    """How much a probe may cost.

    Attributes:
        steps: Training steps at most.
        epochs: Passes over the training windows at most.
        windows: Validation windows of a measurement at most, evenly spread.

    Example:
        >>> Budget(steps=100, epochs=3.0).num_steps(num_windows=640, batch_size=64)
        30
    """

    steps: int = 250
    epochs: float = 3.0
    windows: int = 1024

    def num_steps(self, num_windows: int, batch_size: int) -> int:
        """Steps of a probe on this many training windows; at least one."""
        return max(1, min(self.steps, int(self.epochs * num_windows / batch_size)))


def probe(
    trial: Trial, view: PeriodView, training: TrainingSettings, budget: Budget, *, seed: int
) -> float:
    """Trains for a short while what requires a gradient, and returns the validation MAE.

    What is measured, and left in ``trial``, is the mean over the second half of the steps, which
    shows after few steps and with a high learning rate what a longer training comes to (Polyak &
    Juditsky, 1992). The order of windows and every other draw follow ``seed``; the caller's
    generator stays as it was.
    """
    starts, size = training_starts(view), training.batch_size
    steps = budget.num_steps(len(starts), size)
    some = _drawn(view, training, seed)
    size = size if some is None else WINDOWS_DRAWN
    order = _shuffled(starts, steps * size, seed)
    optimizer = training.optimizer([p for p in trial.parameters() if p.requires_grad])
    mean, first = state_of(trial), steps // 2
    with torch.random.fork_rng():
        torch.manual_seed(seed % 2**63)
        trial.train()
        for step, batch in enumerate(batches(view, trial.backbone, order, size=size, some=some)):
            _step(trial, batch, training, optimizer)
            if step >= first:
                mean = between(mean, state_of(trial), 1 / (step - first + 1))
    put_state(trial, mean)
    return validation_error(trial, view, training, budget.windows)


@torch.no_grad()
def mean_error(
    trial: Trial,
    view: PeriodView,
    starts: Int[Tensor, " window"],
    *,
    nodes: NodeIndex | None = None,
    training: TrainingSettings | None = None,
    most: int | None = None,
) -> float:
    """MAE in raw units over the windows at ``starts`` and some of the nodes; NaN if unobserved.

    Where ``training`` lets a window hold some of the nodes, windows of a large network do so here
    too, ``most`` windows x nodes of all together (see ``spread``).

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> from eac.strategies.forecast import Pair
        >>> from eac.strategies.online_all import OnlineAll
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> pair = Pair(OnlineAll(), STGNN())
        >>> view = data.prepared(pair.backbone.needs).view
        >>> with torch.no_grad():
        ...     error = mean_error(pair, view, training_starts(view))
        >>> error > 0
        True
    """
    tensors, settings = view.tensors, training or TrainingSettings()
    by_node, judged, together = settings.by_node, settings.judged, settings.together
    sizes = {"most": most, "processes": together.processes}
    some = spread(starts, view.period.num_nodes, nodes, **sizes) if by_node else None
    size = CHUNK if some is None else some.at_once
    errors = HorizonErrors(view.period.num_nodes, tensors.horizon, settings.null_value)
    with evaluating(trial):
        for batch in batches(view, trial.backbone, starts, size=size, some=some):
            y_hat = batch.scaler.inverse(trial(batch))
            errors.update(judged(y_hat, batch.y), batch.y, batch.mask, batch.nodes)
    return float(together.mae(errors.totals(nodes)))


def validation_error(
    trial: Trial, view: PeriodView, training: TrainingSettings, windows: int
) -> float:
    """MAE in raw units over at most ``windows`` windows of the validation part.

    Where a window may hold some of the nodes, over ``COMPARED`` windows x nodes at most: what is
    compared is measured on the same ones.
    """
    shape = view.tensors.window, view.tensors.horizon
    starts = window_starts(view.split.val, *shape, period=view.period.name, part="val")
    starts = starts[:: -(-len(starts) // windows)]
    return mean_error(trial, view, starts, training=training, most=COMPARED)


def state_of(module: nn.Module) -> State:
    """A copy of everything a saved state holds that is a tensor of floats.

    Example:
        >>> state_of(nn.BatchNorm1d(1)).keys()
        dict_keys(['weight', 'bias', 'running_mean', 'running_var'])
    """
    named = module.state_dict().items()
    return {
        name: value.detach().clone()
        for name, value in named
        if isinstance(value, Tensor) and value.is_floating_point()
    }


@torch.no_grad()
def put_state(module: nn.Module, state: State) -> None:
    """Writes back what ``state_of`` copied from this module or from one like it.

    Example:
        >>> layer = nn.Linear(1, 1)
        >>> kept = state_of(layer)
        >>> with torch.no_grad():
        ...     layer.weight += 1.0
        ...     put_state(layer, kept)
        >>> torch.equal(layer.weight, kept["weight"])
        True
    """
    named = dict(module.named_parameters()) | dict(module.named_buffers())
    for name, value in state.items():
        named[name].copy_(value)


def between(first: State, second: State, share: float) -> State:
    """The point this share of the way from one state to the other (Wortsman et al., 2022).

    Example:
        >>> between({"w": torch.tensor(0.0)}, {"w": torch.tensor(4.0)}, share=0.25)
        {'w': tensor(1.)}
    """
    return {name: value + share * (second[name] - value) for name, value in first.items()}


def _step(trial: Trial, batch: Batch, training: TrainingSettings, optimizer: Optimizer) -> None:
    optimizer.zero_grad()
    loss = training.loss(trial(batch), batch)
    penalty = trial.penalty()
    (loss if penalty is None else loss + penalty).backward()
    training.together.join_gradients(trial, batch.counted(training.null_value).sum())
    optimizer.step()


def _drawn(view: PeriodView, training: TrainingSettings, seed: int) -> Drawn | None:
    """What draws the nodes of each window; None where one of all holds no more than a batch."""
    count, most = view.period.num_nodes, training.node_windows
    if most is None or count <= most:
        return None
    generator = torch.Generator().manual_seed(seed % 2**63)
    return Drawn(count, max(1, most // WINDOWS_DRAWN), generator)


def _shuffled(starts: Int[Tensor, " window"], count: int, seed: int) -> Int[Tensor, " drawn"]:
    """``count`` windows in random order, each drawn again only after all have been."""
    generator = torch.Generator().manual_seed(seed % 2**63)
    rounds = -(-count // len(starts))
    orders = [torch.randperm(len(starts), generator=generator) for _ in range(rounds)]
    return starts[torch.cat(orders)[:count]]
