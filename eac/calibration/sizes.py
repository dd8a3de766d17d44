"""How large residuals have been: of each sensor, by step and hour, and of late."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from eac.calibration.node_memory import NodeMemory

RECENT = (1 / 4, 1 / 24, 1 / 168)
"""Rates at which recent errors are followed; the first looks at the nearest steps alone."""
_SLOW = np.array(RECENT[1:], np.float32)[:, None]
NEAR = 3
"""Steps of the horizon that count as near."""
FAR = 8.0
"""Residuals count as this many mean residuals at most where sizes are averaged."""


def learn_sizes(
    memory: NodeMemory,
    size: Float[ndarray, "horizon node"],
    weight: Float[ndarray, "horizon node"],
    hour_bin: int,
    hour: np.floating,
    nodes: slice,
) -> None:
    """Follows the mean size of residuals: of the sensor, its steps, its hours, of late.

    Args:
        memory: Holds ``by_step``, ``by_hour`` and ``recent``; changed in place.
        size: Absolute residuals, 0 where unknown.
        weight: 1 where a residual is known, else 0.
        hour_bin: Part of the day of the target.
        hour: Mean of ``by_hour`` there.
        nodes: The sensors of the residuals.
    """
    error, by_step = memory["error"][nodes], memory["by_step"][:, nodes]
    by_hour, recent = memory["by_hour"][hour_bin, nodes], memory["recent"][:, nodes]
    seen = _any(weight)
    relative = np.minimum(size * np.exp(-error - by_step), FAR)
    mean = _weighted(relative, weight)
    usual = np.exp(-by_hour)
    of_hour = np.minimum(relative * usual, FAR)
    rate = np.maximum(1 / (memory["count"][nodes] + 150), np.float32(1 / 1000)) * seen
    by_step += rate * weight * (relative - mean)
    error += rate * (mean - 1)
    pull = 0.005 * (hour - by_hour)
    by_hour += seen * ((mean * usual - 1) / 40 + pull)
    np.clip(by_hour, -4, 3, out=by_hour)
    whole = _weighted(of_hour, weight)
    near = _weighted(of_hour[:NEAR], weight[:NEAR])
    recent[0] += RECENT[0] * _any(weight[:NEAR]) * (near - recent[0])
    recent[1:] += _SLOW * seen * (whole - recent[1:])
    memory["count"][nodes] += seen


def recent_errors(memory: NodeMemory, count: int, since: int) -> Float[ndarray, "rate node"]:
    """Recent errors, relative to what is usual; they fade where nothing is known of late.

    Args:
        memory: Holds ``recent``.
        count: Sensors of the current network.
        since: Steps since anything was known.

    Example:
        >>> memory = NodeMemory({"recent": (3,)})
        >>> memory.arrays["recent"] = np.full((3, 1), 2.0)
        >>> recent_errors(memory, 1, since=1).ravel().tolist()
        [2.0, 2.0, 2.0]
    """
    recent = memory["recent"][:, :count]
    if since <= 1:
        return recent
    keep = np.array([(1 - rate) ** since for rate in RECENT], np.float32)[:, None]
    return 1 + keep * (recent - 1)


def _weighted(
    values: Float[ndarray, "horizon node"], weight: Float[ndarray, "horizon node"]
) -> Float[ndarray, " node"]:
    return (values * weight).sum(0) / np.maximum(weight.sum(0), 1)


def _any(weight: Float[ndarray, "horizon node"]) -> Float[ndarray, " node"]:
    """1 where something is known of a sensor, else 0."""
    return weight.max(0)
