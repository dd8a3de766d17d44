"""The loaders of a period: start steps of its windows, batch by batch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int
from lightning.pytorch import Trainer
from torch import Tensor

from eac.data.batches.sampler import Loader, StartBatches, batches_at_once, in_time, loader
from eac.data.batches.share import Share
from eac.data.batches.spread import Spread
from eac.data.batches.starts import Starts


@dataclass(frozen=True)
class BatchSizes:
    """How many windows are shown, and how many at once.

    Attributes:
        train: In training, all processes together.
        steps_per_epoch: Batches in an epoch; None: as many as show each window once.
        older_share: Share of a training batch that is rehearsed from earlier periods.
        evaluate: In validation and test, at most.
        val_windows: Of a validation as a whole, at most; None: all.

    Example:
        >>> sizes = BatchSizes(64, None, older_share=0.3, evaluate=256, val_windows=None)
        >>> sizes.older_share
        0.3
    """

    train: int
    steps_per_epoch: int | None
    older_share: float
    evaluate: int
    val_windows: int | None


@dataclass(frozen=True, eq=False)
class Loaders:
    """Makes the loaders of one period.

    Attributes:
        starts: Which windows there are.
        num_nodes: Nodes of the period.
        sizes: Windows in a batch.
        trainer: Knows how many processes share out each batch; None: one.
        share: Of the processes that divide the nodes: these share out the batches of a training,
            and each evaluates its own nodes in all windows. A window of an earlier period goes to
            all, each of which trains its own nodes of it.

    Example:
        >>> from eac.data.core.windows import Split
        >>> from eac.protocols.protocol import STRICT
        >>> starts = Starts(Split.by_fraction(100, (0.6, 0.2)), 12, 6, STRICT, period="0")
        >>> sizes = BatchSizes(64, None, 0.0, evaluate=2, val_windows=None)
        >>> [batch.tolist() for batch in Loaders(starts, 3, sizes, None).validation(None)]
        [[60, 61], [62]]
    """

    starts: Starts
    num_nodes: int
    sizes: BatchSizes
    trainer: Trainer | None
    share: Share | None = None

    def training(
        self,
        older: Int[Tensor, " window"],
        seed_of: Callable[[int], int] | None,
        *,
        with_validation: bool,
    ) -> Loader:
        """Shuffled training windows, among them a share of ``older`` ones.

        Args:
            older: Numbers or first steps of windows of earlier periods.
            seed_of: Gives the seed of an epoch.
            with_validation: Train on the windows of the validation part too.
        """
        own, sizes = self.starts.trained(with_validation=with_validation), self.sizes
        batches = StartBatches(
            len(own),
            sizes.train,
            seed_of=seed_of,
            num_older=len(older),
            older_share=sizes.older_share,
            num_batches=sizes.steps_per_epoch,
        )
        turn = None if self.share is None else self.share.turn
        every = {"turn": turn, "num_older": len(older)}
        return loader(torch.cat([own, older]), batches, self.trainer, fill=True, **every)

    @property
    def val_starts(self) -> Int[Tensor, " window"]:
        """First steps of the windows of a validation, in order of time."""
        return self.starts.validated(self.sizes.val_windows)

    def validation(self, some: Spread | None) -> Loader:
        """Validation windows, in order of time unless the protocol says otherwise.

        Args:
            some: The nodes that each window takes; None: all.
        """
        starts, sizes = self.starts.shown(self.val_starts), self.sizes
        if some is not None:
            return self.in_time(starts, some.at_once, some.per_window)
        if not self.starts.protocol.validate_by_batch:
            return self.in_time(starts, sizes.evaluate)
        alone = self.trainer is None or self.trainer.world_size == 1
        together = batches_at_once(sizes.train * self.num_nodes) if alone else 1
        return self.in_time(starts, sizes.train * together)

    def in_time(
        self, starts: Int[Tensor, " window"], most: int, per_window: int | None = None
    ) -> Loader:
        """Windows in the order given, at most so many at once; each of so many nodes, or of all."""
        steps, nodes = max(self.starts.window, self.starts.horizon), per_window or self.num_nodes
        return loader(starts, in_time(len(starts), most, nodes * steps), self.trainer, fill=False)
