"""Levels of intervals: the tails they leave out, and levels between those that are followed."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from eac.errors import ConfigError

NORMAL_TO_LAPLACE = 1.25
"""First quantiles are those of a normal distribution whose mean absolute value is 1."""


def mix(levels: Sequence[int], tracked: Sequence[int]) -> Float[ndarray, "wanted level"]:
    """How quantiles of the levels asked for are mixed from those that are followed.

    Args:
        levels: Percent of readings that intervals are to hold.
        tracked: Those that are followed, ascending.

    Raises:
        ConfigError: If a level is not between two that are followed.

    Example:
        >>> mix([80, 90], tracked=(80, 90)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    shares = np.zeros((len(levels), len(tracked)), np.float32)
    for row, level in enumerate(levels):
        if not tracked[0] <= level <= tracked[-1]:
            raise ConfigError(
                f"level {level}: this run follows levels from {tracked[0]} to "
                f"{tracked[-1]} %. Give levels between them, such as {tracked[-1]}."
            )
        above = next(i for i, one in enumerate(tracked) if one >= level)
        if tracked[above] == level:
            shares[row, above] = 1.0
            continue
        share = _between(level, tracked[above - 1], tracked[above])
        shares[row, above - 1], shares[row, above] = 1 - share, share
    return shares


def _between(level: float, low: float, high: float) -> float:
    """Where a level lies between two others, by quantiles of a normal distribution."""
    at, first, last = (NormalDist().inv_cdf(0.5 + x / 200) for x in (level, low, high))
    return (at - first) / (last - first)


def tails_of(levels: Sequence[int]) -> Float[ndarray, " tail"]:
    """Shares of residuals below each bound: lower bounds by level, then upper ones.

    Example:
        >>> [round(share, 2) for share in tails_of([80, 90]).tolist()]
        [0.1, 0.05, 0.9, 0.95]
    """
    low = [0.5 - level / 200 for level in levels]
    return np.array([*low, *(1 - share for share in low)], np.float32)


def first_quantiles(levels: Sequence[int]) -> Float[ndarray, " tail"]:
    """Those of a normal distribution whose mean absolute value is 1, by tail as ``tails_of``.

    Example:
        >>> [round(value, 2) for value in first_quantiles([80]).tolist()]
        [-1.6, 1.6]
    """
    normal = (NORMAL_TO_LAPLACE * NormalDist().inv_cdf(float(tail)) for tail in tails_of(levels))
    return np.array([*normal], np.float32)


def uncrossed(
    below: Float[ndarray, "level step node"], above: Float[ndarray, "level step node"]
) -> tuple[Float[ndarray, "level step node"], Float[ndarray, "level step node"]]:
    """Quantiles of lower and upper tails, such that a wider level holds a narrower one.

    Example:
        >>> low, high = uncrossed(np.array([[[1.0]]]), np.array([[[-3.0]]]))
        >>> low.item(), high.item()
        (-1.0, -1.0)
    """
    middle = (below[0] + above[0]) / 2
    low, high = np.empty_like(below), np.empty_like(above)
    for level in range(len(below)):
        inner = (middle, middle) if level == 0 else (low[level - 1], high[level - 1])
        np.minimum(below[level], inner[0], out=low[level])
        np.maximum(above[level], inner[1], out=high[level])
    return low, high


def holding(
    bounds: tuple[Float[Tensor, "node horizon level"], Float[Tensor, "node horizon level"]],
    y_hat: Float[Tensor, "node horizon"],
) -> tuple[Float[Tensor, "node horizon level"], Float[Tensor, "node horizon level"]]:
    """Bounds as they are handed out: widened where the forecast beside them lies outside.

    Args:
        bounds: Lower and upper ones, as a calibrator gives them.
        y_hat: The forecast; NaN changes nothing.

    Example:
        >>> low, high = holding((torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)), -torch.ones(1, 1))
        >>> low.item(), high.item()
        (-1.0, 0.0)
    """
    low, high = bounds
    return torch.fmin(low, y_hat[..., None]), torch.fmax(high, y_hat[..., None])
