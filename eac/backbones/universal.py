"""The backbone of the study of universality: any graph layer with any operator along time."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.checks import check_least
from eac.data.batches.batch import Inputs
from eac.data.batches.needs import Needs
from eac.data.core.graph import Graph
from eac.nn.chebyshev import ChebyshevLinear
from eac.nn.message_passing import GraphLayer, GraphLinear
from eac.nn.temporal import AttentionOverTime, ConvOverTime, LSTMOverTime, TemporalOperator

GRAPH_LAYERS: tuple[type[GraphLayer], ...] = (GraphLinear, ChebyshevLinear)
"""The spatial and the spectral layer of the study (Chen & Liang, ICLR 2025)."""

TEMPORAL_OPERATORS: tuple[type[TemporalOperator], ...] = (
    ConvOverTime,
    LSTMOverTime,
    AttentionOverTime,
)
"""The three temporal operators of the study."""


class Universal(Backbone):
    """Graph layer, operator along time, graph layer, residual, readout.

    The six networks of the study of universality (Chen & Liang, ICLR 2025), after the plan of the
    published backbone. The first graph layer lifts each reading of the window to ``hidden``
    channels; the operator mixes the steps of each node; the second graph layer reads all steps
    and channels of a node. Unlike the published code, in which the LSTM runs over nodes, the
    attention over the batch, and neither is ever frozen, every operator runs over time and belongs
    to the backbone.

    Args:
        window: Past steps in.
        horizon: Future steps out.
        hidden: Channels of a step.
        graph_layer: Of two widths: ``GraphLinear`` (spatial) or ``ChebyshevLinear`` (spectral).
        temporal: Of the number of channels: ``ConvOverTime``, ``LSTMOverTime`` or
            ``AttentionOverTime``.

    Example:
        >>> import torch
        >>> from eac.data.batches.batch import Inputs
        >>> from eac.nn.temporal import LSTMOverTime
        >>> network = Universal(window=12, horizon=6, temporal=LSTMOverTime)
        >>> network(Inputs(torch.zeros(2, 5, 12)), Graph.empty(5)).shape
        torch.Size([2, 5, 6])
    """

    def __init__(
        self,
        window: int = 12,
        horizon: int = 12,
        *,
        hidden: int = 16,
        graph_layer: Callable[[int, int], GraphLayer] = GraphLinear,
        temporal: Callable[[int], TemporalOperator] = ConvOverTime,
    ):
        super().__init__()
        check_least(1, hidden=hidden)
        self.window, self.horizon, self.hidden = window, horizon, window
        self.lift = graph_layer(1, hidden)
        self.temporal = temporal(hidden)
        self.gather = graph_layer(window * hidden, window)
        self.readout = nn.Linear(window, horizon)
        self.needs = Needs(hops=self.lift.hops + self.gather.hops)

    def encode(self, inputs: Inputs, graph: Graph) -> Float[Tensor, "batch node hidden"]:
        """Features of the width of the window."""
        batch, node, window = inputs.x.shape
        steps = inputs.prompted.mT.reshape(batch * window, node, 1)
        lifted = self.lift(steps, graph).relu().reshape(batch, window, node, -1)
        sequences = lifted.transpose(1, 2).reshape(batch * node, window, -1)
        return self.gather(self.temporal(sequences).reshape(batch, node, -1), graph)

    def decode(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node horizon"]:
        """Readout of the features plus the unprompted readings."""
        return self.readout(nn.functional.gelu(features + inputs.x))
