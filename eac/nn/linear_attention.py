"""Attention between nodes at a cost that grows with the nodes, not with their square."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from eac.cpu import Linear


def linear_attention(
    query: Float[Tensor, "batch node channel"],
    key: Float[Tensor, "*batch node channel"],
    value: Float[Tensor, "batch node hidden"],
) -> Float[Tensor, "batch node hidden"]:
    """Means of ``value`` over nodes, weighted by ``key``, mixed by ``query``.

    Query and key are made positive by a softmax over their channels. Channel c gathers the mean of
    ``value`` with weights ``key[:, c]``; each node mixes these means by its query. The weights of
    each mean sum to one, so the result keeps its size when nodes are added.

    Example:
        >>> value = torch.tensor([[[2.0], [4.0]]])
        >>> same = torch.zeros(1, 2, 3)  # every node is as near as every other
        >>> linear_attention(same, same, value).flatten().tolist()
        [3.0, 3.0]
    """
    scale = query.shape[-1] ** -0.5
    weight = (key * scale).log_softmax(-1).softmax(-2)  # no channel of all nodes rounds to zero
    return (query * scale).softmax(-1) @ (weight.mT @ value)


class ContextBlock(nn.Module):
    """A transformer block over nodes with linear attention, which a bank steers node by node.

    ``h + gate * attention(norm(h) (1 + scale))``, then the same with two dense layers. Without a
    bank the gate is one and the scale zero. The key, where given, is attended beside the keys
    that the features give, with the same queries and values.

    Args:
        hidden: Width of the features.
        dropout: Behind every dense layer, in training.

    Example:
        >>> block = ContextBlock(hidden=8).eval()
        >>> block(torch.rand(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, hidden: int, dropout: float = 0.2):
        super().__init__()
        self.query, self.key, self.value, self.out = (
            nn.Sequential(Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout)) for _ in range(4)
        )
        self.dense = nn.Sequential(
            Linear(hidden, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            Linear(hidden, hidden),
            nn.Dropout(dropout),
        )

    def forward(
        self,
        features: Float[Tensor, "batch node hidden"],
        bank: Float[Tensor, "node three_hidden"] | None = None,
    ) -> Float[Tensor, "batch node hidden"]:
        """The features with their context.

        Args:
            features: Of each node in each window.
            bank: Gate, scale and key of each node, side by side.
        """
        gate, scale, key = (1.0, 0.0, None) if bank is None else bank.chunk(3, dim=-1)
        seen = _normalised(features) * (1 + scale)
        features = features + gate * self.out(self._attend(seen, key))
        return features + gate * self.dense(_normalised(features) * (1 + scale))

    def _attend(
        self,
        x: Float[Tensor, "batch node hidden"],
        node_key: Float[Tensor, "node hidden"] | None,
    ) -> Float[Tensor, "batch node hidden"]:
        query, value = self.query(x), self.value(x)
        own = linear_attention(query, self.key(x), value)
        return own if node_key is None else own + linear_attention(query, node_key, value)


def _normalised(x: Float[Tensor, "batch node hidden"]) -> Float[Tensor, "batch node hidden"]:
    """Zero mean and unit variance over all nodes and channels of a window."""
    return F.layer_norm(x, x.shape[1:])


class SpectralLinear(nn.Module):
    """Two dense maps added, the first filtered in the frequency domain of its output.

    The filter is one learned complex factor for each frequency of the real Fourier transform
    along the output channels.

    Args:
        width: Features in.
        out: Features out.

    Example:
        >>> SpectralLinear(width=12, out=8)(torch.rand(2, 5, 12)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, width: int, out: int):
        super().__init__()
        self.filtered = Linear(width, out)
        self.plain = Linear(width, out, bias=False)
        self.filter = nn.Parameter(torch.empty(out // 2 + 1, 2))
        bound = (6 / (2 * self.filter.numel())) ** 0.5
        nn.init.uniform_(self.filter, -bound, bound)

    def forward(self, x: Float[Tensor, "batch node width"]) -> Float[Tensor, "batch node out"]:
        """Both shares added."""
        y = self.filtered(x)
        exact = y if y.dtype in (torch.float32, torch.float64) else y.float()
        factor = torch.view_as_complex(self.filter.to(exact.dtype))
        spectrum = torch.fft.rfft(exact, norm="ortho") * factor
        back = torch.fft.irfft(spectrum, n=y.shape[-1], norm="ortho")
        return back.to(y.dtype) + self.plain(x)
