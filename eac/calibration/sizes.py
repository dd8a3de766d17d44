"""How large residuals have been: of each sensor, by step and hour, and of late."""

import torch
from jaxtyping import Float
from torch import Tensor

from eac.calibration.node_memory import NodeMemory

RECENT = (1 / 4, 1 / 24, 1 / 168)
"""Rates at which recent errors are followed; the first looks at the nearest steps alone."""
_SLOW = torch.tensor(RECENT[1:])[:, None]
NEAR = 3
"""Steps of the horizon that count as near."""
FAR = 8.0
"""Residuals count as this many mean residuals at most where sizes are averaged."""


def learn_sizes(
    memory: NodeMemory,
    size: Float[Tensor, "horizon node"],
    weight: Float[Tensor, "horizon node"],
    hour_bin: int,
    hour: Float[Tensor, ""],
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
    seen = (weight.sum(0) > 0).float()
    relative = (size * (-error - by_step).exp()).clamp_max_(FAR)
    mean = _weighted(relative, weight)
    of_hour = (relative * (-by_hour).exp()).clamp_max_(FAR)
    rate = (1 / (memory["count"][nodes] + 150)).clamp_min(1 / 1000) * seen
    by_step += rate * weight * (relative - mean)
    error += rate * (mean - 1)
    pull = 0.005 * (hour - by_hour)
    by_hour += seen * ((mean * (-by_hour).exp() - 1) / 40 + pull)
    by_hour.clamp_(-4, 3)
    whole = _weighted(of_hour, weight)
    near = _weighted(of_hour[:NEAR], weight[:NEAR])
    seen_near = (weight[:NEAR].sum(0) > 0).float()
    recent[0] += RECENT[0] * seen_near * (near - recent[0])
    recent[1:] += _SLOW * seen * (whole - recent[1:])
    memory["count"][nodes] += seen


def recent_errors(memory: NodeMemory, count: int, since: int) -> Float[Tensor, "rate node"]:
    """Recent errors, relative to what is usual; they fade where nothing is known of late.

    Args:
        memory: Holds ``recent``.
        count: Sensors of the current network.
        since: Steps since anything was known.

    Example:
        >>> memory = NodeMemory({"recent": (3,)})
        >>> memory.arrays["recent"] = torch.full((3, 1), 2.0)
        >>> recent_errors(memory, 1, since=1).flatten()
        tensor([2., 2., 2.])
    """
    recent = memory["recent"][:, :count]
    if since <= 1:
        return recent
    keep = torch.tensor([(1 - rate) ** since for rate in RECENT])[:, None]
    return 1 + keep * (recent - 1)


def _weighted(
    values: Float[Tensor, "horizon node"], weight: Float[Tensor, "horizon node"]
) -> Float[Tensor, " node"]:
    return (values * weight).sum(0) / weight.sum(0).clamp_min(1)
