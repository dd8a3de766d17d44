"""TEAM: rehearsal on a network whose nodes also leave."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from eac.backbones.base import Backbone
from eac.checks import check_least, check_shares
from eac.continual.drift import daily_drift, relative_wasserstein, spread_to
from eac.continual.features import last_week_readings
from eac.continual.selection import (
    highest,
    joined_rows,
    lowest,
    neighbours,
    neighbours_of_gone,
    shared_rows,
    union,
    without,
)
from eac.data.batches.view import PeriodView
from eac.strategies.base import PeriodContext, PeriodPlan
from eac.strategies.consolidation import Consolidated


class TEAM(Consolidated):
    """Learns where the network changed (Kieu et al., PVLDB 2024, "TEAM").

    Of the paper: the nodes learned on are new nodes and the nodes next to them, neighbours of
    removed nodes, nodes whose readings changed most, and the most stable ones as a rehearsal;
    change is told by histograms of one day against the same day of the other period, stability
    by the Wasserstein distance; elastic weight consolidation holds the old weights.

    Interpretation: returned nodes count as new; the readings are those of the last week of
    training, raw; histograms have 10 bins over what a node read in both weeks, and their
    Jensen-Shannon distances are averaged over the days; the Wasserstein distance is in units of
    the node's range, to compare busy and quiet nodes; the shares, the 2-hop subgraph and the
    Fisher information on this period's training windows are TrafficStream's. The paper's own
    backbone (CAST) is not part of the strategy: any backbone works.

    Args:
        drifted: Share of all nodes, those that drifted most.
        replayed: Share of all nodes, those that are most stable.
        num_hops: Reach of the subgraph around the chosen nodes.
        ewc: Weight of the penalty (published: 1e-3).

    Example:
        >>> strategy = TEAM(drifted=0.05, replayed=0.05)
        >>> strategy.made_with
        {'drifted': 0.05, 'replayed': 0.05}
    """

    def __init__(
        self,
        *,
        drifted: float = 0.05,
        replayed: float = 0.05,
        num_hops: int = 2,
        ewc: float = 1e-3,
    ):
        super().__init__(ewc)
        check_shares(drifted=drifted, replayed=replayed)
        check_least(0, num_hops=num_hops)
        self.drifted = drifted
        self.replayed = replayed
        self.num_hops = num_hops

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Everything in the first period; later where the network or the readings changed."""
        del backbone
        if context.previous is None:
            return PeriodPlan()
        before, now = context.previous.period, context.current.period
        joined = joined_rows(now, context.change)
        beside = neighbours(now.graph, joined)
        bereft = neighbours_of_gone(before, now, context.change.gone)
        change = _change(context.previous, context.current)
        drifted = highest(change.drift, self.drifted)
        chosen = union(joined, beside, bereft, drifted)
        stable = lowest(without(change.distance, chosen), self.replayed)
        return PeriodPlan.on_subgraph(now.graph, union(chosen, stable), self.num_hops)


class _Change(NamedTuple):
    """Scores of the nodes of the current period; NaN where a node was absent before."""

    drift: Float[Tensor, " node"]
    distance: Float[Tensor, " node"]


def _change(previous: PeriodView, current: PeriodView) -> _Change:
    before, now = shared_rows(previous.period.node_ids, current.period.node_ids)
    old = last_week_readings(previous, before)
    new = last_week_readings(current, now)
    steps_per_day = current.period.calendar.steps_per_day
    drift, distance = daily_drift(old, new, steps_per_day), relative_wasserstein(old, new)
    num_nodes = current.period.num_nodes
    return _Change(spread_to(drift, now, num_nodes), spread_to(distance, now, num_nodes))
