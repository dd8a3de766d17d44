"""Online-ST-NN: keep training one model on new nodes alone."""

from eac.backbones.base import Backbone
from eac.checks import check_least
from eac.continual.selection import rows_of
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy


class OnlineNew(Strategy):
    """Trains on from the last period, on new nodes (Chen & Liang 2025, baseline Online-ST-NN).

    The loss counts the nodes never seen before, which are trained on their neighbourhood. A period
    without any is only tested; nodes that return are not new.

    Args:
        num_hops: Reach of the neighbourhood (published: 2).

    Example:
        >>> strategy = OnlineNew(num_hops=2)
        >>> strategy.made_with
        {'num_hops': 2}
    """

    def __init__(self, num_hops: int = 2):
        super().__init__()
        check_least(0, num_hops=num_hops)
        self.num_hops = num_hops

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Everything in the first period, new nodes later."""
        del backbone
        if context.previous is None:
            return PeriodPlan()
        period = context.current.period
        new = rows_of(period.node_ids, context.change.new)
        return PeriodPlan.on_subgraph(period.graph, new, self.num_hops)
