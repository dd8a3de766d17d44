"""Order of the batches, a pure function of (seed, period, epoch)."""

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

Loader = DataLoader[Int[Tensor, " batch"]]
"""Of start steps, batch by batch."""
JOINED_NODE_WINDOWS = 1 << 16
"""Windows x nodes up to which batches of a validation are joined; larger ones gain nothing."""
EVAL_READINGS = 1 << 22
"""Readings in a batch of validation or test (16 MiB)."""


@runtime_checkable
class Ranked(Protocol):
    """What knows how many processes share out each batch, such as Lightning's Trainer."""

    @property
    def global_rank(self) -> int:
        """Number of this process."""
        ...

    @property
    def world_size(self) -> int:
        """How many processes there are."""
        ...


class StartBatches(Sampler[Tensor]):
    """Yields index batches over ``num_windows`` windows, and perhaps older ones behind them.

    The order of an epoch depends on the seed of that epoch alone, so that an interrupted one is
    repeated exactly. Lightning calls ``set_epoch`` before each epoch.

    Args:
        num_windows: Windows in the part; an epoch sees each once unless ``num_batches`` is given.
        batch_size: Windows in one batch; the last batch may be smaller.
        seed_of: Gives the seed of an epoch; None keeps the chronological order.
        num_older: Windows of earlier periods, numbered from ``num_windows`` on.
        older_share: Share of each batch drawn from them, at random.
        num_batches: Batches in an epoch; each window is shown again only after all have been.

    Example:
        >>> batches = StartBatches(5, 2, seed_of=lambda epoch: 42 + epoch)
        >>> len(batches), sorted(torch.cat(list(batches)).tolist())
        (3, [0, 1, 2, 3, 4])
    """

    def __init__(
        self,
        num_windows: int,
        batch_size: int,
        *,
        seed_of: Callable[[int], int] | None,
        num_older: int = 0,
        older_share: float = 0.0,
        num_batches: int | None = None,
    ):
        self._num_windows = num_windows
        self._seed_of = seed_of
        self._num_older = num_older
        self._older = round(batch_size * older_share) if num_older else 0
        self._own = max(1, batch_size - self._older)
        self._num_batches = num_batches
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Selects the order of this epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._num_batches or -(-self._num_windows // self._own)

    def __iter__(self) -> Iterator[Int[Tensor, " batch"]]:
        # A generator, so that the order is chosen when the first batch is asked for: a resumed
        # Lightning fit makes the iterator before it sets the epoch.
        if self._seed_of is None:
            yield from torch.arange(self._num_windows).split(self._own)
            return
        generator = torch.Generator().manual_seed(self._seed_of(self._epoch))
        needed = self._num_windows if self._num_batches is None else len(self) * self._own
        rounds = -(-needed // self._num_windows)
        orders = [torch.randperm(self._num_windows, generator=generator) for _ in range(rounds)]
        order = torch.cat(orders)[:needed]
        for own in order.split(self._own):
            drawn = torch.rand(self._older, generator=generator) * self._num_older
            yield torch.cat([own, self._num_windows + drawn.long()])


class SharedBatches(Sampler[Tensor]):
    """Every n-th window of each batch: what one of ``n`` processes does of a common batch.

    Args:
        batches: The batches of all processes together.
        rank: Number of this process.
        num_ranks: Number of processes.
        fill: Give a process whose share is empty the batch's first window, because it must take
            part in each step of training; otherwise its share stays empty.
        shared: Windows that are shared out; those numbered from here on go to every process, which
            keeps what is its own. None: all are shared out.

    Example:
        >>> batches = StartBatches(5, 4, seed_of=None)
        >>> list(SharedBatches(batches, rank=1, num_ranks=2, fill=True))
        [tensor([1, 3]), tensor([4])]
    """

    def __init__(
        self,
        batches: StartBatches,
        rank: int,
        num_ranks: int,
        *,
        fill: bool,
        shared: int | None = None,
    ):
        self._batches, self._shared = batches, shared
        self._rank, self._num_ranks, self._fill = rank, num_ranks, fill

    def set_epoch(self, epoch: int) -> None:
        """Selects the order of this epoch."""
        self._batches.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Int[Tensor, " batch"]]:
        for batch in self._batches:
            own = len(batch) if self._shared is None else int((batch < self._shared).sum())
            share = batch[:own][self._rank :: self._num_ranks]
            share = share if len(share) or not self._fill else batch[:1]
            yield torch.cat([share, batch[own:]])


class _BatchesOf(Dataset[Tensor]):
    """Start steps of windows, indexed by whole batches."""

    def __init__(self, starts: Int[Tensor, " window"]):
        self.starts = starts

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, batch: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        return self.starts[batch]


def batches_at_once(node_windows: int) -> int:
    """How many batches of so many windows x nodes a validation may look at in one go.

    Example:
        >>> batches_at_once(64 * 95), batches_at_once(64 * 715)
        (10, 1)
    """
    return max(1, JOINED_NODE_WINDOWS // node_windows)


def in_time(num_windows: int, most: int, readings_per_window: int) -> StartBatches:
    """Batches in order of time, each of at most so many windows, and of ``EVAL_READINGS``.

    Example:
        >>> list(in_time(3, most=2, readings_per_window=60))
        [tensor([0, 1]), tensor([2])]
    """
    fitting = max(1, EVAL_READINGS // readings_per_window)
    return StartBatches(num_windows, min(most, fitting), seed_of=None)


def loader(
    starts: Int[Tensor, " window"],
    batches: StartBatches,
    trainer: Ranked | None,
    *,
    fill: bool,
    turn: tuple[int, int] | None = None,
    num_older: int = 0,
) -> Loader:
    """A loader of start steps with a generator of its own, which draws nothing from torch's.

    Args:
        starts: First steps of the windows that ``batches`` numbers.
        batches: The batches of all processes together.
        trainer: Knows how many processes share out each batch among them; None: one.
        fill: As in ``SharedBatches``.
        turn: Number of this process, and of all, where they divide the nodes.
        num_older: Windows of earlier periods, the last of ``starts``; where processes divide the
            nodes, each of them is shown all of these in a batch.

    Example:
        >>> starts = torch.tensor([10, 20, 30])
        >>> list(loader(starts, StartBatches(3, 2, seed_of=None), None, fill=False))
        [tensor([10, 20]), tensor([30])]
    """
    shared: StartBatches | SharedBatches = batches
    one = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
    rank, processes = turn or one
    if processes > 1:
        most = None if turn is None else len(starts) - num_older
        shared = SharedBatches(batches, rank, processes, fill=fill, shared=most)
    generator = torch.Generator().manual_seed(0)
    return DataLoader(_BatchesOf(starts), sampler=shared, batch_size=None, generator=generator)
