"""Pretrain-ST: learn once, then only forecast."""

from eac.strategies.base import PeriodContext, PeriodPlan, Strategy


class Pretrain(Strategy):
    """Trains on period 0 and only tests afterwards (Chen & Liang 2025, baseline)."""

    def plan(self, context: PeriodContext) -> PeriodPlan:
        """Trains everything in period 0, nothing later."""
        return PeriodPlan(train=context.index == 0)
