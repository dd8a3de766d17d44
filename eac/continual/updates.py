"""The low-rank updates of a backbone over the periods: begun, compressed, merged."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eac.continual.features import batches, evaluating, training_starts
from eac.continual.probe import TrainingSettings, Trial
from eac.data.batches.tensors import PeriodView
from eac.errors import ConfigError
from eac.nn.low_rank_update import Energy, LowRankUpdate, updates
from eac.records.update import UpdateRecord


@dataclass(frozen=True)
class Compression:
    """How what earlier periods learned is kept, and how a new update starts.

    Attributes:
        energy: Share of the energy of all earlier updates of a matrix that is kept with as few
            singular values as do.
        max_rank: Of what is kept, so that a period of a long stream stores as much as one of a
            short stream.
        scale: Length of the first rows of the inner factor; longer rows learn faster.
    """

    energy: float = 0.99
    max_rank: int = 8
    scale: float = 1.0

    def __post_init__(self):
        if not 0 < self.energy <= 1 or self.max_rank < 1 or self.scale <= 0:
            raise ConfigError(
                f"Compression(energy={self.energy}, max_rank={self.max_rank}, "
                f"scale={self.scale}): give an energy above 0 and at most 1, a max_rank of at "
                "least 1 and a positive scale."
            )


def begin_updates(
    backbone: nn.Module,
    rank: int,
    compression: Compression,
    *,
    seed: int,
    directions: Mapping[str, Tensor] | None = None,
) -> UpdateRecord:
    """Compresses what earlier periods learned, and starts an update of this rank that is zero.

    A matrix that a pair of this rank would not make smaller is trained itself.

    Args:
        backbone: With updates given.
        rank: Of the new pair; 0 trains none.
        compression: How the old ones are kept.
        seed: Of the first values, where no directions are given.
        directions: Gradient of each matrix by name, whose main directions the update begins with.
    """
    generator, energy = torch.Generator().manual_seed(seed % 2**63), Energy()
    named = updates(backbone)
    pairs = [*named.values()]
    for name, (update, weight) in named.items():
        update.whole = rank > 0 and not update.fits(rank)
        if update.whole:
            update.merge(weight)
            continue
        share, most = compression.energy, compression.max_rank
        energy = energy + update.compress(weight, energy=share, max_rank=most)
        rows = _first_rows(update, rank, generator)
        if directions is not None and name in directions:
            rows = _main_rows(directions[name], rows)
        update.renew(rows * compression.scale)
    return UpdateRecord(
        rank=max((update.rank for update, _ in pairs), default=0),
        kept_rank=max((update.kept_rank for update, _ in pairs), default=0),
        parameters=sum(update.up.numel() + update.down.numel() for update, _ in pairs),
        kept_parameters=sum(u.kept_up.numel() + u.kept_down.numel() for u, _ in pairs),
        energy_kept=energy.kept,
    )


def merge_updates(backbone: nn.Module) -> None:
    """Adds every update to its weight, where everything is to be trained: a new base."""
    for update, weight in updates(backbone).values():
        update.merge(weight)


def open_updates(backbone: nn.Module) -> None:
    """Lets the updates be trained, and with them biases, scales and other vectors."""
    for update, weight in updates(backbone).values():
        update.up.requires_grad_(True)
        update.down.requires_grad_(True)
        weight.requires_grad_(update.whole)
    for parameter in backbone.parameters():
        if parameter.ndim < 2:
            parameter.requires_grad_(True)


def gradients(
    trial: Trial, view: PeriodView, training: TrainingSettings, *, windows: int = 256
) -> dict[str, Float[Tensor, "row column"]]:
    """Gradient of the training loss by each matrix that can be updated, by its name.

    Args:
        trial: The model, ready for the period; it stays as it is.
        view: The period.
        training: The loss.
        windows: Training windows, evenly spread, of all nodes.
    """
    found = updates(trial.backbone)
    weights = [weight for _, weight in found.values()]
    asked = [weight.requires_grad for weight in weights]
    starts = training_starts(view)
    starts = starts[:: -(-len(starts) // windows)]
    total = [torch.zeros_like(weight) for weight in weights]
    for weight in weights:
        weight.requires_grad_(True)
    with evaluating(trial):
        for batch in batches(view, trial.backbone, starts):
            loss = training.loss(trial(batch), batch)
            parts = torch.autograd.grad(loss, weights, allow_unused=True)
            total = [t if g is None else t + g for t, g in zip(total, parts, strict=True)]
    for weight, was in zip(weights, asked, strict=True):
        weight.requires_grad_(was)
    return {name: t.flatten(1) for name, t in zip(found, total, strict=True)}


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
