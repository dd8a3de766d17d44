"""TrafficStream: new, drifted and replayed nodes, and elastic weight consolidation."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from eac.backbones.base import Backbone
from eac.checks import check_least, check_shares
from eac.continual.drift import feature_drift, spread_to
from eac.continual.features import evaluating, last_week_features
from eac.continual.selection import (
    highest,
    joined_rows,
    lowest,
    random_scores,
    shared_rows,
    union,
    without,
)
from eac.data.batches.view import PeriodView
from eac.strategies.base import PeriodContext, PeriodPlan
from eac.strategies.consolidation import Consolidated


class TrafficStream(Consolidated):
    """Learns on new, drifted and replayed nodes (Chen, Wang & Xie, IJCAI 2021).

    Drift of a node: over the channels of the old model's features, the sum of the Jensen-Shannon
    distances between their histograms in the last week of training of the previous and of this
    period. Nodes that return are learned on like new ones. The penalty holds the old weights by
    their Fisher information on the training windows of *this* period, as the published code does.

    Args:
        drifted: Share of all nodes, those that drifted most (published: 0.05).
        replayed: Share of all nodes that is replayed (published: 0.05).
        replay: Replay the nodes that drifted least (``stable``), or ``random`` ones.
        num_hops: Reach of the subgraph around the chosen nodes (published: 2).
        ewc: Weight of the penalty (published: 1e-4).

    Example:
        >>> strategy = TrafficStream(drifted=0.05, replay="stable")
        >>> strategy.made_with
        {'drifted': 0.05, 'replay': 'stable'}
    """

    def __init__(
        self,
        *,
        drifted: float = 0.05,
        replayed: float = 0.05,
        replay: Literal["stable", "random"] = "stable",
        num_hops: int = 2,
        ewc: float = 1e-4,
    ):
        super().__init__(ewc)
        check_shares(drifted=drifted, replayed=replayed)
        check_least(0, num_hops=num_hops)
        self.drifted = drifted
        self.replayed = replayed
        self.replay = replay
        self.num_hops = num_hops

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Everything in the first period; later the chosen nodes."""
        if context.previous is None:
            return PeriodPlan()
        period = context.current.period
        drift = drift_scores(context.previous, context.current, backbone)
        drifted = highest(drift, self.drifted)
        left = without(drift, drifted)
        left = random_scores(left, context.seed) if self.replay == "random" else left
        chosen = union(joined_rows(period, context.change), drifted, lowest(left, self.replayed))
        return PeriodPlan.on_subgraph(period.graph, chosen, self.num_hops)


def drift_scores(
    previous: PeriodView, current: PeriodView, backbone: Backbone
) -> Float[Tensor, " node"]:
    """Drift of the features of each node of the current period; NaN where it was absent before.

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> backbone = STGNN()
        >>> view = data.prepared(backbone.needs).view
        >>> drift_scores(view, view, backbone)  # the same period twice
        tensor([0., 0., 0.])
    """
    before, now = shared_rows(previous.period.node_ids, current.period.node_ids)
    with evaluating(backbone):
        old, old_present = last_week_features(previous, backbone)
        new, new_present = last_week_features(current, backbone)
    scores = feature_drift(old[:, before], old_present[:, before], new[:, now], new_present[:, now])
    return spread_to(scores, now, current.period.num_nodes)
