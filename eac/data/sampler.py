"""Order of the batches, a pure function of (seed, period, epoch)."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import Dataset, Sampler


class StartBatches(Sampler[Tensor]):
    """Yields index batches over ``num_windows`` windows.

    The order of an epoch depends on ``seed`` and the epoch alone, so that an interrupted epoch
    is repeated exactly. Lightning calls ``set_epoch`` before each epoch.

    Args:
        num_windows: Windows in the part.
        batch_size: Windows in one batch; the last batch may be smaller.
        seed: None keeps the chronological order.
    """

    def __init__(self, num_windows: int, batch_size: int, *, seed: int | None):
        self._num_windows = num_windows
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Selects the order of this epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-self._num_windows // self._batch_size)

    def __iter__(self) -> Iterator[Int[Tensor, " batch"]]:
        # A generator, so that the order is chosen when the first batch is asked for: a resumed
        # Lightning fit makes the iterator before it sets the epoch.
        if self._seed is None:
            order = torch.arange(self._num_windows)
        else:
            mixed = (self._seed * 1_000_003 + self._epoch) % 2**63
            order = torch.randperm(
                self._num_windows, generator=torch.Generator().manual_seed(mixed)
            )
        yield from order.split(self._batch_size)


class Starts(Dataset[Tensor]):
    """Start steps of windows, indexed by whole batches."""

    def __init__(self, starts: Int[Tensor, " window"]):
        self.starts = starts

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, batch: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        return self.starts[batch]
