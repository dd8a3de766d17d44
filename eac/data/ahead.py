"""What is known of every step beforehand, also of those that are to be forecast."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from eac.data.calendar import Calendar
from eac.data.holidays import holiday_steps


@dataclass(frozen=True, eq=False)
class Ahead:
    """What a calendar says of each step; counted from the first step of the readings.

    Attributes:
        holidays: True where a step lies on a public holiday; None where nobody asked.
    """

    holidays: Bool[Tensor, " time"] | None = None

    @staticmethod
    def of(holidays: str | None, calendar: Calendar, steps: range, *, period: str) -> "Ahead":
        """What is known of these steps of a period, which may begin before it and end after it."""
        if holidays is None:
            return Ahead()
        return Ahead(holiday_steps(holidays, calendar, steps, period=period))

    def on_holiday(self, at: Int[Tensor, "*batch"], span: int) -> Bool[Tensor, "*batch {span}"]:
        """Which of the ``span`` steps from each step on are holidays; none where nobody asked."""
        steps = at[..., None] + torch.arange(span, device=at.device)
        if self.holidays is None:
            return torch.zeros_like(steps, dtype=torch.bool)
        return self.holidays[steps]

    def to(self, device: torch.device) -> "Ahead":
        """The same on another device."""
        return Ahead(None if self.holidays is None else self.holidays.to(device))
