"""Pretrain-ST: learn once, then only forecast."""

from eac.backbones.base import Backbone
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy


class Pretrain(Strategy):
    """Trains on period 0 and only tests afterwards (Chen & Liang 2025, baseline).

    Example:
        >>> import eac
        >>> model = eac.Forecaster(eac.STGNN(), Pretrain())
    """

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Trains everything in period 0, nothing later."""
        del backbone
        return PeriodPlan(train=context.index == 0)
