"""The clock of a batch: slot of the day and day of the week of every step."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from eac.data.core.calendar import Calendar


@dataclass(frozen=True, eq=False)
class Clock:
    """Slot of the day and day of the week of every step of a batch, inputs then targets.

    Attributes:
        slot: From 0 to ``steps_per_day`` - 1.
        day: From 0 to ``days_per_week`` - 1.
        steps_per_day: Slots in a day.
        days_per_week: Days in a week.
        holiday: True on a public holiday, which counts as the last day of a week; None where
            holidays are not marked.
        weekday: The day that the calendar says, where holidays are marked.

    Example:
        >>> clock = Clock.at(Calendar(24), torch.tensor([22, 46]), span=4)
        >>> clock.slot, clock.day
        (tensor([[22, 23,  0,  1],
                [22, 23,  0,  1]]), tensor([[0, 0, 1, 1],
                [1, 1, 2, 2]]))
    """

    slot: Int[Tensor, "batch span"]
    day: Int[Tensor, "batch span"]
    steps_per_day: int
    days_per_week: int
    holiday: Bool[Tensor, "batch span"] | None = None
    weekday: Int[Tensor, "batch span"] | None = None

    @staticmethod
    def at(
        calendar: Calendar,
        starts: Int[Tensor, " batch"],
        span: int,
        days: Int[Tensor, " batch"] | None = None,
        holiday: Bool[Tensor, "batch span"] | None = None,
    ) -> "Clock":
        """The clock of ``span`` steps from each start on, as if so many days later."""
        steps = starts[:, None] + torch.arange(span, device=starts.device)
        last, day = calendar.days_per_week - 1, calendar.day_of_week(_later(steps, days, calendar))
        return Clock(
            calendar.slot_of_day(steps),
            day if holiday is None else day.masked_fill(holiday, last),
            calendar.steps_per_day,
            calendar.days_per_week,
            holiday,
            None if holiday is None else calendar.day_of_week(steps),
        )

    def days_to_rest(self) -> Int[Tensor, " batch"]:
        """Days from the last holiday of each window to the end of its week; 0 without one."""
        if self.holiday is None or self.weekday is None:
            return self.day.new_zeros(len(self.day))
        number = torch.arange(1, self.holiday.shape[1] + 1, device=self.holiday.device)
        last = (self.holiday * number).argmax(-1, keepdim=True)
        days = self.days_per_week - 1 - self.weekday.gather(1, last)[:, 0]
        return days * self.holiday.any(-1)


def _later(
    steps: Int[Tensor, "batch span"], days: Int[Tensor, " batch"] | None, calendar: Calendar
) -> Int[Tensor, "batch span"]:
    return steps if days is None else steps + days[:, None] * calendar.steps_per_day
