"""TFMoE: experts chosen by how well their autoencoder explains a window."""

import copy
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from eac.backbones.base import Backbone
from eac.checks import check_least, check_shares
from eac.continual.selection import highest, joined_rows, without
from eac.data.batches.batch import Inputs
from eac.data.batches.view import PeriodView
from eac.nn.experts import GraphLearningPredictor, WindowVAE, gate, mixture_loss
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy

WINDOWS = 16
"""Windows of all nodes whose errors are measured at once."""


class TFMoE(Strategy):
    """A mixture of experts around one backbone (TFMoE, 2024).

    Each expert has a variational autoencoder of windows and a predictor that changes the features
    along a graph it learns. A window is shared among experts by the likelihood that their
    autoencoders give it, so that a new node is routed by what it measures; there is no state per
    node. Period 0 trains everything; later periods train the experts on nodes that joined and on
    known nodes that the autoencoders explain worst, while the autoencoders keep to what they were.

    The paper's: experts of an autoencoder and a graph-learning predictor, gate by reconstruction
    likelihood, consolidation by reconstruction, replay of windows drawn from the autoencoders,
    training on new nodes and a small replayed share, no per-node parameters. Interpretation: the
    experts share the given backbone and change its features between ``encode`` and ``decode``,
    and it is frozen after period 0, so that only experts adapt; the gate looks at the window
    where the paper looks at a week of a sensor; the autoencoders are trained as a mixture, jointly
    with the forecast, in place of a clustering before it; the gate takes no gradient from the
    forecast; the learned graph is linear attention; the drawn windows train the autoencoders,
    not the predictors, for they have no targets; all sizes and weights.

    Args:
        experts: Number of experts.
        latent: Width of an autoencoder's code.
        replay_share: Of known nodes, those explained worst are trained on in later periods.
        reconstruction_weight: Of the autoencoders' own loss.
        consolidation_weight: Of keeping reconstructions as the last period left them.
        replay_windows: Windows drawn from each autoencoder at each step.
        freeze_backbone: False trains the shared backbone in every period too.

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> strategy = TFMoE(experts=4)
        >>> strategy.attach(STGNN())
    """

    def __init__(
        self,
        experts: int = 4,
        *,
        latent: int = 4,
        replay_share: float = 0.05,
        reconstruction_weight: float = 1.0,
        consolidation_weight: float = 1.0,
        replay_windows: int = 64,
        freeze_backbone: bool = True,
    ):
        super().__init__()
        check_least(1, experts=experts, latent=latent, replay_windows=replay_windows)
        check_shares(replay_share=replay_share)
        check_least(0, reconstruction_weight=reconstruction_weight)
        check_least(0, consolidation_weight=consolidation_weight)
        self.experts = experts
        self.latent = latent
        self.replay_share = replay_share
        self.reconstruction_weight = reconstruction_weight
        self.consolidation_weight = consolidation_weight
        self.replay_windows = replay_windows
        self.freeze_backbone = freeze_backbone
        self._later = False
        self._reconstruction: Tensor | None = None

    def attach(self, backbone: Backbone) -> None:
        """An autoencoder and a predictor for each expert, and the autoencoders to keep to."""
        window, width = backbone.window, backbone.hidden
        each = range(self.experts)
        self.autoencoders = nn.ModuleList(WindowVAE(window, latent=self.latent) for _ in each)
        self.predictors = nn.ModuleList(GraphLearningPredictor(width) for _ in each)
        self.remembered = copy.deepcopy(self.autoencoders).requires_grad_(False)

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Everything in period 0; later the experts, on nodes new or explained worst."""
        if context.index == 0:
            return PeriodPlan()
        view = context.current
        joined = joined_rows(view.period, context.change)
        known = without(self._mean_error(view), joined)
        replayed = highest(known, self.replay_share) if self.replay_share > 0 else joined[:0]
        chosen = torch.cat([joined, replayed]).sort().values
        graph, hops = view.period.graph, backbone.needs.hops
        return PeriodPlan(
            train=len(chosen) > 0,
            freeze_backbone=self.freeze_backbone,
            loss_nodes=chosen,
            graph_nodes=None if hops is None else graph.k_hop_subgraph(chosen, hops),
        )

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Notes whether there is something to keep to."""
        del backbone
        self._later = context.index > 0

    def adapt_features(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node hidden"]:
        """Adds what the experts say, each as far as the window is its own."""
        pairs = [v(inputs.x, inputs.observed, sample=self.training) for v in self.autoencoders]
        errors, divergences = (torch.stack(values, -1) for values in zip(*pairs, strict=True))
        if self.training:
            self._reconstruction = mixture_loss(errors + divergences)
        share = gate(errors.detach())
        said = [p(features) * share[..., [k]] for k, p in enumerate(self.predictors)]
        return features + torch.stack(said).sum(0)

    def penalty(self, backbone: Backbone) -> Float[Tensor, ""] | None:
        """The autoencoders' loss on the batch, and later what keeps them as they were."""
        del backbone
        loss, self._reconstruction = self._reconstruction, None
        if loss is None:
            return None
        loss = self.reconstruction_weight * loss
        return loss + self.consolidation_weight * self._forgetting() if self._later else loss

    def end_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Remembers the autoencoders as they are now."""
        del context, backbone
        self.remembered.load_state_dict(self.autoencoders.state_dict())

    def _forgetting(self) -> Float[Tensor, ""]:
        """How far the autoencoders left what the remembered ones make of random codes.

        For each expert, windows are drawn from the remembered decoder; the present decoder is held
        to the same windows, and the present autoencoder is trained on them.
        """
        losses = []
        both = zip(self.autoencoders, self.remembered, strict=True)
        for now, before in cast("list[tuple[WindowVAE, WindowVAE]]", list(both)):
            like = next(now.parameters())
            code = torch.randn(self.replay_windows, self.latent, device=like.device).to(like)
            drawn = before.decode(code)
            error, divergence = now(drawn, sample=True)
            losses.append(F.mse_loss(now.decode(code), drawn))
            losses.append((error + divergence).mean())
        return torch.stack(losses).sum() / self.experts

    @torch.no_grad()
    def _mean_error(self, view: PeriodView) -> Float[Tensor, " node"]:
        """Mean error of reconstruction of each node's training part, as the gate mixes it."""
        tensors, train = view.tensors, view.split.train
        device = next(self.autoencoders.parameters()).device
        starts = torch.arange(train.start, max(train.stop - tensors.window, train.start + 1))
        tensors, mixed = tensors.to(device), []
        for some in starts[:: tensors.window].to(device).split(WINDOWS):
            inputs = tensors.batch(some).inputs
            errors = torch.stack([v(inputs.x, inputs.observed)[0] for v in self.autoencoders], -1)
            mixed.append((gate(errors) * errors).sum(-1))
        return torch.cat(mixed).mean(0).cpu()
