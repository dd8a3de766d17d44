"""STRAP: patterns of earlier periods, retrieved and mixed into the features."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eac.backbones.base import Backbone
from eac.data.batches.batch import Inputs
from eac.data.batches.tensors import PeriodTensors
from eac.data.core.windows import window_starts
from eac.errors import ConfigError
from eac.nn.retrieval import PatternLibrary
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy

CANDIDATES = 4
"""Windows drawn for each one stored, of which those with the most readings are kept."""
CHUNK = 16
"""Windows of the whole network encoded at a time when patterns are stored."""


class STRAP(Strategy):
    """Retrieval of stored patterns (STRAP, NeurIPS 2025).

    After each period some windows of its training part are stored with their features. From the
    next period on, features are 0.7 of their own and 0.3 of those retrieved for the most similar
    stored patterns. Everything is trained in every period, from the model of the last.

    The paper's: a library that grows period by period, similarity by cosine, features mixed
    0.7 to 0.3. Interpretation: the model trains on in every period; what is stored is drawn at
    random from the training part, the windows with the most readings; two libraries answer in
    equal shares, one looked up by the window (temporal), one by the features (spatio-temporal),
    and the paper's spatial library, looked up by the structure of the graph alone, is left out;
    ``matches`` and ``patterns`` are this project's. There are no parameters and no state per node.

    Args:
        own: Share of a window's own features; the rest is retrieved (paper: 0.7).
        patterns: Windows stored per period; nothing is dropped later, and a step takes time in
            proportion to all that is stored.
        matches: Stored patterns that answer one query.

    Raises:
        ConfigError: If ``own`` is not between 0 and 1 or nothing would be stored or retrieved.

    Example:
        >>> strategy = STRAP(own=0.7, matches=5)
        >>> strategy.made_with
        {'own': 0.7, 'matches': 5}
    """

    def __init__(self, own: float = 0.7, *, patterns: int = 32, matches: int = 5):
        super().__init__()
        if not 0 <= own <= 1 or patterns < 1 or matches < 1:
            raise ConfigError(
                f"STRAP: own={own}, patterns={patterns}, matches={matches}: give a share between "
                "0 and 1, and at least 1 of the others."
            )
        self.own = own
        self.patterns = patterns
        self.matches = matches

    def attach(self, backbone: Backbone) -> None:
        """Two empty libraries."""
        width = backbone.hidden
        self.temporal = PatternLibrary(backbone.window, width, matches=self.matches)
        self.spatiotemporal = PatternLibrary(width, width, matches=self.matches)

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Trains everything, from where the last period ended."""
        del context, backbone
        return PeriodPlan()

    def adapt_features(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node hidden"]:
        """Mixes in what is retrieved, once something is stored."""
        if not len(self.temporal):
            return features
        retrieved = self.temporal(inputs.x) + self.spatiotemporal(features.detach())
        return self.own * features + (1 - self.own) / 2 * retrieved

    @torch.no_grad()
    def end_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Stores windows of the training part with their features."""
        view = context.current
        tensors = view.tensors.to(next(backbone.parameters()).device)
        train = window_starts(
            view.split.train,
            tensors.window,
            tensors.horizon,
            period=view.period.name,
            part="train",
        )
        starts, nodes = _draw(train, view.period.node_ids, self.patterns, context.seed)
        starts, nodes = starts.to(tensors.device), nodes.to(tensors.device)
        starts, nodes = _most_observed(tensors, starts, nodes, self.patterns)
        was_training = backbone.training
        backbone.eval()
        for some, rows in zip(starts.split(CHUNK), nodes.split(CHUNK), strict=True):
            batch = tensors.batch(some)
            every = torch.arange(len(some), device=some.device)
            features = backbone.encode(self.adapt_input(batch.inputs), batch.graph)[every, rows]
            self.temporal.add(batch.inputs.x[every, rows], features)
            self.spatiotemporal.add(features, features)
        backbone.train(was_training)


def _draw(
    starts: Int[Tensor, " window"], node_ids: tuple[str, ...], count: int, seed: int
) -> tuple[Int[Tensor, " drawn"], Int[Tensor, " drawn"]]:
    """Start and row of random windows, the same whatever the order in which nodes are listed."""
    generator = torch.Generator().manual_seed(seed)
    by_name = torch.tensor(sorted(range(len(node_ids)), key=node_ids.__getitem__))
    size = (CANDIDATES * count,)
    when = torch.randint(len(starts), size, generator=generator)
    who = torch.randint(len(node_ids), size, generator=generator)
    return starts[when], by_name[who]


def _most_observed(
    tensors: PeriodTensors, starts: Int[Tensor, " drawn"], nodes: Int[Tensor, " drawn"], count: int
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " kept"]]:
    """The ``count`` windows with the most readings, first drawn first."""
    _, observed = tensors.windows(starts, nodes[:, None])
    readings = observed.sum((1, 2))
    best = readings.argsort(descending=True, stable=True)[:count]
    return starts[best], nodes[best]
