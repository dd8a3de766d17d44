"""Graph WaveNet: dilated causal convolutions with gates, and diffusion over the graph."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.checks import check_least
from eac.cpu import Linear
from eac.data.batches.batch import Inputs
from eac.data.batches.needs import Needs
from eac.data.core.graph import Graph
from eac.errors import ConfigError
from eac.nn.clock import time_of_day
from eac.nn.message_passing import propagate_nodes

DILATIONS = (1, 2)
"""Of the two layers of a block (paper)."""


class GraphWaveNet(Backbone):
    """Graph WaveNet (Wu et al., IJCAI 2019) over the given graph.

    Blocks of two gated causal convolutions of two steps, dilated by 1 and 2; after each but the
    last a diffusion convolution over the graph, forward and backward. Of every layer the newest
    step is read out.

    Left out: the adaptive adjacency, which is made of embeddings of single nodes, while a
    backbone knows no node by name. A strategy's prompt is added to the readings instead.
    Layer normalisation of each node and step stands in place of batch normalisation, whose
    running statistics would go on changing in a frozen backbone. The diffusion after the last
    layer, whose result the published code computes and drops, is not built.

    Args:
        window: Past steps in.
        horizon: Future steps out.
        hidden: Channels of the convolutions (paper: 32).
        skip: Channels of the features (paper's code: 256).
        readout: Channels of the layer before the forecast (paper's code: 512).
        num_blocks: Each sees three steps further back (paper: 4, hence 13 steps).
        order: Steps of the diffusion (paper: 2).
        dropout: After the diffusion (paper: 0.3).

    Raises:
        ConfigError: If the window is longer than the blocks see.

    Example:
        >>> from eac.data.batches.batch import Inputs
        >>> network = GraphWaveNet(window=12, horizon=6, hidden=8, skip=16, readout=16)
        >>> network(Inputs(torch.zeros(2, 5, 12)), Graph.empty(5)).shape
        torch.Size([2, 5, 6])
    """

    def __init__(
        self,
        window: int = 12,
        horizon: int = 12,
        *,
        hidden: int = 32,
        skip: int = 256,
        readout: int = 512,
        num_blocks: int = 4,
        order: int = 2,
        dropout: float = 0.3,
    ):
        super().__init__()
        check_least(1, hidden=hidden, skip=skip, readout=readout)
        check_least(1, num_blocks=num_blocks, order=order)
        dilations = DILATIONS * num_blocks
        self._receptive_field = 1 + sum(dilations)
        if window > self._receptive_field:
            needed = -(-(window - 1) // sum(DILATIONS))
            raise ConfigError(
                f"GraphWaveNet: {num_blocks} blocks see {self._receptive_field} steps, but the "
                f"window has {window}. Give num_blocks={needed}."
            )
        self.window, self.horizon, self.hidden = window, horizon, skip
        self.needs = Needs(hops=order * (len(dilations) - 1))
        self.start = nn.Conv1d(2, hidden, 1)
        self.convolutions = nn.ModuleList(_GatedConv(hidden, d) for d in dilations)
        self.skips = nn.ModuleList(Linear(hidden, skip) for _ in dilations)
        self.diffusions = nn.ModuleList(_Diffusion(hidden, order, dropout) for _ in dilations[1:])
        self.readout = nn.Sequential(
            nn.ReLU(), Linear(skip, readout), nn.ReLU(), Linear(readout, horizon)
        )

    def encode(self, inputs: Inputs, graph: Graph) -> Float[Tensor, "batch node hidden"]:
        """What all layers say of the newest step."""
        x = self._start(inputs)
        features = inputs.x.new_zeros(())
        for layer, (convolve, skip) in enumerate(zip(self.convolutions, self.skips, strict=True)):
            gated = convolve(x)
            features = features + skip(gated[..., -1])
            if layer < len(self.diffusions):
                x = self.diffusions[layer](gated, x[..., -gated.shape[-1] :], graph)
        batch, node, _ = inputs.x.shape
        return features.view(node, batch, -1).transpose(0, 1)

    def decode(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node horizon"]:
        """Two layers."""
        del inputs
        return self.readout(features)

    def _start(self, inputs: Inputs) -> Float[Tensor, "sequence channel time"]:
        """Readings and time of day, lifted; all windows of a node lie together.

        A short window is led in by zeros, as many as the layers see.
        """
        readings = inputs.prompted.transpose(0, 1)
        both = torch.stack([readings, time_of_day(inputs).expand_as(readings)], dim=2)
        lead = self._receptive_field - self.window
        return self.start(nn.functional.pad(both.flatten(0, 1), (lead, 0)))


class _GatedConv(nn.Module):
    """``tanh(a) * sigmoid(b)`` of two causal convolutions."""

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.conv = nn.Conv1d(channels, 2 * channels, kernel_size=2, dilation=dilation)

    def forward(
        self, x: Float[Tensor, "sequence channel time"]
    ) -> Float[Tensor, "sequence channel shorter"]:
        value, gate = self.conv(x).chunk(2, dim=1)
        return value.tanh() * gate.sigmoid()


class _Diffusion(nn.Module):
    """Powers of the graph, forward and backward, mixed; residual and normalisation."""

    def __init__(self, channels: int, order: int, dropout: float):
        super().__init__()
        self.order = order
        self.mix = nn.Conv1d((1 + 2 * order) * channels, channels, 1)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(channels)

    def forward(
        self,
        x: Float[Tensor, "sequence channel time"],
        residual: Float[Tensor, "sequence channel time"],
        graph: Graph,
    ) -> Float[Tensor, "sequence channel time"]:
        terms = [x]
        for direction in (graph, graph.reverse):
            term = x.reshape(graph.num_nodes, -1)
            for _ in range(self.order):
                term = propagate_nodes(term, direction)
                terms.append(term.view(x.shape))
        mixed = self.dropout(self.mix(torch.cat(terms, dim=1)))
        return self.norm((mixed + residual).mT).mT
