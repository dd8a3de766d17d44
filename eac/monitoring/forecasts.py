"""Whether forecasts still hold: matured readings against the intervals that were issued."""

from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from eac.monitoring.monitor import ALARMS, Alarm
from eac.monitoring.policy import Kind, Policy

LEVEL = 90
"""Percent of the intervals that are looked at."""
DAYS = 2.0
"""Over which misses of a sensor are averaged, about."""
DEPENDENCE = 2.0
"""Standard deviations of that mean in those of independent misses; one miss follows another."""
NETWORK = 3.0
"""Times the share of misses to be expected, from which on the intervals do not hold."""
DOUBT = 2.0
"""The same, from which on no sensor is blamed for its misses."""


class ForecastMonitor:
    """Follows the share of readings outside of their intervals, by sensor and of the network.

    An exponentially weighted mean over ``DAYS``. The threshold of a sensor is set so that all
    sensors together have ``alarms`` false alarms in a week, with the mean taken to be normal; that
    of the network is ``NETWORK`` times the share to be expected. Sensors are not blamed while the
    network as a whole is off.

    Args:
        num_nodes: Sensors.
        steps_per_day: Steps of a day.
        alarms: False alarms of the network in a week.
        policy: What is done about events.

    Example:
        >>> monitor = ForecastMonitor(40, steps_per_day=24)
        >>> y = np.where(np.arange(40) == 3, 9.0, 0.0)  # one sensor is always outside
        >>> found = [monitor.observe(step, y, y * 0 - 1, y * 0 + 1) for step in range(60)]
        >>> [(alarm.kind, alarm.node) for alarms in found for alarm in alarms]
        [('forecast error', 3)]
    """

    def __init__(
        self,
        num_nodes: int,
        steps_per_day: int,
        alarms: float = ALARMS,
        policy: Policy | None = None,
    ):
        self._policy = policy or Policy()
        self._rate = min(1.0, 1 / (DAYS * steps_per_day))
        expected = 1 - LEVEL / 100
        self._expected = expected
        self._share = np.full(num_nodes, expected)
        self._network = expected
        deviation = DEPENDENCE * (expected * (1 - expected) * self._rate / (2 - self._rate)) ** 0.5
        looks = max(1, num_nodes) * 7 / DAYS
        self.limit = expected + deviation * NormalDist().inv_cdf(1 - min(0.5, alarms / looks))
        self._week = 7 * steps_per_day
        self._silenced: dict[tuple[Kind, int], int] = {}

    def observe(
        self,
        step: int,
        y: Float[ndarray, " node"],
        low: Float[ndarray, " node"],
        high: Float[ndarray, " node"],
    ) -> list[Alarm]:
        """Events that the readings of one step make known.

        Args:
            step: Of the readings.
            y: Readings, NaN where there is none.
            low: Lower bounds that were issued one step before; NaN: none.
            high: Upper bounds.
        """
        known = np.isfinite(y) & np.isfinite(low) & np.isfinite(high)
        missed = known & ((y < low) | (y > high))
        if not known.any():
            return []
        self._network += self._rate * (missed.sum() / known.sum() - self._network)
        self._share = np.where(
            known, self._share + self._rate * (missed - self._share), self._share
        )
        if self._network > NETWORK * self._expected:
            return self._alarms("coverage", step, np.array([True]), "intervals no longer hold")
        if self._network > DOUBT * self._expected:
            return []
        off: Bool[ndarray, " node"] = self._share > self.limit
        self._share = np.where(off, self._expected, self._share)
        return self._alarms("forecast error", step, off, "readings leave their intervals too often")

    def _alarms(
        self, kind: Kind, step: int, flags: Bool[ndarray, " node"], detail: str
    ) -> list[Alarm]:
        """Events, at most one of a kind and sensor in a week."""
        found, network = [], kind == "coverage"
        for node in np.flatnonzero(flags).tolist():
            if step >= self._silenced.get((kind, node), step):
                self._silenced[kind, node] = step + self._week
                where, action = None if network else node, self._policy.action(kind)
                found.append(Alarm(kind, step, where, detail, action))
        return found
