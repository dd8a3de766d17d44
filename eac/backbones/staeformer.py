"""STAEformer: attention along time, then among nodes, over calendar and node embeddings."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eac.backbones.base import Backbone
from eac.checks import check_least
from eac.cpu import Linear
from eac.data.batches.batch import Inputs
from eac.data.core.graph import Graph
from eac.errors import ConfigError
from eac.nn.clock import ClockEmbedding, time_of_day


class STAEformer(Backbone):
    """Spatio-temporal adaptive embedding transformer (Liu et al., CIKM 2023).

    Every reading becomes a vector: the reading with its time of day and day of the week, embeddings
    of both, and an adaptive embedding. Transformer layers along time follow, then transformer
    layers among the nodes of one step, then a readout of all steps. The graph is not used: every
    node attends to every node of the batch, so that time grows with the square of the nodes
    (memory does not: torch's fused attention).

    The paper's adaptive embedding is one vector per step of the window and node. A backbone knows
    no node by name, so it is the strategy's prompt, ``window * adaptive`` wide: under ``EAC`` with
    ``rank: null`` it is the paper's, with a rank a product of two factors, and 0 under a strategy
    without prompts. On a subgraph a node attends to the nodes of the subgraph alone.

    Args:
        window: Past steps in.
        horizon: Future steps out.
        hidden: Width of the embedding of the readings, of the time of day and of the day of the
            week (paper: 24 each).
        adaptive: Width of the adaptive embedding (paper: 80).
        num_layers: Of each of the two kinds (paper: 3).
        num_heads: Of the attention (paper: 4), a divisor of ``3 * hidden + adaptive``.
        feed_forward: Width between the two layers after the attention (paper: 256).
        day_slots: Time-of-day vectors; the steps of a day give the paper's table.
        dropout: In the transformer layers (paper's code: 0.1).

    Raises:
        ConfigError: If the heads do not divide the width.

    Example:
        >>> from eac.data.batches.batch import Inputs
        >>> network = STAEformer(12, 6, hidden=4, adaptive=8, num_layers=1, num_heads=2)
        >>> network(Inputs(torch.zeros(2, 5, 12)), Graph.empty(5)).shape
        torch.Size([2, 5, 6])
    """

    def __init__(
        self,
        window: int = 12,
        horizon: int = 12,
        *,
        hidden: int = 24,
        adaptive: int = 80,
        num_layers: int = 3,
        num_heads: int = 4,
        feed_forward: int = 256,
        day_slots: int = 24,
        dropout: float = 0.1,
    ):
        super().__init__()
        check_least(
            1,
            hidden=hidden,
            adaptive=adaptive,
            num_layers=num_layers,
            num_heads=num_heads,
            feed_forward=feed_forward,
            day_slots=day_slots,
        )
        width = 3 * hidden + adaptive
        if width % num_heads:
            raise ConfigError(
                f"STAEformer: width {width} (3 * hidden + adaptive) cannot be shared by "
                f"num_heads={num_heads}. Give sizes that the heads divide."
            )
        self.window, self.horizon, self.hidden = window, horizon, window * width
        self.adaptive = adaptive
        self.reading = Linear(3, hidden)
        self.clock = ClockEmbedding(hidden, day_slots=day_slots)
        sizes = (width, num_heads, feed_forward, dropout)
        self.along_time = nn.Sequential(*(_layer(*sizes) for _ in range(num_layers)))
        self.among_nodes = nn.Sequential(*(_layer(*sizes) for _ in range(num_layers)))
        self.readout = Linear(window * width, horizon)

    @property
    def prompt_width(self) -> int:
        """Width of the adaptive embedding of a whole window."""
        return self.window * self.adaptive

    def encode(self, inputs: Inputs, graph: Graph) -> Float[Tensor, "batch node hidden"]:
        """Features of all steps, side by side."""
        del graph
        batch, node, window = inputs.x.shape
        x = self.along_time(self._embed(inputs).flatten(0, 1))
        x = x.view(batch, node, window, -1).transpose(1, 2)
        x = self.among_nodes(x.flatten(0, 1)).view(batch, window, node, -1)
        return x.transpose(1, 2).flatten(2)

    def decode(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node horizon"]:
        """Linear readout."""
        del inputs
        return self.readout(features)

    def _embed(self, inputs: Inputs) -> Float[Tensor, "batch node window width"]:
        batch, node, window = inputs.x.shape
        own = inputs.prompt_or_zeros(self.prompt_width).view(node, window, self.adaptive)
        parts = [
            self.reading(self._channels(inputs)),
            self.clock(inputs)[:, None].expand(-1, node, -1, -1),
            own.expand(batch, -1, -1, -1),
        ]
        return torch.cat(parts, dim=-1)

    def _channels(self, inputs: Inputs) -> Float[Tensor, "batch node window 3"]:
        """Reading, time of day and day of the week, the latter two as numbers."""
        x = inputs.x
        clock, day = time_of_day(inputs), x.new_zeros(len(x), self.window)
        if inputs.clock is not None:
            day = inputs.clock.day[:, : self.window].to(x.dtype)
        context = torch.stack([clock, day], dim=-1)[:, None]
        return torch.cat([x[..., None], context.expand(-1, x.shape[1], -1, -1)], dim=-1)


def _layer(width: int, num_heads: int, feed_forward: int, dropout: float) -> nn.Module:
    return nn.TransformerEncoderLayer(width, num_heads, feed_forward, dropout, batch_first=True)
