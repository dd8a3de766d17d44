"""PECPM: a bank of traffic patterns that is matched, expanded and kept."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from eac.backbones.base import Backbone
from eac.checks import check_least, check_shares
from eac.continual.clustering import k_means
from eac.continual.drift import relative_wasserstein, spread_to
from eac.continual.features import last_week_starts, mean_day
from eac.continual.fisher import EWC
from eac.continual.selection import highest, joined_rows, lowest, shared_rows, union, without
from eac.data.batches.batch import Inputs
from eac.data.batches.view import PeriodView
from eac.nn.pattern_memory import PatternMemory
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy
from eac.strategies.consolidation import consolidate
from eac.strategies.forecast import Pair
from eac.typing import NodeIndex

MAX_WINDOWS = 20_000
"""Windows that are clustered, drawn from those there are."""


class PECPM(Strategy):
    """Pattern expansion and consolidation by pattern matching (Wang et al., KDD 2023).

    Of the paper: a bank of representative patterns of traffic, found by clustering; each window is
    matched with the bank by similarity and the features attend over it; new nodes and nodes whose
    pattern evolved are learned on and bring new patterns; what the bank holds is consolidated.

    As in the code its authors published since: 64 patterns, cosine similarity with the 5 best
    kept, attention ``softmax(h M^T) M`` added to the features and drawn to the match by a squared
    error, evolution of a node as the Wasserstein distance between its mean days, a few of the
    most stable nodes replayed, elastic weight consolidation with weight 1e-3.

    Interpretation: patterns are clustered from the windows of the last week of training; the kept
    similarities are scaled to sum to one, as attention does, and the error is summed over
    patterns; windows that resemble no pattern by ``novelty`` bring at most ``expand`` new ones a
    period, each of which starts from the features' pattern of its nearest neighbour; old
    patterns are held by their squared distance; days are compared in scaled units, relative to
    the node's range; returned nodes count as new; shares and subgraph are TrafficStream's.

    Args:
        num_patterns: Patterns of the first period.
        matches: Patterns that a window is matched with.
        match: Weight of the matching error.
        keep: Weight of the distance of old patterns from where they were.
        expand: At most this many new patterns in a period.
        novelty: A window is novel if its best cosine similarity is below this.
        evolved: Share of all nodes, those that evolved most.
        replayed: Share of all nodes, those that evolved least.
        num_hops: Reach of the subgraph around the chosen nodes.
        ewc: Weight of the penalty on the backbone.

    Example:
        >>> strategy = PECPM(num_patterns=64, matches=5)
        >>> strategy.made_with
        {'num_patterns': 64, 'matches': 5}
    """

    def __init__(
        self,
        num_patterns: int = 64,
        *,
        matches: int = 5,
        match: float = 1.0,
        keep: float = 1.0,
        expand: int = 8,
        novelty: float = 0.9,
        evolved: float = 0.05,
        replayed: float = 0.05,
        num_hops: int = 2,
        ewc: float = 1e-3,
    ):
        super().__init__()
        check_least(1, num_patterns=num_patterns, matches=matches)
        check_least(0, match=match, keep=keep, expand=expand, num_hops=num_hops, ewc=ewc)
        check_shares(evolved=evolved, replayed=replayed)
        self.num_patterns = num_patterns
        self.matches, self.match, self.keep = matches, match, keep
        self.expand, self.novelty = expand, novelty
        self.evolved, self.replayed = evolved, replayed
        self.num_hops = num_hops
        self._weight = ewc
        self._match_loss: Tensor | None = None

    def attach(self, backbone: Backbone) -> None:
        """A bank as wide as the features, one pattern of a window for each, and room for EWC."""
        self.bank = PatternMemory(self.num_patterns, backbone.hidden, normalise=True)
        self.shapes = PatternMemory(self.num_patterns, backbone.window).requires_grad_(False)
        self.ewc = EWC.over(backbone.parameters(), self._weight)

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Everything in the first period; later new, evolved and stable nodes."""
        del backbone
        if context.previous is None:
            return PeriodPlan()
        period = context.current.period
        evolution = _evolution(context.previous, context.current)
        learned = self._learned(context, evolution)
        stable = lowest(without(evolution, learned), self.replayed)
        return PeriodPlan.on_subgraph(period.graph, union(learned, stable), self.num_hops)

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Fills the bank in the first period; expands it and holds the old weights later."""
        if context.previous is None:
            self._fill(context)
            return
        held = list(backbone.parameters())
        consolidate(self.ewc, Pair(self, backbone), held, context.current)
        self.bank.hold()
        evolution = _evolution(context.previous, context.current)
        self._expand(context, self._learned(context, evolution))

    def adapt_features(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node hidden"]:
        """Adds what the features recall from the bank."""
        if self.training:
            attention = self.bank.scores(features).softmax(-1)
            error = (attention - self._matched(inputs.x)).square().sum(-1)
            self._match_loss = error.mean()
        return self.bank(features)

    def penalty(self, backbone: Backbone) -> Float[Tensor, ""]:
        """The matching error, the departure of old patterns and that of old weights."""
        held = self.ewc.penalty(backbone.parameters()) + self.keep * self.bank.departure()
        match, self._match_loss = self._match_loss, None
        return held if match is None else held + self.match * match

    def end_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Drops what the last batch left."""
        del context, backbone
        self._match_loss = None

    def _learned(self, context: PeriodContext, evolution: Float[Tensor, " node"]) -> NodeIndex:
        joined = joined_rows(context.current.period, context.change)
        return union(joined, highest(evolution, self.evolved))

    def _matched(
        self, x: Float[Tensor, "batch node window"]
    ) -> Float[Tensor, "batch node pattern"]:
        """How much each window resembles each shape; sums to one over the best, or is zero."""
        similarity = cosine(x, self.shapes.patterns).clamp_min(0)
        best = similarity.topk(min(self.matches, similarity.shape[-1]), dim=-1)
        kept = torch.zeros_like(similarity).scatter(-1, best.indices, best.values)
        return kept / kept.sum(-1, keepdim=True).clamp_min(1e-6)

    @torch.no_grad()
    def _fill(self, context: PeriodContext) -> None:
        """Shapes by clustering; where there are fewer than asked for, the rest stay random."""
        everyone = torch.arange(context.current.period.num_nodes)
        windows = _last_week_windows(context.current, everyone, context.seed)
        centres = k_means(windows, self.num_patterns, seed=context.seed)
        self.shapes.patterns[: len(centres)] = centres.to(self.shapes.patterns)

    @torch.no_grad()
    def _expand(self, context: PeriodContext, nodes: NodeIndex) -> None:
        """Adds the shapes of novel windows, and for each the pattern of its nearest old shape."""
        windows = _last_week_windows(context.current, nodes, context.seed)
        old = self.shapes.patterns.cpu()
        novel = windows[cosine(windows, old).amax(-1) < self.novelty]
        fresh = k_means(novel, self.expand, seed=context.seed)
        nearest = cosine(fresh, old).argmax(-1)
        self.bank.grow(self.bank.patterns[nearest.to(self.bank.patterns.device)])
        self.shapes.grow(fresh)


def cosine(
    x: Float[Tensor, "*any window"], patterns: Float[Tensor, "pattern window"]
) -> Float[Tensor, "*any pattern"]:
    """Cosine similarity of windows and patterns; 0 for a window of zeros.

    Example:
        >>> cosine(torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0]])).tolist()
        [[1.0, 0.0]]
    """
    return F.normalize(x, dim=-1) @ F.normalize(patterns, dim=-1).T


def _evolution(previous: PeriodView, current: PeriodView) -> Float[Tensor, " node"]:
    """How far each node's mean day moved; NaN where the node was absent before."""
    before, now = shared_rows(previous.period.node_ids, current.period.node_ids)
    moved = relative_wasserstein(mean_day(previous)[before].T, mean_day(current)[now].T)
    return spread_to(moved, now, current.period.num_nodes)


def _last_week_windows(
    view: PeriodView, nodes: NodeIndex, seed: int
) -> Float[Tensor, "sample window"]:
    """Windows of some nodes in the last week of training, those without any reading left out."""
    starts = last_week_starts(view).to(view.tensors.device)
    found = view.tensors.windows(starts, nodes.to(starts.device))
    x, observed = (part.flatten(0, 1).cpu() for part in found)
    x = x[observed.any(-1)]
    generator = torch.Generator().manual_seed(seed % 2**63)
    return x[torch.randperm(len(x), generator=generator)[:MAX_WINDOWS]]
