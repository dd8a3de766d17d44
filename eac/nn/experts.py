"""Experts: a variational autoencoder that says whose a window is, and a predictor for it."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from eac.cpu import Linear
from eac.nn.linear_attention import linear_attention

LOG_VARIANCE_LIMIT = 6.0


class WindowVAE(nn.Module):
    """A variational autoencoder of windows, whose decoder has unit variance.

    Args:
        window: Steps of a window.
        hidden: Width of the layers between window and latent code.
        latent: Width of the latent code.

    Example:
        >>> error, divergence = WindowVAE(window=12)(torch.zeros(2, 5, 12))
        >>> error.shape, divergence.shape
        (torch.Size([2, 5]), torch.Size([2, 5]))
    """

    def __init__(self, window: int, *, hidden: int = 32, latent: int = 4):
        super().__init__()
        self.latent = latent
        self.encoder = nn.Sequential(Linear(window, hidden), nn.ReLU(), Linear(hidden, 2 * latent))
        self.decoder = nn.Sequential(Linear(latent, hidden), nn.ReLU(), Linear(hidden, window))

    def decode(self, code: Float[Tensor, "*any latent"]) -> Float[Tensor, "*any window"]:
        """The mean window of a code."""
        return self.decoder(code)

    def forward(
        self,
        x: Float[Tensor, "*any window"],
        observed: Bool[Tensor, "*any window"] | None = None,
        *,
        sample: bool = False,
    ) -> tuple[Float[Tensor, "*any"], Float[Tensor, "*any"]]:
        """Half the squared error of reconstruction, and the divergence of the code, by window.

        Up to a constant the first is minus the log-likelihood of the window given its code, and
        minus the sum of both is the evidence lower bound.

        Args:
            x: Windows, 0 where missing.
            observed: True where a reading counts; None counts all.
            sample: Draw the code instead of taking its mean.
        """
        mean, log_variance = self.encoder(x).chunk(2, dim=-1)
        log_variance = log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        noise = torch.randn_like(mean) if sample else torch.zeros_like(mean)
        error = self.decode(mean + noise * (log_variance / 2).exp()) - x
        if observed is not None:
            error = error * observed
        divergence = (log_variance.exp() + mean.square() - 1 - log_variance).sum(-1) / 2
        return error.square().sum(-1) / 2, divergence


def gate(errors: Float[Tensor, "*any expert"]) -> Float[Tensor, "*any expert"]:
    """Probability of each expert from its negative log-likelihood, all experts equally likely.

    Example:
        >>> gate(torch.tensor([1.0, 1.0])).tolist()
        [0.5, 0.5]
    """
    return (-errors).softmax(-1)


def mixture_loss(losses: Float[Tensor, "*any expert"]) -> Float[Tensor, ""]:
    """Mean negative log of the mean over experts of ``exp(-loss)``.

    Its gradient reaches each expert in proportion to how well it explains the window.

    Example:
        >>> round(mixture_loss(torch.tensor([[2.0, 2.0]])).item(), 4)
        2.0
    """
    return (math.log(losses.shape[-1]) - torch.logsumexp(-losses, -1)).mean()


class GraphLearningPredictor(nn.Module):
    """A change of features that looks at other nodes along a graph it learns.

    The graph is attention between the features of nodes, at a cost linear in the nodes. The last
    layer begins as zero, so that an expert begins by changing nothing.

    Args:
        width: Of the features.
        channels: Of queries and keys.

    Example:
        >>> predictor = GraphLearningPredictor(width=8)
        >>> predictor(torch.rand(2, 5, 8)).abs().max().item()  # begins by changing nothing
        0.0
    """

    def __init__(self, width: int, channels: int = 16):
        super().__init__()
        self.query = Linear(width, channels)
        self.key = Linear(width, channels)
        self.mix = Linear(2 * width, width)
        self.out = Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self, features: Float[Tensor, "batch node hidden"]
    ) -> Float[Tensor, "batch node hidden"]:
        """What to add to the features."""
        heard = linear_attention(self.query(features), self.key(features), features)
        return self.out(F.gelu(self.mix(torch.cat([features, heard], -1))))
