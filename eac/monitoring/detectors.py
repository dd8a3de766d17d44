"""Detectors over all sensors at once, and thresholds by false alarms of the whole network."""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

MARGIN = 1.25
"""By which thresholds exceed what the reference says, since it is short."""
CLIP = 4.0
"""Residuals count as this many spreads at most, so that one reading is no shift."""


class Ewma:
    """Exponentially weighted mean of residuals; the steps without a reading keep it.

    Args:
        num_nodes: Sensors.
        rate: Weight of a new residual.

    Example:
        >>> mean = Ewma(1, rate=0.5)
        >>> [float(mean.update(np.array([2.0]))[0]) for _ in range(2)]
        [1.0, 1.5]
    """

    def __init__(self, num_nodes: int, rate: float):
        self.rate = rate
        self.mean = np.zeros(num_nodes)

    def update(self, residual: Float[ndarray, " node"]) -> Float[ndarray, " node"]:
        """Its absolute value after one more step."""
        known = np.isfinite(residual)
        step = np.where(known, np.clip(residual, -CLIP, CLIP) - self.mean, 0.0)
        self.mean = self.mean + self.rate * step
        return np.abs(self.mean)

    def reset(self, nodes: Bool[ndarray, " node"]) -> None:
        """Begins anew for some sensors."""
        self.mean = np.where(nodes, 0.0, self.mean)


class PageHinkley:
    """Page's test for a rise or a fall of the mean of residuals, which is 0 when all is well.

    The sum of residuals less ``slack``, above its least value so far; and the same of a fall (Page
    1954; river's ``PageHinkley`` with ``alpha=1`` estimates the mean too, which is known here).

    Args:
        num_nodes: Sensors.
        slack: Shift, in spreads, that is of no interest.

    Example:
        >>> test = PageHinkley(1, slack=0.5)
        >>> [float(test.update(np.array([x]))[0]) for x in (1.0, 2.0, 0.0)]
        [0.5, 2.0, 1.5]
    """

    def __init__(self, num_nodes: int, slack: float):
        self.slack = slack
        self.up = np.zeros(num_nodes)
        self.down = np.zeros(num_nodes)

    def update(self, residual: Float[ndarray, " node"]) -> Float[ndarray, " node"]:
        """The larger of the two statistics after one more step."""
        residual = np.clip(np.nan_to_num(residual), -CLIP, CLIP)
        self.up = np.maximum(0.0, self.up + residual - self.slack)
        self.down = np.maximum(0.0, self.down - residual - self.slack)
        return np.maximum(self.up, self.down)

    def reset(self, nodes: Bool[ndarray, " node"]) -> None:
        """Begins anew for some sensors."""
        self.up, self.down = np.where(nodes, 0.0, self.up), np.where(nodes, 0.0, self.down)


def threshold(statistic: Float[ndarray, "time node"], steps_per_week: int, alarms: float) -> float:
    """The value that all sensors together exceed so often in a week when all is well.

    The largest value of each sensor and week is looked at. Beyond what the reference has seen, its
    upper tail is taken to be exponential.

    Args:
        statistic: Over the reference.
        steps_per_week: Steps of a week.
        alarms: False alarms of the network in a week.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> statistic = np.abs(generator.normal(size=(168 * 8, 20)))
        >>> bool(threshold(statistic, steps_per_week=168, alarms=0.1) > statistic.max())
        True
    """
    weeks = max(1, len(statistic) // steps_per_week)
    cut = statistic[len(statistic) - weeks * steps_per_week :] if weeks > 1 else statistic
    largest = np.sort(np.concatenate([part.max(0) for part in np.array_split(cut, weeks)]))
    share = min(0.5, alarms / statistic.shape[1])
    tail = largest[int(0.9 * len(largest)) :]
    base, excess = tail[0], float((tail - tail[0]).mean())
    beyond = base + excess * np.log(0.1 / share) if share < 0.1 else base
    return MARGIN * float(max(beyond, largest[-1]))
