"""STKEC: a memory of patterns, nodes chosen by influence, and elastic weight consolidation."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from eac.backbones.base import Backbone
from eac.checks import check_least, check_shares
from eac.continual.clustering import k_means, nearest
from eac.continual.features import batches, evaluating, last_week_starts, mean_day
from eac.continual.fisher import EWC
from eac.continual.influence import influence
from eac.continual.probe import Trial
from eac.continual.selection import highest, joined_rows, random_scores, union, without
from eac.data.batches.batch import Inputs
from eac.data.batches.view import PeriodView
from eac.nn.pattern_memory import PatternMemory
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy
from eac.strategies.consolidation import consolidate
from eac.strategies.forecast import Pair

NO_CLUSTER = -1


class STKEC(Strategy):
    """Recalls patterns and learns on new and influenced nodes (Wang et al., TITS 2023).

    The features become ``h + (h M^T) M`` before the readings are added. In the first period the
    scores ``h M^T`` are also trained to name the cluster of the node's mean day. Later the loss
    counts new and returned nodes, those most influenced by learning on them, and randomly replayed
    ones; backbone and memory are held by their Fisher information on this period's training
    windows, as in the published code.

    Influence: the paper uses influence functions. Here their Hessian is the identity, the
    magnitude of the influence on a node's loss in the last week of training counts, and with no
    node to join the influence is that of learning on all of them.

    Args:
        num_patterns: Rows of the memory, and clusters (published: 24).
        cluster: Weight of the cross-entropy in the first period (published: 0.1).
        cluster_gradient: False computes that term without a gradient, as the published code does.
        influenced: Share of all nodes chosen by influence.
        replayed: Share of all nodes that is replayed.
        num_hops: Reach of the subgraph around the chosen nodes (published: 2).
        ewc: Weight of the penalty (published: 5e-4).

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> strategy = STKEC(num_patterns=24)
        >>> strategy.attach(STGNN())
        >>> strategy.memory.patterns.shape
        torch.Size([24, 12])
    """

    def __init__(
        self,
        num_patterns: int = 24,
        *,
        cluster: float = 0.1,
        cluster_gradient: bool = True,
        influenced: float = 0.05,
        replayed: float = 0.05,
        num_hops: int = 2,
        ewc: float = 5e-4,
    ):
        super().__init__()
        check_least(1, num_patterns=num_patterns)
        check_least(0, cluster=cluster, num_hops=num_hops, ewc=ewc)
        check_shares(influenced=influenced, replayed=replayed)
        self.num_patterns = num_patterns
        self.cluster = cluster
        self.cluster_gradient = cluster_gradient
        self.influenced = influenced
        self.replayed = replayed
        self.num_hops = num_hops
        self._weight = ewc
        self._cluster_loss: Tensor | None = None
        self.labels: Tensor
        self.register_buffer("labels", torch.empty(0, dtype=torch.long), persistent=False)

    def attach(self, backbone: Backbone) -> None:
        """A memory as wide as the features, and room for the old weights."""
        self.memory = PatternMemory(self.num_patterns, backbone.hidden)
        self.ewc = EWC.over(self._held(backbone), self._weight)

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Everything in the first period; later the chosen nodes."""
        if context.previous is None:
            return PeriodPlan()
        period = context.current.period
        joined = joined_rows(period, context.change)
        learned = joined if len(joined) else torch.arange(period.num_nodes)
        model = Pair(self, backbone)
        with evaluating(model):
            scores = influence(model, lambda m: node_losses(m, context.current), learned).abs()
        left = without(scores.cpu(), joined)
        influenced = highest(left, self.influenced)
        left = random_scores(without(left, influenced), context.seed)
        chosen = union(joined, influenced, highest(left, self.replayed))
        return PeriodPlan.on_subgraph(period.graph, chosen, self.num_hops)

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Clusters the nodes in the first period, holds the old weights later."""
        if context.previous is None:
            labels = day_clusters(context.current, self.num_patterns, context.seed)
            self.labels = labels.to(self.labels.device)
            return
        self.labels = self.labels[:0]
        model = Pair(self, backbone)
        consolidate(self.ewc, model, self._held(backbone), context.current)

    def adapt_features(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node hidden"]:
        """Adds what the features recall."""
        if self.training and len(self.labels):
            self._cluster_loss = self._cross_entropy(self.memory.scores(features), inputs)
        return self.memory(features)

    def penalty(self, backbone: Backbone) -> Float[Tensor, ""]:
        """The cross-entropy of the clusters in the first period, the old weights later."""
        held = self.ewc.penalty(self._held(backbone))
        cluster, self._cluster_loss = self._cluster_loss, None
        return held if cluster is None else held + self.cluster * cluster

    def end_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Forgets the clusters."""
        del context, backbone
        self.labels, self._cluster_loss = self.labels[:0], None

    def _held(self, backbone: Backbone) -> list[nn.Parameter]:
        return [*backbone.parameters(), *self.memory.parameters()]

    def _cross_entropy(
        self, scores: Float[Tensor, "batch node pattern"], inputs: Inputs
    ) -> Float[Tensor, ""]:
        labels = self.labels if inputs.nodes is None else self.labels[inputs.nodes]
        scores = scores if self.cluster_gradient else scores.detach()
        known = labels != NO_CLUSTER
        target = labels[known].expand(len(scores), -1)
        total = F.cross_entropy(scores[:, known].flatten(0, 1), target.flatten(), reduction="sum")
        return total / max(target.numel(), 1)


def day_clusters(view: PeriodView, num_clusters: int, seed: int) -> Tensor:
    """Cluster of each node's mean day in the training part; -1 for a node without readings.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=4, num_periods=1, steps_per_period=600))
        >>> day_clusters(data.prepared(Needs()).view, num_clusters=2, seed=0).shape
        torch.Size([4])
    """
    days = mean_day(view)
    known = ~days.isnan().any(1)
    labels = torch.full((len(days),), NO_CLUSTER, dtype=torch.long)
    if known.any():
        labels[known] = nearest(days[known], k_means(days[known], num_clusters, seed=seed))
    return labels


def node_losses(model: Trial, view: PeriodView) -> Float[Tensor, " node"]:
    """Mean squared error of each node over the last week of training; 0 where nothing was read.

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> from eac.strategies.forecast import Pair
        >>> from eac.strategies.online_all import OnlineAll
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> pair = Pair(OnlineAll(), STGNN())
        >>> node_losses(pair, data.prepared(pair.backbone.needs).view).shape
        torch.Size([3])
    """
    total, count = torch.zeros(()), torch.zeros(())
    for batch in batches(view, model.backbone, last_week_starts(view)):
        weight = batch.mask.to(batch.y.dtype)
        error = (model(batch) - batch.scaler.scale_target(batch.y)) * weight
        total = total + error.square().flatten(0, -3).sum((0, 2))
        count = count + weight.sum((0, 2))
    return total / count.clamp_min(1)
