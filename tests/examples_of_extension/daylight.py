"""A backbone with an input that no other has: this file is all that it takes."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.data.batches.batch import Inputs
from eac.data.batches.needs import Extra, Needs
from eac.data.core.graph import Graph
from eac.data.core.period import Period


class HeightOfTheSun(Extra):
    """Roughly how high the sun stands: 1 at noon, -1 at midnight, the same for all nodes."""

    name = "sun"

    def series(self, period: Period, steps: range) -> Float[Tensor, "time 1 1"]:
        """One value for each step."""
        slot = period.calendar.slot_of_day(torch.arange(steps.start, steps.stop))
        return -torch.cos(2 * math.pi * slot / period.calendar.steps_per_day).view(-1, 1, 1)


class Daylight(Backbone):
    """The last reading, corrected by a layer that sees the window and the sun ahead.

    Args:
        window: Past steps in.
        horizon: Future steps out.
        hidden: Width of the layer.
    """

    needs = Needs(hops=0, extras=(HeightOfTheSun(),))

    def __init__(self, window: int = 12, horizon: int = 12, *, hidden: int = 16):
        super().__init__()
        self.window, self.horizon, self.hidden = window, horizon, hidden
        self.inward = nn.Linear(2 * window + horizon, hidden)
        self.readout = nn.Linear(hidden, horizon)

    def encode(self, inputs: Inputs, graph: Graph) -> Float[Tensor, "batch node hidden"]:
        """Window and sun, mixed."""
        del graph
        sun = inputs.extras["sun"].flatten(2)
        return self.inward(torch.cat([inputs.prompted, sun], dim=-1)).relu()

    def decode(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node horizon"]:
        """The last reading and a correction."""
        return inputs.x[..., -1:] + self.readout(features)
