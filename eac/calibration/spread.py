"""How large a residual is expected to be: one regression for each step, shared by all sensors."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

NUM_FEATURES = 8
RATE = 0.02
"""Share of a Newton step."""
MEMORY = 0.01
"""Rate at which the second moments of the features are followed."""
REFRESH = 24
"""Steps between two inversions of those."""
_EYE = np.eye(NUM_FEATURES, dtype=np.float32)


@dataclass
class SpreadSums:
    """Sums over sensors of one step.

    Attributes:
        gradient: Of the log likelihood.
        moments: Second moments of the features.

    Example:
        >>> moments = np.zeros((6, NUM_FEATURES, NUM_FEATURES))
        >>> SpreadSums(np.zeros((6, NUM_FEATURES)), moments).gradient.shape
        (6, 8)
    """

    gradient: Float[ndarray, "horizon feature"]
    moments: Float[ndarray, "horizon feature feature"]

    def __add__(self, other: "SpreadSums") -> "SpreadSums":
        return SpreadSums(self.gradient + other.gradient, self.moments + other.moments)


def features(
    y_hat: Float[ndarray, "horizon node"],
    level: Float[ndarray, " node"],
    by_hour: Float[ndarray, "step node"],
    recent: Float[ndarray, "#horizon rate node"],
    network: Float[ndarray, "horizon 2"],
) -> Float[ndarray, "feature horizon node"]:
    """What the spread depends on beside sensor and step, in logarithms.

    Args:
        y_hat: Forecasts.
        level: Usual size of the readings.
        by_hour: Log of the usual error at the hour of the target, relative to all hours.
        recent: Log of recent errors of the sensor, relative to the usual, by rate.
        network: The same, mean over the network, of the two fastest rates.

    Example:
        >>> usual, zeros = np.ones((2, 3)), np.zeros((2, 3))
        >>> found = features(usual, np.ones(3), zeros, np.zeros((2, 3, 3)), np.zeros((2, 2)))
        >>> float(abs(found[1]).max())  # forecasts of the usual size
        0.0
    """
    found = np.empty((NUM_FEATURES, *y_hat.shape), np.float32)
    found[0] = 1.0
    np.log((np.maximum(y_hat, 0) + 0.1 * level) / (1.1 * level), out=found[1])
    found[2] = by_hour
    found[3:6] = recent.swapaxes(0, 1)
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
        >>> model.log_factor(np.ones((NUM_FEATURES, 2, 3), np.float32)).shape
        (2, 3)
    """

    def __init__(self, horizon: int):
        self._beta = np.zeros((horizon, NUM_FEATURES), np.float32)
        self._moments = np.tile(_EYE * np.float32(0.1), (horizon, 1, 1))
        self._steps = np.zeros(1, np.float32)
        self._inverse = self._inverted()

    def log_factor(
        self, found: Float[ndarray, "feature horizon node"]
    ) -> Float[ndarray, "horizon node"]:
        """Log of the spread, relative to the usual one of sensor and step."""
        return (self._beta[:, None] @ found.swapaxes(0, 1))[:, 0]

    def sums(
        self,
        found: Float[ndarray, "feature horizon node"],
        relative: Float[ndarray, "horizon node"],
        weight: Float[ndarray, "horizon node"],
    ) -> SpreadSums:
        """What residuals, in units of the spread, say of the coefficients."""
        by_step = found.swapaxes(0, 1)
        weighted = by_step * weight[:, None]
        gradient = weighted @ (relative - 1)[..., None]
        return SpreadSums(gradient[..., 0], weighted @ by_step.swapaxes(1, 2))

    def learn(self, sums: SpreadSums, count: Float[ndarray, " horizon"]) -> None:
        """Takes a step; ``count`` residuals were summed."""
        self._moments += MEMORY * (sums.moments / count[:, None, None] - self._moments)
        if int(self._steps[0]) % REFRESH == 0:
            self._inverse = self._inverted()
        self._steps += 1
        step = self._inverse @ (sums.gradient / count[:, None])[..., None]
        self._beta += RATE * np.clip(step[..., 0], -0.5, 0.5)

    def tensors(self) -> dict[str, Tensor]:
        """Everything learned."""
        found = {
            "beta": self._beta,
            "moments": self._moments,
            "inverse": self._inverse,
            "steps": self._steps,
        }
        return {name: torch.from_numpy(values) for name, values in found.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Takes up what ``tensors`` gave."""
        self._beta, self._moments = _copied(tensors["beta"]), _copied(tensors["moments"])
        self._inverse, self._steps = _copied(tensors["inverse"]), _copied(tensors["steps"])

    def _inverted(self) -> Float[ndarray, "horizon feature feature"]:
        return np.linalg.inv(self._moments + np.float32(0.02) * _EYE)


def _copied(tensor: Tensor) -> ndarray:
    return tensor.numpy().copy()
