"""The published backbone: two graph layers around a convolution along the channels."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.checks import check_least
from eac.data.batches.batch import Inputs
from eac.data.batches.needs import Needs
from eac.data.core.graph import Graph
from eac.errors import ConfigError
from eac.nn.fused import Block, band_matrix, gelu_readout, two_graph_layers
from eac.nn.message_passing import GraphLinear, propagate, propagate_nodes, propagate_series


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

    Example:
        >>> from eac.data.batches.batch import Inputs
        >>> network = STGNN(window=12, horizon=12)
        >>> sum(p.numel() for p in network.parameters())  # as published
        3308
        >>> network(Inputs(torch.zeros(2, 5, 12)), Graph.empty(5)).shape
        torch.Size([2, 5, 12])
    """

    needs = Needs(hops=2, neighbours=propagate_series)

    def __init__(
        self,
        window: int = 12,
        horizon: int = 12,
        *,
        hidden: int = 64,
        kernel_size: int = 3,
        activation: str | nn.Module = "gelu",
        dropout: float = 0.0,
    ):
        super().__init__()
        check_least(1, hidden=hidden, kernel_size=kernel_size)
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
        if not _fusable(inputs.x):
            hidden = self.gcn1(inputs.prompted, graph).relu()
            return self.gcn2(self._convolve(hidden), graph)
        x, neighbour_x = inputs.x.mT, inputs.neighbour_x
        if neighbour_x is None:
            neighbour_x = propagate(inputs.x, graph)
        block = self._block(inputs.prompt, graph)
        return two_graph_layers(x, neighbour_x.mT, block, graph).mT

    def decode(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node horizon"]:
        """Readout of the features plus the unprompted readings."""
        if _fusable(inputs.x) and _is_gelu(self.activation):
            return self.dropout(gelu_readout(features.mT, inputs.x.mT, self.fc)).mT
        active = self.activation(features.mT + inputs.x.mT)
        y_hat = torch.baddbmm(
            self.fc.bias[:, None], self.fc.weight.expand(len(active), -1, -1), active
        )
        return self.dropout(y_hat).mT

    def published_layers(self) -> list[nn.Module]:
        """Both graph layers, each drawn twice, then the convolution and the readout.

        Under the published protocol first weights are drawn in this order.
        """
        pairs = [[layer.weight_neigh, layer.weight_self] for layer in (self.gcn1, self.gcn2)]
        return [*pairs[0], *pairs[0], *pairs[1], *pairs[1], self.tcn1, self.fc]

    def _convolve(
        self, x: Float[Tensor, "batch node channel"]
    ) -> Float[Tensor, "batch node channel"]:
        return self.tcn1(x.reshape(-1, 1, x.shape[-1])).view(x.shape)

    def _block(self, prompt: Float[Tensor, "node window"] | None, graph: Graph) -> Block:
        """The layers' weights with the convolution and the biases folded in."""
        first, second = self.gcn1, self.gcn2
        neigh = first.weight_neigh
        inward = torch.cat([neigh.weight, first.weight_self.weight, neigh.bias[:, None]], dim=1)
        if prompt is None:
            shift = inward.new_zeros(2 * self.window, graph.num_nodes)
        else:
            shift = torch.cat([propagate_nodes(prompt, graph).T, prompt.T])
        both = torch.cat([second.weight_neigh.weight, second.weight_self.weight])
        outward = both @ band_matrix(self.tcn1.weight[0, 0], both.shape[1])
        heard, own = (both.sum(1) * self.tcn1.get_parameter("bias")).chunk(2)
        constant = (
            torch.outer(heard, graph.total_heard(both.dtype))
            + (own + second.weight_neigh.bias)[:, None]
        )
        return Block(inward, shift, outward, constant)


def _fusable(x: Tensor) -> bool:
    known = x.dtype in (torch.float32, torch.float64)
    plain = torch.compiler.is_compiling() or torch.is_autocast_enabled(x.device.type)
    return known and not plain


def _is_gelu(activation: nn.Module) -> bool:
    return isinstance(activation, nn.GELU) and activation.approximate == "none"


def _activation(activation: str | nn.Module) -> nn.Module:
    if isinstance(activation, nn.Module):
        return activation
    known: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}
    if activation not in known:
        names = ", ".join(known)
        raise ConfigError(f"STGNN: unknown activation {activation!r}. Give one of: {names}.")
    return known[activation]()
