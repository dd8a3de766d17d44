"""The published backbone: two graph layers around a convolution along the channels."""

from typing import Literal, TypeAlias

from jaxtyping import Float
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.data.batch import Inputs
from eac.data.graph import Graph
from eac.errors import ConfigError
from eac.nn.message_passing import GraphLinear, propagate_nodes
from eac.typing import NodeSeries

Activation: TypeAlias = Literal["gelu", "relu"] | nn.Module


class STGNN(Backbone):
    """The backbone that EAC, TrafficStream and STKEC share; 3,308 parameters at its defaults.

    Graph layer, ReLU, convolution along the channels, graph layer; then the unprompted readings
    are added, activated and read out. The features have the width of the window.

    Args:
        window: Past steps in; published 12.
        horizon: Future steps out; published 12.
        hidden: Channels between the two graph layers; published 64.
        kernel_size: Of the convolution along the channels, odd; published 3.
        activation: Before the readout: ``gelu`` (EAC, TrafficStream), ``relu`` (STKEC), or a
            module.
        dropout: Of the forecasts, in training; published 0 in most settings.

    Raises:
        ConfigError: If ``kernel_size`` is even or the activation is unknown.
    """

    def __init__(
        self,
        window: int = 12,
        horizon: int = 12,
        *,
        hidden: int = 64,
        kernel_size: int = 3,
        activation: Activation = "gelu",
        dropout: float = 0.0,
    ):
        super().__init__()
        if kernel_size % 2 == 0:
            raise ConfigError(f"STGNN: kernel_size={kernel_size} is even; give an odd number.")
        self.window, self.horizon, self.hidden = window, horizon, window
        self.gcn1 = GraphLinear(window, hidden)
        self.tcn1 = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2)
        self.gcn2 = GraphLinear(hidden, window)
        self.activation = _activation(activation)
        self.fc = nn.Linear(window, horizon)
        self.dropout = nn.Dropout(dropout)

    def encode(self, inputs: Inputs, graph: Graph) -> Float[Tensor, "batch node hidden"]:
        """Features of the width of the window."""
        x = inputs.prompted
        hidden = self.gcn1(x, graph).relu()
        return self.gcn2(self._convolve(hidden), graph)

    def decode(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node horizon"]:
        """Readout of the features plus the unprompted readings."""
        return self.dropout(self.fc(self.activation(features + inputs.x)))

    def neighbour_series(self, series: NodeSeries, graph: Graph) -> NodeSeries:
        """The graph applied to a scaled series, 0 where missing."""
        return propagate_nodes(series.T, graph).T.contiguous()

    def _convolve(
        self, x: Float[Tensor, "batch node channel"]
    ) -> Float[Tensor, "batch node channel"]:
        return self.tcn1(x.reshape(-1, 1, x.shape[-1])).view(x.shape)


def _activation(activation: Activation) -> nn.Module:
    if isinstance(activation, nn.Module):
        return activation
    known: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}
    if activation not in known:
        names = ", ".join(known)
        raise ConfigError(f"STGNN: unknown activation {activation!r}. Give one of: {names}.")
    return known[activation]()
