"""What a network sees of the clock: learned vectors, and the time of day as a number."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from eac.data.batches.batch import Inputs


class ClockEmbedding(nn.Module):
    """Learned vectors for the slot of the day and the day of the week, side by side.

    The day is a ring of ``day_slots`` vectors with straight lines between them, so that one table
    serves streams of any step. With as many as the steps of a day it is the plain table of STID
    and STAEformer. Without a clock everything is 0.

    Args:
        width: Of each of the two vectors.
        day_slots: Vectors round the day; 24 is one for every hour.
        week_days: Vectors of the week; a longer week begins again.

    Example:
        >>> embed = ClockEmbedding(width=4)
        >>> embed(Inputs(torch.zeros(2, 5, 12))).shape  # two vectors of width 4; no clock: zeros
        torch.Size([2, 12, 8])
    """

    def __init__(self, width: int, *, day_slots: int = 24, week_days: int = 7):
        super().__init__()
        self.day = nn.Parameter(nn.init.xavier_uniform_(torch.empty(day_slots, width)))
        self.week = nn.Parameter(nn.init.xavier_uniform_(torch.empty(week_days, width)))

    def forward(self, inputs: Inputs) -> Float[Tensor, "batch window twice"]:
        """The vectors of the window's steps."""
        batch, _, window = inputs.x.shape
        if inputs.clock is None:
            return inputs.x.new_zeros(batch, window, 2 * self.day.shape[1])
        clock = inputs.clock
        slot, day = clock.slot[:, :window], clock.day[:, :window]
        week = self.week[day % len(self.week)]
        return torch.cat([self._between(slot, clock.steps_per_day), week], dim=-1)

    def _between(
        self, slot: Int[Tensor, "batch window"], steps_per_day: int
    ) -> Float[Tensor, "batch window width"]:
        place = slot * len(self.day)
        low = place // steps_per_day
        share = (place % steps_per_day).to(self.day.dtype)[..., None] / steps_per_day
        high = (low + 1) % len(self.day)
        return torch.lerp(self.day[low], self.day[high], share)


def time_of_day(inputs: Inputs) -> Float[Tensor, "batch window"]:
    """Share of the day that has passed at each step of the window; 0 without a clock.

    Example:
        >>> from eac.data.series.clock import Clock
        >>> from eac.data.core.calendar import Calendar
        >>> clock = Clock.at(Calendar(24), torch.tensor([6]), span=2)
        >>> time_of_day(Inputs(torch.zeros(1, 3, 2), clock=clock))[0, 0].item()  # 06:00
        0.25
    """
    batch, _, window = inputs.x.shape
    if inputs.clock is None:
        return inputs.x.new_zeros(batch, window)
    return inputs.clock.slot[:, :window].to(inputs.x.dtype) / inputs.clock.steps_per_day
