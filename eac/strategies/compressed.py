"""Prompts and a compressed low-rank update of the frozen backbone."""

from dataclasses import replace

from eac.backbones.base import Backbone
from eac.continual.updates import (
    Compression,
    Expansion,
    merge_updates,
    remember_inputs,
)
from eac.errors import ConfigError
from eac.nn.low_rank_update import give_updates
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy
from eac.strategies.forecast import Pair
from eac.strategies.rungs import start_update
from eac.strategies.wrapper import Wrapper


class Compressed(Wrapper):
    """Where the other strategy freezes the backbone, a low-rank update of it is trained.

    Each linear map ``W`` of the backbone, and each table of embeddings, becomes ``W + B A``, ``B``
    zero when a period begins; with it biases, scales of normalisations and the other strategy's
    own parameters are trained. What the updates of all earlier periods add up to is kept as one
    pair of factors for each map, compressed by a truncated singular value decomposition, so that
    what a period stores does not grow with their number.

    Args:
        strategy: One that freezes the backbone after the first period, such as EAC.
        rank: Of the update of a period; or an ``Expansion``, by which the gradients of the period
            and a stated share of all numbers decide on the rank of each linear map.
        compression: How earlier updates are kept.
        protect: Share of the energy of the inputs of earlier periods, in whose directions the
            update does nothing; biases, scales and tables of embeddings then stay as they are.
            Null leaves all free. To protect the prompts too, see ``EAC(protect=...)``.
        memory: Directions of earlier inputs remembered for each linear map, with ``protect``.

    Example:
        >>> from eac.strategies.eac import EAC
        >>> strategy = Compressed(EAC(rank=2), rank=4)
        >>> strategy.made_with["rank"]
        4
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        rank: int | Expansion = 4,
        compression: Compression | None = None,
        protect: float | None = None,
        memory: int = 64,
    ):
        super().__init__(strategy)
        if isinstance(rank, int) and rank < 1:
            raise ConfigError(f"Compressed(rank={rank}): give a rank of at least 1.")
        if memory < 1 or (protect is not None and not 0 < protect <= 1):
            raise ConfigError(
                f"Compressed(protect={protect}, memory={memory}): give a share above 0 and at "
                "most 1, or null, and a memory of at least 1."
            )
        self.rank = rank
        self.protect, self.memory = protect, memory
        self.compression = compression or Compression()

    def attach(self, backbone: Backbone) -> None:
        """As the other strategy does; gives the backbone updates without any rank."""
        super().attach(backbone)
        give_updates(backbone)

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """As the other strategy plans; with a frozen backbone, the update is trained."""
        plan = self.strategy.plan(context, backbone)
        if not plan.freeze_backbone:
            return plan
        return replace(plan, train_update=True, rate=self.compression.rate)

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """As the other strategy does; then compresses earlier updates and starts a new one."""
        super().begin_period(context, backbone)
        if not self.plan(context, backbone).train_update:
            merge_updates(backbone)
            return
        pair, rank = Pair(self.strategy, backbone), self.rank
        self.record_update(
            start_update(pair, context, rank, self.compression, protect=self.protect)
        )

    def end_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """As the other strategy does; remembers what the inputs were, if they are protected."""
        super().end_period(context, backbone)
        if self.protect is not None:
            pair = Pair(self, backbone)
            remember_inputs(pair, context.current, context.training, memory=self.memory)
