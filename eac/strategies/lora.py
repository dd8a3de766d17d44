"""ST-LoRA: a frozen backbone, and one low-rank layer for every period."""

from jaxtyping import Float
from torch import Tensor

from eac.backbones.base import Backbone
from eac.checks import check_least
from eac.data.batches.batch import Inputs
from eac.nn.low_rank import LowRankStack
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy


class LoRA(Strategy):
    """One low-rank residual layer per period, as compared with EAC (Chen & Liang, ICLR 2025).

    Period 0 trains the backbone and the first layer. Every later period freezes the backbone and
    the layers there are, and trains a new one, which begins as zero.

    The comparison's own: low-rank layers, rank 6, one per period, older ones frozen, the backbone
    frozen. Interpretation: the place. The comparison puts the layers after the first graph layer;
    here they follow ``encode``, which every backbone has, whatever its layers are. The first
    values are those of LoRA (Hu et al., 2022): one factor random, the other zero.

    Args:
        rank: Of each layer (the comparison: 6).

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> strategy = LoRA(rank=6)
        >>> strategy.attach(STGNN(hidden=64))  # ``Forecaster`` does this
        >>> sum(p.numel() for p in strategy.parameters())  # a layer is added in each later period
        0
    """

    def __init__(self, rank: int = 6):
        super().__init__()
        check_least(1, rank=rank)
        self.rank = rank

    def attach(self, backbone: Backbone) -> None:
        """An empty stack of layers as wide as the features."""
        self.layers = LowRankStack(backbone.hidden, self.rank)

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """Everything in period 0; the period's own layer later."""
        del backbone
        return PeriodPlan(freeze_backbone=context.index > 0)

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """Fixes the layers there are and adds one."""
        del backbone
        self.layers.grow(context.seed)

    def adapt_features(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node hidden"]:
        """Adds what the layers make of the features."""
        del inputs
        return features + self.layers(features)
