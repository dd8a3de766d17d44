"""Training losses over the readings present."""

from abc import ABC, abstractmethod

from jaxtyping import Bool, Float
from torch import Tensor, nn


class Loss(nn.Module, ABC):
    """A mean over observed targets, in the units of its inputs."""

    @abstractmethod
    def error(self, difference: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The loss of each difference ``y_hat - y``."""

    def forward(
        self,
        y_hat: Float[Tensor, "batch node horizon"],
        y: Float[Tensor, "batch node horizon"],
        mask: Bool[Tensor, "batch node horizon"] | None = None,
    ) -> Float[Tensor, ""]:
        """Sum of the errors where ``mask`` is true (None: everywhere), divided by their number."""
        if mask is None:
            return self.error(y_hat - y).mean()
        weight = mask.to(y_hat.dtype)
        return (self.error((y_hat - y) * weight)).sum() / weight.sum().clamp_min(1)


class MSE(Loss):
    """Squared error (published)."""

    def error(self, difference: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The square."""
        return difference.square()


class MAE(Loss):
    """Absolute error."""

    def error(self, difference: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The absolute value."""
        return difference.abs()


class Huber(Loss):
    """Squared up to ``delta``, linear beyond (Huber 1964)."""

    def __init__(self, delta: float = 1.0):
        super().__init__()
        self.delta = delta

    def error(self, difference: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Quadratic near zero, linear far from it."""
        size = difference.abs()
        near = size.clamp_max(self.delta)
        return near * (size - 0.5 * near)
