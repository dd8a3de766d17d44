"""Retrain-ST: a new model for every period."""

from eac.backbones.base import Backbone
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy


class Retrain(Strategy):
    """Trains from the first weights on each period's data (Chen & Liang 2025, baseline).

    Example:
        >>> import eac
        >>> model = eac.Forecaster(eac.STGNN(), Retrain())
    """

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Trains everything, from scratch."""
        del context, backbone
        return PeriodPlan(start="scratch")
