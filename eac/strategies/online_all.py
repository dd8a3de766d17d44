"""Online-ST-AN: keep training one model on all nodes."""

from eac.backbones.base import Backbone
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy


class OnlineAll(Strategy):
    """Trains on from the last period, all nodes (Chen & Liang 2025, baseline Online-ST-AN).

    Example:
        >>> import eac
        >>> model = eac.Forecaster(eac.STGNN(), OnlineAll())
        >>> model.print_trainable_parameters()
        trainable params: 3,308 || all params: 3,308 || trainable%: 100.0000
    """

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Trains everything, from where the last period ended."""
        del context, backbone
        return PeriodPlan()
