"""Learning-rate schedules that are stepped with every batch and end when training does."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from eac.checks import check_least, check_shares


class WarmupCosine(LambdaLR):
    """Rises in a straight line, then falls along half a cosine to a last share of the rate.

    Args:
        optimizer: Whose rates are scaled.
        warmup_steps: Batches of the rise.
        last: Share of the rate at the end.

    Example:
        >>> from torch import zeros
        >>> from torch.optim import SGD
        >>> optimizer = SGD([zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = WarmupCosine(optimizer, warmup_steps=2, last=0.0).end_at(6)
        >>> rates = []
        >>> for _ in range(6):
        ...     rates.append(round(optimizer.param_groups[0]["lr"], 2))
        ...     optimizer.step()
        ...     schedule.step()
        >>> rates
        [0.5, 0.93, 0.75, 0.5, 0.25, 0.07]
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int = 20, last: float = 0.03):
        check_least(0, warmup_steps=warmup_steps)
        check_shares(last=last)
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
