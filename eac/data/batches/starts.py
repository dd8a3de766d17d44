"""Which windows a part of a period holds: the steps they start at."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from eac.data.batches.tensors import PeriodTensors
from eac.data.core.windows import Split, window_starts
from eac.protocols.protocol import Protocol
from eac.typing import Part


@dataclass(frozen=True)
class Starts:
    """First steps of the windows of a period, part by part.

    Attributes:
        split: Steps of each part.
        window: Past steps in.
        horizon: Future steps out.
        protocol: Says whether a part keeps its last window, and in which order they are shown.
        period: Named in messages.

    Example:
        >>> from eac.protocols.protocol import STRICT
        >>> starts = Starts(Split.by_fraction(100, (0.6, 0.2)), 12, 6, STRICT, period="0")
        >>> starts.of("val").tolist()
        [60, 61, 62]
    """

    split: Split
    window: int
    horizon: int
    protocol: Protocol
    period: str

    def of(self, part: Part) -> Int[Tensor, " window"]:
        """The windows of one part, in order of time."""
        steps = self.split.part(part)
        starts = window_starts(steps, self.window, self.horizon, period=self.period, part=part)
        return starts if self.protocol.keep_last_window or len(starts) == 1 else starts[:-1]

    def trained(self, *, with_validation: bool) -> Int[Tensor, " window"]:
        """The windows of training, perhaps up to the end of the validation part."""
        starts = self.of("train")
        if with_validation:
            starts = torch.arange(int(starts[0]), int(self.of("val")[-1]) + 1)
        return self.shown(starts)

    def validated(self, most: int | None) -> Int[Tensor, " window"]:
        """At most so many windows of the validation part, evenly spread; None: all."""
        starts = self.of("val")
        return starts[:: -(-len(starts) // (most or len(starts)))]

    def before(self, tensors: PeriodTensors) -> Int[Tensor, " window"]:
        """The windows that end before the period, as far back as its tensors reach."""
        reached = tensors.lead - max((lag.steps for lag in tensors.lags), default=0)
        return torch.arange(-reached, max(1 - self.window - self.horizon, -reached))

    def shown(self, starts: Int[Tensor, " window"]) -> Int[Tensor, " window"]:
        """The same in the order in which the protocol shows them."""
        return starts.flip(0) if self.protocol.windows_from_end else starts
