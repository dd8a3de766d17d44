"""Training losses over the readings present."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from eac.described import Described
from eac.errors import ConfigError


class Loss(Described, nn.Module, ABC):
    """A mean over observed targets, in the units of its inputs.

    A loss of several outputs, such as several quantiles, says how many and which forecast is the
    one to be counted; ``y_hat`` then has them in a leading axis, and so has the difference.

    Attributes:
        outputs: Forecasts of each step that it takes.

    Example:
        >>> class Cubic(Loss):
        ...     def error(self, difference):
        ...         return difference.abs() ** 3
        >>> y_hat, mask = torch.tensor([[[2.0, 5.0]]]), torch.tensor([[[True, False]]])
        >>> Cubic()(y_hat, torch.zeros(1, 1, 2), mask)
        tensor(8.)
    """

    outputs: int = 1

    @abstractmethod
    def error(self, difference: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The loss of each difference ``y_hat - y``."""

    def judged(
        self, y_hat: Float[Tensor, "..."], y: Float[Tensor, "*any"]
    ) -> Float[Tensor, "*any"]:
        """Forecasts whose absolute error is what a validation counts: ``point``, by default."""
        del y
        return self.point(y_hat)

    def point(
        self, y_hat: Float[Tensor, "*output batch node horizon"]
    ) -> Float[Tensor, "batch node horizon"]:
        """The forecast that is given and counted: the only one, by default."""
        return y_hat

    def forward(
        self,
        y_hat: Float[Tensor, "*output batch node horizon"],
        y: Float[Tensor, "batch node horizon"],
        mask: Bool[Tensor, "batch node horizon"] | None = None,
    ) -> Float[Tensor, ""]:
        """Sum of the errors where ``mask`` is true (None: everywhere), divided by their number."""
        if mask is None:
            return self.mean(y_hat, y)
        difference = torch.where(mask, y_hat - y, 0.0)
        return self.error(difference).sum() / (self.outputs * mask.sum().clamp_min(1))

    def mean(
        self,
        y_hat: Float[Tensor, "*output batch node horizon"],
        y: Float[Tensor, "batch node horizon"],
    ) -> Float[Tensor, ""]:
        """The mean error where every target was observed."""
        return self.error(y_hat - y).mean()


class MSE(Loss):
    """Squared error (published).

    Example:
        >>> MSE()(torch.tensor([[[1.0, 5.0]]]), torch.tensor([[[3.0, 5.0]]]), None).item()
        2.0
    """

    def error(self, difference: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The square."""
        return difference.square()

    def mean(
        self, y_hat: Float[Tensor, "batch node horizon"], y: Float[Tensor, "batch node horizon"]
    ) -> Float[Tensor, ""]:
        """The same number from torch's own kernel, which keeps no differences."""
        return nn.functional.mse_loss(y_hat, y)


class MAE(Loss):
    """Absolute error.

    Example:
        >>> observed = torch.tensor([[[True, False]]])
        >>> MAE()(torch.tensor([[[1.0, 5.0]]]), torch.tensor([[[3.0, 0.0]]]), observed).item()
        2.0
    """

    def error(self, difference: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The absolute value."""
        return difference.abs()


class Huber(Loss):
    """Squared up to ``delta``, linear beyond (Huber 1964).

    Example:
        >>> Huber()(torch.zeros(1, 1, 2), torch.tensor([[[0.5, 3.0]]])).item()
        1.3125
    """

    def __init__(self, delta: float = 1.0):
        super().__init__()
        self.delta = delta

    def error(self, difference: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Quadratic near zero, linear far from it."""
        size = difference.abs()
        near = size.clamp_max(self.delta)
        return near * (size - 0.5 * near)


class Quantile(Loss):
    """Pinball loss (Koenker & Bassett, 1978): the forecast is a quantile of what may come.

    A validation counts twice this loss, which for the median is the absolute error; a test counts
    the same errors as for any other loss.

    Args:
        quantile: Share of the targets that should lie below the forecast, between 0 and 1.

    Example:
        >>> Quantile(0.9).error(torch.tensor([-10.0, 10.0]))
        tensor([9., 1.])
    """

    def __init__(self, quantile: float = 0.5):
        super().__init__()
        if not 0 < quantile < 1:
            raise ConfigError(f"Quantile(quantile={quantile}): give a share between 0 and 1.")
        self.quantile = quantile

    def error(self, difference: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """A forecast too low costs ``quantile`` of the difference, one too high the rest."""
        return torch.maximum(-self.quantile * difference, (1 - self.quantile) * difference)

    def judged(
        self, y_hat: Float[Tensor, "*any"], y: Float[Tensor, "*any"]
    ) -> Float[Tensor, "*any"]:
        """As far from the targets as twice the loss."""
        return y + 2 * self.error(y_hat - y)
