"""A reader: this file is all that it takes."""

from collections.abc import Sequence

import torch

from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import GraphStream


class Letters(GraphStream):
    """Periods written as text: each line a node, each letter a reading, ``.`` a missing one.

    Args:
        periods: Text of each period.
        steps_per_day: Steps of a day.
    """

    def __init__(self, periods: Sequence[str], steps_per_day: int = 24):
        self.periods, self.steps_per_day = periods, steps_per_day

    @property
    def period_names(self) -> Sequence[str]:
        """Numbers, in order of time."""
        return [str(number) for number in range(len(self.periods))]

    def load(self, index: int) -> Period:
        """One period, its nodes named by the first letter of their lines."""
        lines = self.periods[index].split()
        rows = [[torch.nan if c == "." else float(ord(c)) for c in line[1:]] for line in lines]
        ids = tuple(line[0] for line in lines)
        series, calendar = torch.tensor(rows).T, Calendar(self.steps_per_day)
        return Period(str(index), series, ids, Graph.empty(len(ids)), calendar)
