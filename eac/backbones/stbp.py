"""The backbone of STBP: frequency filters and linear attention, no adjacency."""

from jaxtyping import Float
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.checks import check_least
from eac.data.batches.batch import Inputs
from eac.data.core.graph import Graph
from eac.nn.linear_attention import ContextBlock, SpectralLinear


class STBPBackbone(Backbone):
    """Learned filters around attention between all nodes (STBP, ICLR 2026); O(nodes).

    Frequency-filtered layer, ReLU, attention block; then a second filtered layer, the unprompted
    readings added, GELU and readout. The graph is not looked at: nodes find one another by what
    they measure. As in the published code the Fourier transform runs along the channels of a
    layer. A departure: sums over nodes are divided by their weight, where the published code
    leaves them to grow with the network.

    Args:
        window: Past steps in; published 12.
        horizon: Future steps out; published 12.
        hidden: Width of the features.
        attention: False leaves the block out, for the strategy ``STBP``, which brings the same
            block with its bank between the two halves; together they are the published network.
        dropout: Inside the attention block, in training; published 0.2.

    Example:
        >>> import torch
        >>> from eac.data.batches.batch import Inputs
        >>> network = STBPBackbone(window=12, horizon=6, hidden=16)
        >>> network(Inputs(torch.zeros(2, 5, 12)), Graph.empty(5)).shape
        torch.Size([2, 5, 6])
    """

    def __init__(
        self,
        window: int = 12,
        horizon: int = 12,
        *,
        hidden: int = 64,
        attention: bool = True,
        dropout: float = 0.2,
    ):
        super().__init__()
        check_least(1, hidden=hidden)
        self.window, self.horizon, self.hidden = window, horizon, hidden
        self.first = SpectralLinear(window, hidden)
        self.block = ContextBlock(hidden, dropout) if attention else None
        self.second = SpectralLinear(hidden, window)
        self.readout = nn.Linear(window, horizon)

    def encode(self, inputs: Inputs, graph: Graph) -> Float[Tensor, "batch node hidden"]:
        """Features of each node, in the context of all nodes."""
        del graph
        features = self.first(inputs.prompted).relu()
        return features if self.block is None else self.block(features)

    def decode(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node horizon"]:
        """Readout of the features plus the unprompted readings."""
        return self.readout(nn.functional.gelu(self.second(features) + inputs.x))
