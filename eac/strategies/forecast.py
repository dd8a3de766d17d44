"""How a strategy and a backbone forecast together."""

from jaxtyping import Float
from torch import Tensor

from eac.backbones.base import Backbone
from eac.continual.probe import Trial
from eac.data.batches.batch import Batch, Inputs
from eac.data.core.graph import Graph
from eac.strategies.base import Strategy


def scaled_forecast(
    strategy: Strategy, backbone: Backbone, inputs: Inputs, graph: Graph
) -> Float[Tensor, "*output batch node horizon"]:
    """Forecasts in the units of the backbone, the strategy's hooks included.

    Example:
        >>> import torch
        >>> from eac.backbones.stgnn import STGNN
        >>> from eac.strategies.online_all import OnlineAll
        >>> graph = Graph.empty(3)
        >>> scaled_forecast(OnlineAll(), STGNN(), Inputs(torch.zeros(2, 3, 12)), graph).shape
        torch.Size([2, 3, 12])
    """
    inputs = strategy.adapt_input(inputs)
    features = strategy.adapt_features(backbone.encode(inputs, graph), inputs)
    return backbone.decode(features, inputs)


class Pair(Trial):
    """A strategy and a backbone as one module, to try out what a training would bring.

    Args:
        strategy: With the nodes of the period selected.
        backbone: The network.

    Example:
        >>> from eac.backbones.stgnn import STGNN
        >>> from eac.strategies.online_all import OnlineAll
        >>> pair = Pair(OnlineAll(), STGNN())
        >>> pair.backbone.horizon, pair.penalty() is None
        (12, True)
    """

    def __init__(self, strategy: Strategy, backbone: Backbone):
        super().__init__()
        self.backbone = backbone
        self.strategy = strategy

    def forward(self, batch: Batch) -> Float[Tensor, "*output batch node horizon"]:
        """Forecasts in the units of the backbone."""
        return scaled_forecast(self.strategy, self.backbone, batch.inputs, batch.graph)

    def penalty(self) -> Float[Tensor, ""] | None:
        """What the strategy adds to the loss."""
        return self.strategy.penalty(self.backbone)
