"""How much of a model is trained in a period: rungs of a ladder, cheapest first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from eac.continual.updates import (
    Compression,
    Expansion,
    begin_updates,
    gradients,
    merge_updates,
)
from eac.records.update import UpdateRecord
from eac.strategies.base import PeriodContext, PeriodPlan
from eac.strategies.forecast import Pair


@dataclass(frozen=True)
class Rung:
    """What is trained beside the prompts.

    Attributes:
        kind: ``prompts`` alone, the ``head`` too, a low-rank ``update`` of the backbone too, or
            everything (``full``).
        rank: Of the update.

    Example:
        >>> Rung("update", 4).name, Rung("head").name
        ('prompts and an update of rank 4', 'prompts and head')
    """

    kind: Literal["prompts", "head", "update", "full"]
    rank: int = 0

    @property
    def name(self) -> str:
        """What a record calls it."""
        names = {"prompts": "prompts alone", "head": "prompts and head", "full": "everything"}
        return names.get(self.kind, f"prompts and an update of rank {self.rank}")

    def plan(self, plan: PeriodPlan, compression: Compression) -> PeriodPlan:
        """The plan of a strategy with prompts, with as much of the backbone."""
        if self.kind == "prompts":
            return plan
        return replace(
            plan,
            train=True,
            freeze_backbone=self.kind != "full",
            train_head=self.kind == "head",
            train_update=self.kind == "update",
            rate=compression.rate if self.kind == "update" else 1.0,
        )

    def begin(self, pair: Pair, context: PeriodContext, compression: Compression) -> UpdateRecord:
        """Starts the update of a backbone that was given updates; everything is a new base."""
        if self.kind == "full":
            merge_updates(pair.backbone)
            return UpdateRecord(0, 0, 0, 0, energy_kept=1.0, rung=self.name)
        return replace(start_update(pair, context, self.rank, compression), rung=self.name)


def start_update(
    pair: Pair,
    context: PeriodContext,
    rank: int | Expansion,
    compression: Compression,
    *,
    protect: float | None = None,
) -> UpdateRecord:
    """Compresses earlier updates of a model that has begun the period, and starts a new one.

    Args:
        pair: The model; its backbone was given updates.
        context: The period.
        rank: Of the update, 0 for none; or how the gradients decide on it.
        compression: How earlier updates are kept, and how the new one starts.
        protect: As of ``begin_updates``.
    """
    steep, grows = {}, isinstance(rank, Expansion)
    if grows or (rank and compression.gradient):
        pair.strategy.select_nodes(context.current.period.node_ids)
        steep = gradients(pair, context.current, context.training)
    ranks = rank.ranks(steep, rank.numbers(pair)) if isinstance(rank, Expansion) else rank
    directions = steep if compression.gradient else None
    return begin_updates(
        pair.backbone, ranks, compression, seed=context.seed, directions=directions, protect=protect
    )


PROMPTS, HEAD, EVERYTHING = Rung("prompts"), Rung("head"), Rung("full")


def ladder(*, head: bool, ranks: Sequence[int]) -> list[Rung]:
    """All rungs, cheapest first.

    Example:
        >>> for rung in ladder(head=True, ranks=[4, 2]):
        ...     print(rung.name)
        prompts alone
        prompts and head
        prompts and an update of rank 2
        prompts and an update of rank 4
        everything
    """
    between = [HEAD] if head else []
    return [PROMPTS, *between, *(Rung("update", rank) for rank in sorted(ranks)), EVERYTHING]
