"""The low-rank updates of a backbone over the periods: begun, compressed, merged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eac.continual.features import batches, evaluating, training_starts
from eac.continual.probe import TrainingSettings, Trial
from eac.data.batches.spread import spread
from eac.data.batches.view import PeriodView
from eac.errors import ConfigError
from eac.nn.low_rank_update import Energy, LowRankUpdate, updates
from eac.records.update import UpdateRecord

GRADIENT_WINDOWS = 1 << 13
"""Windows x nodes of a gradient at most, as much as a few steps of training."""


@dataclass(frozen=True)
class Compression:
    """How what earlier periods learned is kept, and how a new update starts.

    Attributes:
        energy: Share of the energy of all earlier updates of a matrix that is kept with as few
            singular values as do.
        max_rank: Of what is kept, so that a period of a long stream stores as much as one of a
            short stream.
        scale: Length of the first rows of the inner factor; longer rows learn faster.
        gradient: Begin with the inputs' directions in which the loss of the new period is
            steepest (as LoRA-GA, Wang et al., NeurIPS 2024), instead of random ones.
        rate: Times the learning rate, where an update is trained: fewer numbers take larger steps.

    Example:
        >>> Compression(energy=0.9).max_rank
        12
    """

    energy: float = 0.99
    max_rank: int = 12
    scale: float = 1.0
    gradient: bool = True
    rate: float = 1.0

    def __post_init__(self):
        if not 0 < self.energy <= 1 or self.max_rank < 1 or min(self.scale, self.rate) <= 0:
            raise ConfigError(
                f"Compression(energy={self.energy}, max_rank={self.max_rank}, scale={self.scale}, "
                f"rate={self.rate}): give an energy above 0 and at most 1, a max_rank of at least "
                "1, and a positive scale and rate."
            )


@dataclass(frozen=True)
class Expansion:
    """How many numbers an update may have, and which linear maps get them.

    Ranks are given out one by one, to the map whose gradient's next squared singular value is
    largest for the numbers that a rank costs it: the first-order gain of a step along it. They
    stop where they hold ``energy`` of all gradients, so that a period with little to learn has a
    small update, or where the numbers are used up.

    Attributes:
        share: Of all parameters of the model, that a later period trains at most: prompts,
            biases and scales first, ranks with what is left.
        energy: Share of the sums of squares of all gradients to hold.
        largest: Rank of a map at most.

    Example:
        >>> steep = {"a": torch.diag(torch.arange(8.0)), "b": 0.1 * torch.eye(8)}
        >>> Expansion(energy=0.75).ranks(steep, numbers=100)  # a rank of either costs 16
        {'a': 3, 'b': 0}
        >>> Expansion(energy=1.0).ranks(steep, numbers=40)  # too few for a third
        {'a': 2, 'b': 0}
    """

    share: float = 0.12
    energy: float = 0.99
    largest: int = 32

    def __post_init__(self):
        if not (0 < self.share <= 1 and 0 < self.energy <= 1 and self.largest >= 1):
            raise ConfigError(
                f"Expansion(share={self.share}, energy={self.energy}, largest={self.largest}): "
                "give shares above 0 and at most 1, and a largest rank of at least 1."
            )

    def numbers(self, trial: Trial) -> int:
        """What pairs may take, of a model that has begun the period."""
        pairs = sum(
            p.numel() for part, _ in updates(trial.backbone).values() for p in part.parameters()
        )
        whole = sum(p.numel() for p in trial.parameters()) - pairs
        others = [p for p in trial.backbone.parameters() if p.ndim < 2]
        others += [p for name, p in trial.named_parameters() if not name.startswith("backbone.")]
        return int(self.share * whole) - sum(
            p.numel() for p in others if p.requires_grad or p.ndim < 2
        )

    def ranks(self, gradients: Mapping[str, Tensor], numbers: int) -> dict[str, int]:
        """The rank of each map, by the gradient of its matrix and the numbers all may take."""
        found, offers = dict.fromkeys(gradients, 0), []
        for name, gradient in gradients.items():
            (rows, columns), cost = gradient.shape, sum(gradient.shape)
            fitting = min(self.largest, (rows * columns - 1) // cost)
            squares = torch.linalg.svdvals(gradient.double()).square()[:fitting].tolist()
            offers += [(square / cost, square, cost, name) for square in squares]
        wanted = self.energy * sum(float(g.double().square().sum()) for g in gradients.values())
        for _, square, cost, name in sorted(offers, reverse=True):
            if wanted > 0 and cost <= numbers:
                found[name] += 1
                numbers, wanted = numbers - cost, wanted - square
        return found


def begin_updates(
    backbone: nn.Module,
    rank: int | Mapping[str, int],
    compression: Compression,
    *,
    seed: int,
    directions: Mapping[str, Tensor] | None = None,
    protect: float | None = None,
) -> UpdateRecord:
    """Compresses what earlier periods learned, and starts an update of this rank that is zero.

    A matrix that a pair of this rank would not make smaller is trained itself.

    Args:
        backbone: With updates given.
        rank: Of each new pair, or by the name of the matrix; 0 trains none.
        compression: How the old ones are kept.
        seed: Of the first values, where no directions are given.
        directions: Gradient of each matrix by name, whose main directions the update begins with.
        protect: Share of the energy of the inputs of earlier periods, in whose directions the
            update does nothing; None leaves it free.

    Example:
        >>> from eac.nn.low_rank_update import give_updates
        >>> layer = nn.Linear(32, 32)
        >>> give_updates(layer)
        >>> record = begin_updates(layer, 2, Compression(), seed=0)
        >>> before = layer(torch.ones(1, 32))
        >>> open_updates(layer)
        >>> torch.equal(layer(torch.ones(1, 32)), before)  # zero until it is trained
        True
    """
    generator, energy = torch.Generator().manual_seed(seed % 2**63), Energy()
    named = updates(backbone)
    pairs = [*named.values()]
    ranks = dict(rank) if isinstance(rank, Mapping) else dict.fromkeys(named, rank)
    for name, (update, weight) in named.items():
        if update.table and protect is not None:
            ranks[name] = 0  # earlier inputs looked at its rows
        update.whole = ranks[name] > 0 and not update.fits(ranks[name])
        if update.whole:
            update.merge(weight)
            update.whole = protect is None
            continue
        share, most = compression.energy, compression.max_rank
        energy = energy + update.compress(weight, energy=share, max_rank=most)
        update.hold(0.0 if protect is None else protect)
        rows = _first_rows(update, ranks[name], generator)
        if directions is not None and name in directions:
            rows = _main_rows(update.free(directions[name]), rows)
        update.renew(rows * compression.scale)
    return UpdateRecord(
        rank=max((update.rank for update, _ in pairs), default=0),
        kept_rank=max((update.kept_rank for update, _ in pairs), default=0),
        parameters=sum(update.up.numel() + update.down.numel() for update, _ in pairs),
        kept_parameters=sum(u.kept_up.numel() + u.kept_down.numel() for u, _ in pairs),
        energy_kept=energy.kept,
    )


def merge_updates(backbone: nn.Module) -> None:
    """Adds every update to its weight, where everything is to be trained: a new base.

    Example:
        >>> from eac.nn.low_rank_update import give_updates
        >>> layer = nn.Linear(32, 32)
        >>> give_updates(layer)
        >>> _ = begin_updates(layer, 2, Compression(), seed=0)
        >>> merge_updates(layer)
        >>> [update.rank for update, _ in updates(layer).values()]
        [0]
    """
    for update, weight in updates(backbone).values():
        update.merge(weight)


def open_updates(backbone: nn.Module) -> None:
    """Lets the updates be trained, and with them biases, scales and other vectors.

    Where directions of the inputs are held, vectors stay as they are: they act on every input.

    Example:
        >>> from eac.nn.low_rank_update import give_updates
        >>> layer = nn.Linear(32, 32).requires_grad_(False)
        >>> give_updates(layer)
        >>> _ = begin_updates(layer, 2, Compression(), seed=0)
        >>> open_updates(layer)
        >>> sorted(name for name, value in layer.named_parameters() if value.requires_grad)
        ['bias', 'parametrizations.weight.0.down', 'parametrizations.weight.0.up']
    """
    held = any(len(update.held) for update, _ in updates(backbone).values())
    for update, weight in updates(backbone).values():
        update.up.requires_grad_(True)
        update.down.requires_grad_(True)
        weight.requires_grad_(update.whole)
    for parameter in backbone.parameters():
        if parameter.ndim < 2 and not held:
            parameter.requires_grad_(True)


def gradients(
    trial: Trial, view: PeriodView, training: TrainingSettings, *, windows: int = 128
) -> dict[str, Float[Tensor, "row column"]]:
    """Gradient of the training loss by each matrix that can be updated, by its name.

    Args:
        trial: The model, ready for the period; it stays as it is.
        view: The period.
        training: The loss.
        windows: Training windows, evenly spread; of all nodes, or where a window may hold some,
            of as many as keep windows x nodes at ``GRADIENT_WINDOWS``.
    """
    names = list(updates(trial.backbone))
    each = list(_gradients_of_batches(trial, view, training, windows))
    return {name: sum((part[i] for part in each[1:]), each[0][i]) for i, name in enumerate(names)}


def remember_inputs(
    trial: Trial, view: PeriodView, training: TrainingSettings, *, memory: int, windows: int = 128
) -> None:
    """Adds to what each update knows of the directions that inputs had, in bounded memory.

    Args:
        trial: The model, after training; its forecasts stay as they are.
        view: The period.
        training: The loss.
        memory: Directions remembered for each matrix.
        windows: Training windows, evenly spread; of all nodes, or where a window may hold some,
            of as many as keep windows x nodes at ``GRADIENT_WINDOWS``.
    """
    for parts in _gradients_of_batches(trial, view, training, windows):
        found = updates(trial.backbone).values()
        for (update, _), gradient in zip(found, parts, strict=True):
            if not update.table:
                update.remember(gradient, memory)


def _gradients_of_batches(
    trial: Trial, view: PeriodView, training: TrainingSettings, windows: int
) -> Iterator[list[Float[Tensor, "row column"]]]:
    """The gradient by each matrix, a batch of training windows at a time."""
    weights = [weight for _, weight in updates(trial.backbone).values()]
    asked = [weight.requires_grad for weight in weights]
    starts = training_starts(view)
    starts = starts[:: -(-len(starts) // windows)]
    by_node, nodes = training.by_node, view.period.num_nodes
    some = spread(starts, nodes, most=GRADIENT_WINDOWS) if by_node else None
    for batch in batches(view, trial.backbone, starts, some=some):
        for weight in weights:
            weight.requires_grad_(True)
        with evaluating(trial), torch.enable_grad():
            loss = training.loss(trial(batch), batch)
            parts = torch.autograd.grad(loss, weights, materialize_grads=True, allow_unused=True)
        for weight, was in zip(weights, asked, strict=True):
            weight.requires_grad_(was)
        yield [part.flatten(1) for part in parts]


def _main_rows(
    gradient: Float[Tensor, "row column"], drawn: Float[Tensor, "rank column"]
) -> Float[Tensor, "rank column"]:
    """The directions of the inputs in which the gradient is largest; drawn ones where it is 0."""
    values, right = torch.linalg.svd(gradient.double(), full_matrices=False)[1:]
    count = min(len(drawn), int((values > 0).sum()))
    return torch.cat([right[:count].to(drawn), drawn[count:]])


def _first_rows(
    update: LowRankUpdate, rank: int, generator: torch.Generator
) -> Float[Tensor, "rank column"]:
    """Rows of mean square length 1 (as in LoRA, uniform)."""
    drawn = 2 * torch.rand(rank, update.columns, generator=generator) - 1
    return drawn.to(update.down) * (3 / update.columns) ** 0.5
