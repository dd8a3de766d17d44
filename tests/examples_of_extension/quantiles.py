"""A loss with several outputs: this file is all that it takes."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from eac.metrics.losses import Loss


class Quantiles(Loss):
    """Pinball loss of several quantiles at once; the forecast that counts is the middle one.

    Args:
        quantiles: Shares of the targets that should lie below each output, ascending.
    """

    def __init__(self, quantiles: Sequence[float] = (0.1, 0.5, 0.9)):
        super().__init__()
        self.outputs = len(quantiles)
        self.register_buffer("shares", torch.tensor(quantiles).view(-1, 1, 1, 1))

    def error(self, difference: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """A forecast too low costs its share of the difference, one too high the rest."""
        shares = self.get_buffer("shares")
        return torch.maximum(-shares * difference, (1 - shares) * difference)

    def point(
        self, y_hat: Float[Tensor, "*output batch node horizon"]
    ) -> Float[Tensor, "batch node horizon"]:
        """The middle quantile."""
        return y_hat[self.outputs // 2]
