"""How much of a model is trained in a period: rungs of a ladder, cheapest first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from eac.backbones.base import Backbone
from eac.continual.updates import Compression, begin_updates, merge_updates
from eac.records.update import UpdateRecord
from eac.strategies.base import PeriodPlan


@dataclass(frozen=True)
class Rung:
    """What is trained beside the prompts.

    Attributes:
        kind: ``prompts`` alone, the ``head`` too, a low-rank ``update`` of the backbone too, or
            everything (``full``).
        rank: Of the update.
    """

    kind: Literal["prompts", "head", "update", "full"]
    rank: int = 0

    @property
    def name(self) -> str:
        """What a record calls it."""
        names = {"prompts": "prompts alone", "head": "prompts and head", "full": "everything"}
        return names.get(self.kind, f"prompts and an update of rank {self.rank}")

    def plan(self, plan: PeriodPlan) -> PeriodPlan:
        """The plan of a strategy with prompts, with as much of the backbone."""
        if self.kind == "prompts":
            return plan
        return replace(
            plan,
            train=True,
            freeze_backbone=self.kind != "full",
            train_head=self.kind == "head",
            train_update=self.kind == "update",
        )

    def begin(
        self, backbone: Backbone, compression: Compression, *, seed: int
    ) -> UpdateRecord | None:
        """Starts the update of a backbone that was given updates; everything is a new base."""
        if self.kind == "full":
            merge_updates(backbone)
            return None
        return begin_updates(backbone, self.rank, compression, seed=seed)


PROMPTS, HEAD, EVERYTHING = Rung("prompts"), Rung("head"), Rung("full")


def ladder(*, head: bool, ranks: Sequence[int]) -> list[Rung]:
    """All rungs, cheapest first."""
    between = [HEAD] if head else []
    return [PROMPTS, *between, *(Rung("update", rank) for rank in sorted(ranks)), EVERYTHING]
