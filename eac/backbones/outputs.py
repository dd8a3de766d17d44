"""Several forecasts of each step, around any backbone."""

from jaxtyping import Float
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.data.batches.batch import Batch, Inputs
from eac.data.core.graph import Graph


class ManyOutputs(Backbone):
    """Forecasts each step several times, as a loss of several outputs asks.

    Every output is the forecast of the backbone and a linear readout of its features, which begins
    as zero: at first all outputs are the one forecast. ``Forecaster`` puts this around a backbone
    where its loss declares more than one output.

    Args:
        backbone: The network inside.
        outputs: Forecasts of each step; they stand in a leading axis.

    Example:
        >>> import torch
        >>> from eac.backbones.stgnn import STGNN
        >>> from eac.data.core.graph import Graph
        >>> backbone = ManyOutputs(STGNN(), outputs=3)
        >>> backbone(Inputs(torch.zeros(2, 5, 12)), Graph.empty(5)).shape
        torch.Size([3, 2, 5, 12])
    """

    def __init__(self, backbone: Backbone, outputs: int = 2):
        super().__init__()
        self.backbone = backbone
        self.outputs = outputs
        self.window, self.horizon, self.hidden = backbone.window, backbone.horizon, backbone.hidden
        self.needs = backbone.needs
        self.spread = nn.Linear(backbone.hidden, outputs * backbone.horizon)
        nn.init.zeros_(self.spread.weight)
        nn.init.zeros_(self.spread.bias)

    @property
    def prompt_width(self) -> int:
        """That of the backbone."""
        return self.backbone.prompt_width

    def encode(self, inputs: Inputs, graph: Graph) -> Float[Tensor, "batch node hidden"]:
        """Those of the backbone."""
        return self.backbone.encode(inputs, graph)

    def decode(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "*output batch node horizon"]:
        """The backbone's forecast, and from it each output's own distance."""
        away = self.spread(features).unflatten(-1, (self.outputs, self.horizon)).movedim(-2, 0)
        return self.backbone.decode(features, inputs) + away

    def head_parameters(self) -> list[nn.Parameter]:
        """Those of the backbone, and what makes the outputs differ."""
        return [*self.backbone.head_parameters(), *self.spread.parameters()]

    def look_back(self, batch: Batch, *, fresh: bool) -> None:
        """Lets the backbone see."""
        self.backbone.look_back(batch, fresh=fresh)

    def start_from(self, batch: Batch) -> None:
        """Lets the backbone choose."""
        self.backbone.start_from(batch)
