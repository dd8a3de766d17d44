"""A strategy: this file is all that it takes."""

from eac.backbones.base import Backbone
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy


class EverySecond(Strategy):
    """Trains in every second period, from where the last training ended."""

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Trains in periods 0, 2, 4 and so on."""
        del backbone
        return PeriodPlan(train=context.index % 2 == 0)
