"""How large a residual is expected to be: one regression for each step, shared by all sensors."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

NUM_FEATURES = 8
RATE = 0.02
"""Share of a Newton step."""
MEMORY = 0.01
"""Rate at which the second moments of the features are followed."""
REFRESH = 24
"""Steps between two inversions of those."""


@dataclass
class SpreadSums:
    """Sums over sensors of one step.

    Attributes:
        gradient: Of the log likelihood.
        moments: Second moments of the features.

    Example:
        >>> moments = torch.zeros(6, NUM_FEATURES, NUM_FEATURES)
        >>> SpreadSums(torch.zeros(6, NUM_FEATURES), moments).gradient.shape
        torch.Size([6, 8])
    """

    gradient: Float[Tensor, "horizon feature"]
    moments: Float[Tensor, "horizon feature feature"]

    def __add__(self, other: "SpreadSums") -> "SpreadSums":
        return SpreadSums(self.gradient + other.gradient, self.moments + other.moments)


def features(
    y_hat: Float[Tensor, "horizon node"],
    level: Float[Tensor, " node"],
    by_hour: Float[Tensor, "step node"],
    recent: Float[Tensor, "horizon rate node"],
    network: Float[Tensor, "horizon 2"],
) -> Float[Tensor, "feature horizon node"]:
    """What the spread depends on beside sensor and step, in logarithms.

    Args:
        y_hat: Forecasts.
        level: Usual size of the readings.
        by_hour: Log of the usual error at the hour of the target, relative to all hours.
        recent: Log of recent errors of the sensor, relative to the usual, by rate.
        network: The same, mean over the network, of the two fastest rates.

    Example:
        >>> usual, zeros = torch.ones(2, 3), torch.zeros(2, 3)
        >>> found = features(usual, torch.ones(3), zeros, torch.zeros(2, 3, 3), torch.zeros(2, 2))
        >>> found[1].abs().max()  # forecasts of the usual size
        tensor(0.)
    """
    found = y_hat.new_empty(NUM_FEATURES, *y_hat.shape)
    found[0] = 1.0
    found[1] = ((y_hat.clamp_min(0) + 0.1 * level) / (1.1 * level)).log()
    found[2] = by_hour
    found[3:6] = recent.transpose(0, 1)
    found[6:8] = network.T[..., None]
    return found


class SpreadModel:
    """Log-linear in its features, fitted while residuals come in.

    The size of a residual is taken to be exponentially distributed around the spread, so that the
    log likelihood of a residual ``r`` in units of the spread is ``-log(spread) - r``. Each step
    takes a small Newton step for all sensors together.

    Args:
        horizon: Steps of a forecast, each with coefficients of its own.

    Example:
        >>> model = SpreadModel(horizon=2)
        >>> model.log_factor(torch.ones(NUM_FEATURES, 2, 3)).shape
        torch.Size([2, 3])
    """

    def __init__(self, horizon: int):
        self._beta = torch.zeros(horizon, NUM_FEATURES)
        self._moments = 0.1 * torch.eye(NUM_FEATURES).repeat(horizon, 1, 1)
        self._steps = torch.zeros(1)
        self._inverse = self._inverted()

    def log_factor(
        self, found: Float[Tensor, "feature horizon node"]
    ) -> Float[Tensor, "horizon node"]:
        """Log of the spread, relative to the usual one of sensor and step."""
        return (self._beta[:, None] @ found.transpose(0, 1))[:, 0]

    def sums(
        self,
        found: Float[Tensor, "feature horizon node"],
        relative: Float[Tensor, "horizon node"],
        weight: Float[Tensor, "horizon node"],
    ) -> SpreadSums:
        """What residuals, in units of the spread, say of the coefficients."""
        by_step = found.transpose(0, 1)
        weighted = by_step * weight[:, None]
        gradient = weighted @ (relative - 1)[..., None]
        return SpreadSums(gradient[..., 0], weighted @ by_step.transpose(1, 2))

    def learn(self, sums: SpreadSums, count: Float[Tensor, " horizon"]) -> None:
        """Takes a step; ``count`` residuals were summed."""
        self._moments += MEMORY * (sums.moments / count[:, None, None] - self._moments)
        if int(self._steps) % REFRESH == 0:
            self._inverse = self._inverted()
        self._steps += 1
        step = self._inverse @ (sums.gradient / count[:, None])[..., None]
        self._beta += RATE * step[..., 0].clamp(-0.5, 0.5)

    def tensors(self) -> dict[str, Tensor]:
        """Everything learned."""
        return {
            "beta": self._beta,
            "moments": self._moments,
            "inverse": self._inverse,
            "steps": self._steps,
        }

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Takes up what ``tensors`` gave."""
        self._beta, self._moments = tensors["beta"].clone(), tensors["moments"].clone()
        self._inverse, self._steps = tensors["inverse"].clone(), tensors["steps"].clone()

    def _inverted(self) -> Float[Tensor, "horizon feature feature"]:
        return torch.linalg.inv(self._moments + 0.02 * torch.eye(NUM_FEATURES))
