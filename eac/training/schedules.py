"""Learning-rate schedules that are stepped with every batch and end when training does."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class WarmupCosine(LambdaLR):
    """Rises in a straight line, then falls along half a cosine to a last share of the rate.

    Args:
        optimizer: Whose rates are scaled.
        warmup_steps: Batches of the rise.
        last: Share of the rate at the end.
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int = 20, last: float = 0.03):
        self.total_steps = 1
        self._warmup = max(warmup_steps, 1)
        self._last = last
        super().__init__(optimizer, lambda step: self._share(step))  # a plain function is not saved

    def end_at(self, total_steps: int) -> "WarmupCosine":
        """The same schedule for so many batches."""
        self.total_steps = max(total_steps, 1)
        return self

    def _share(self, step: int) -> float:
        rise = min(1.0, (step + 1) / self._warmup)
        fall = 0.5 * (1 + math.cos(math.pi * min(step / self.total_steps, 1.0)))
        return rise * (self._last + (1 - self._last) * fall)
