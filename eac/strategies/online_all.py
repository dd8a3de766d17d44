"""Online-ST-AN: keep training one model on all nodes."""

from eac.backbones.base import Backbone
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy


class OnlineAll(Strategy):
    """Trains on from the last period, all nodes (Chen & Liang 2025, baseline Online-ST-AN)."""

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Trains everything, from where the last period ended."""
        del context, backbone
        return PeriodPlan()
