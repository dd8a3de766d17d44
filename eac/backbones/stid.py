"""STID: no graph; who, at what time of day, on which day, and the window, through an MLP."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.checks import check_least
from eac.cpu import Linear
from eac.data.batches.batch import Inputs
from eac.data.batches.needs import Needs
from eac.data.core.graph import Graph
from eac.nn.clock import ClockEmbedding


class STID(Backbone):
    """Spatial and temporal identity (Shao et al., CIKM 2022).

    Embeddings of the window, the node, the time of day and the day of the week, side by side,
    through residual layers into a linear readout. The graph is not used.

    A backbone knows no node by name, so the node embedding is the strategy's prompt, ``hidden``
    wide: under ``EAC`` with ``rank: null`` it is the paper's, with a rank it is a product of two
    factors; a strategy without prompts leaves it 0, which is the paper's ablation without spatial
    identity. Clock embeddings are those of the window's last step, as in the paper's code.

    Args:
        window: Past steps in.
        horizon: Future steps out.
        hidden: Width of each of the four embeddings (paper: 32).
        num_layers: Residual layers (paper: 3).
        day_slots: Time-of-day vectors; the steps of a day give the paper's table.
        dropout: Inside the residual layers (paper's code: 0.15).

    Example:
        >>> from eac.data.batches.batch import Inputs
        >>> network = STID(window=12, horizon=6, hidden=8)
        >>> network(Inputs(torch.zeros(2, 5, 12)), Graph.empty(5)).shape
        torch.Size([2, 5, 6])
    """

    needs = Needs(hops=0)

    def __init__(
        self,
        window: int = 12,
        horizon: int = 12,
        *,
        hidden: int = 32,
        num_layers: int = 3,
        day_slots: int = 24,
        dropout: float = 0.15,
    ):
        super().__init__()
        check_least(1, hidden=hidden, num_layers=num_layers, day_slots=day_slots)
        self.window, self.horizon, self.hidden = window, horizon, 4 * hidden
        self.series = Linear(window, hidden)
        self.clock = ClockEmbedding(hidden, day_slots=day_slots)
        self.layers = nn.ModuleList(_Residual(4 * hidden, dropout) for _ in range(num_layers))
        self.readout = Linear(4 * hidden, horizon)

    @property
    def prompt_width(self) -> int:
        """Width of the node embedding."""
        return self.series.out_features

    def encode(self, inputs: Inputs, graph: Graph) -> Float[Tensor, "batch node hidden"]:
        """The four embeddings, mixed."""
        del graph
        batch, node, _ = inputs.x.shape
        who = inputs.prompt_or_zeros(self.prompt_width).expand(batch, -1, -1)
        when = self.clock(inputs)[:, -1:].expand(-1, node, -1)
        features = torch.cat([self.series(inputs.x), who, when], dim=-1)
        for layer in self.layers:
            features = layer(features)
        return features

    def decode(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node horizon"]:
        """Linear readout."""
        del inputs
        return self.readout(features)


class _Residual(nn.Module):
    """``x + W2 dropout(relu(W1 x))``."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.inner = nn.Sequential(
            Linear(width, width), nn.ReLU(), nn.Dropout(dropout), Linear(width, width)
        )

    def forward(self, x: Float[Tensor, "batch node width"]) -> Float[Tensor, "batch node width"]:
        return x + self.inner(x)
