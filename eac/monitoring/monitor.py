"""Finds events, step by step, in readings that are known."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from eac.monitoring.detectors import CLIP, Ewma, PageHinkley, threshold
from eac.monitoring.policy import Action, Kind, Policy
from eac.monitoring.reference import Reference

ALARMS = 0.125
"""False alarms of a network in a week, all kinds together."""
DAY_RATE = 1.0
"""The mean of residuals looks back over a day: its rate is this over the slots of a day."""
SLACK = 0.75
UNIT_STEPS = 2
UNIT_FACTOR = 1.5
"""A change of the unit is at least this factor, the same for two readings."""
UNIT_NOISE = 5.0
"""Spreads by which readings of another unit differ from what is usual, at least."""
SPIKE = 8.0
SPIKES = 3
QUIET = 6
"""Steps that a sensor may be silent or stuck, at least; twice its longest time in the reference."""


@dataclass(frozen=True)
class Alarm:
    """One event.

    Attributes:
        kind: What was found.
        step: Step of the readings at which it was.
        node: Position of the sensor; None concerns the network.
        detail: One sentence.
        action: What the policy says.
        since: First step whose reading is not to be trusted; None: that of the event.

    Example:
        >>> Alarm("silent", 170, 2, "no reading for 26 steps", "mark").node
        2
    """

    kind: Kind
    step: int
    node: int | None
    detail: str
    action: Action
    since: int | None = None


class Monitor:
    """Looks at each step of readings of all sensors, less what is usual and what all share.

    A residual is the distance of a reading from what is usual at that slot of the week, in spreads
    of the sensor, less the median of all sensors, so that weather is no fault of a sensor. Level
    shifts are found by an exponentially weighted mean and by Page-Hinkley; their thresholds are set
    on the reference so that the network, not each sensor, has ``alarms`` false ones in a week.

    Args:
        reference: Readings in which nothing was wrong.
        alarms: False alarms of the network in a week.
        policy: What is done about events.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> series = generator.normal(100, 5, size=(168 * 4, 3))
        >>> monitor = Monitor(Reference.of(series, first=0, steps_per_day=24))
        >>> now = np.array([100.0, 100.0, 500.0])  # the third reads far too much
        >>> alarms = [alarm for i in range(48) for alarm in monitor.observe(168 * 4 + i, now)]
        >>> any(alarm.node == 2 for alarm in alarms)
        True
    """

    def __init__(self, reference: Reference, alarms: float = ALARMS, policy: Policy | None = None):
        self._reference = reference
        self._policy = policy or Policy()
        self._week = 7 * reference.steps_per_day
        count = reference.spread.shape[1]
        self._mean, self._page = _detectors(count, reference.steps_per_day)
        self._limits = _limits(reference, alarms / 2)
        self._common = Ewma(1, DAY_RATE / reference.steps_per_day)
        self._common_limit = _common_limit(reference)
        self.stuck_after = np.maximum(QUIET, 2 * reference.longest_run + 1)
        self.silent_after = np.maximum(QUIET, 2 * reference.longest_gap + 1)
        self._ratios = np.full((UNIT_STEPS, count), np.nan)
        self._last = np.full(count, np.nan)
        self._same, self._gap, self._repeated_from = np.zeros((3, count), dtype=int)
        self._far = np.zeros(count, dtype=bool)
        self._spikes = np.zeros((reference.steps_per_day, count), dtype=bool)
        self._silenced: dict[tuple[Kind, int], int] = {}

    def observe(self, step: int, y: Float[ndarray, " node"]) -> list[Alarm]:
        """Events that the readings of one step make known.

        Args:
            step: Counted from a Monday.
            y: Readings, NaN where there is none.
        """
        reference = self._reference
        usual = reference.usual[step % self._week]
        spread = reference.spread[step % reference.steps_per_day]
        known = np.isfinite(y)
        residual = (y - usual) / spread
        told = np.isfinite(residual)
        common = float(np.median(residual[told])) if told.any() else 0.0
        stuck = self._stuck(step, y)
        repeated = self._same > reference.longest_run  # perhaps stuck: what it reads says nothing
        residual = np.where(repeated, np.nan, residual - common)
        found: dict[Kind, tuple[Bool[ndarray, " node"], str]] = {
            "unit change": (
                self._unit(np.where(repeated, np.nan, y), usual, spread),
                "readings are another multiple of what is usual",
            ),
            "stuck": (stuck, "one and the same reading for longer than ever before"),
            "silent": (self._silent(known), "no reading for longer than ever before"),
            "spiking": (self._spiking(step, residual), "several readings far off in one day"),
        }
        spike = self._spikes[step % len(self._spikes)]  # a shift if the next reading is as far off
        faulty = np.logical_or.reduce([flags for flags, _ in found.values()])
        shifted = self._shifted(np.where(spike, np.nan, residual)) & ~faulty
        found["level shift"] = (shifted, "readings are higher or lower than usual, to stay")
        alarms = [
            alarm
            for kind, (flags, detail) in found.items()
            for node in np.flatnonzero(flags)
            if (alarm := self._alarm(kind, step, int(node), detail)) is not None
        ]
        if float(self._common.update(np.array([common]))[0]) > self._common_limit:
            drift = self._alarm("network drift", step, None, "the whole network left what is usual")
            alarms += [] if drift is None else [drift]
        return alarms

    def usual(self, step: int, y: Float[ndarray, " node"]) -> Bool[ndarray, " node"]:
        """True where a reading is within ``CLIP`` spreads of what is usual, less what all share."""
        reference = self._reference
        spread = reference.spread[step % reference.steps_per_day]
        residual = (y - reference.usual[step % self._week]) / spread
        known = np.isfinite(residual)
        common = float(np.median(residual[known])) if known.any() else 0.0
        return known & (np.abs(np.nan_to_num(residual - common)) < CLIP)

    def new_id(self, step: int, node: int, node_id: str) -> Alarm:
        """The event of a sensor that was never seen before, and is read at this step."""
        detail = f"sensor {node_id} was never seen before"
        return Alarm("new id", step, node, detail, self._policy.action("new id"))

    def _alarm(self, kind: Kind, step: int, node: int | None, detail: str) -> Alarm | None:
        """An event, at most one of a kind and sensor in a week."""
        key = (kind, -1 if node is None else node)
        if step < self._silenced.get(key, step):
            return None
        if node is not None and kind == "spiking" and self._explained(step, node):
            return None
        self._silenced[key] = step + self._week
        since = None if node is None else self._began(kind, step, node)
        return Alarm(kind, step, node, detail, self._policy.action(kind), since)

    def _explained(self, step: int, node: int) -> bool:
        """True where an event of the last week says why readings of a sensor are far off."""
        kinds: tuple[Kind, ...] = ("unit change", "level shift", "stuck")
        return any(step < self._silenced.get((kind, node), step) for kind in kinds)

    def _began(self, kind: Kind, step: int, node: int) -> int:
        """The step from which on readings of the sensor are not to be trusted."""
        if kind == "stuck":
            return int(self._repeated_from[node])
        before = {"spiking": len(self._spikes) - 1, "unit change": UNIT_STEPS - 1}
        return step - before.get(kind, 0)

    def _shifted(self, residual: Float[ndarray, " node"]) -> Bool[ndarray, " node"]:
        mean, page = self._limits
        shifted = (self._mean.update(residual) > mean) | (self._page.update(residual) > page)
        if self._drifting:
            self._mean.reset(np.ones_like(shifted))
            self._page.reset(np.ones_like(shifted))
            return np.zeros_like(shifted)
        self._mean.reset(shifted)
        self._page.reset(shifted)
        return shifted

    def _unit(
        self,
        y: Float[ndarray, " node"],
        usual: Float[ndarray, " node"],
        spread: Float[ndarray, " node"],
    ) -> Bool[ndarray, " node"]:
        usual = usual * _shared_multiple(y, usual)
        far = np.abs(y - usual) > UNIT_NOISE * spread
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(far & (y > 0) & (usual > 0), np.log(y / usual), np.nan)
        known = np.isfinite(y)
        rolled = np.vstack([self._ratios[1:], ratio])
        self._ratios = np.where(known, rolled, self._ratios)
        whole = np.isfinite(self._ratios).all(0)
        ratios = np.where(whole, self._ratios, 0.0)
        steady = np.ptp(ratios, axis=0) < np.abs(ratios).min(0) / 2
        changed = known & whole & steady & (np.abs(ratios).min(0) > np.log(UNIT_FACTOR))
        drifted = abs(float(self._common.mean[0])) > self._common_limit
        return np.zeros_like(changed) if drifted else changed

    @property
    def _drifting(self) -> bool:
        """True while all sensors move together; then none of them is blamed for it."""
        return abs(float(self._common.mean[0])) > self._common_limit / 2

    def _stuck(self, step: int, y: Float[ndarray, " node"]) -> Bool[ndarray, " node"]:
        self._same = np.where(np.isnan(y), self._same, np.where(y == self._last, self._same + 1, 0))
        self._last = np.where(np.isnan(y), self._last, y)
        first = np.isfinite(y) & (self._same == 1)  # the first of equal readings was true
        self._repeated_from = np.where(first, step, self._repeated_from)
        return np.isfinite(y) & (self._same == self.stuck_after)

    def _silent(self, known: Bool[ndarray, " node"]) -> Bool[ndarray, " node"]:
        self._gap = np.where(known, 0, self._gap + 1)
        return self._gap == self.silent_after

    def _spiking(self, step: int, residual: Float[ndarray, " node"]) -> Bool[ndarray, " node"]:
        before, self._far = self._far, np.abs(np.nan_to_num(residual)) > SPIKE
        now = self._spikes[step % len(self._spikes)] = self._far & ~before
        return (self._spikes.sum(0) >= SPIKES) & now


def _shared_multiple(y: Float[ndarray, " node"], usual: Float[ndarray, " node"]) -> float:
    """The multiple of what is usual that sensors have in common, as on a holiday.

    Of fewer than three sensors nobody can tell what is common; then it is 1.
    """
    with np.errstate(invalid="ignore"):
        inside = (y > 0) & (usual > 0)
    return float(np.median(y[inside] / usual[inside])) if inside.sum() > 2 else 1.0


def _detectors(num_nodes: int, steps_per_day: int) -> tuple[Ewma, PageHinkley]:
    return Ewma(num_nodes, min(1.0, DAY_RATE / steps_per_day)), PageHinkley(num_nodes, SLACK)


def _limits(reference: Reference, alarms: float) -> tuple[float, float]:
    """Thresholds of both detectors, from their walk through the reference."""
    detectors = _detectors(reference.spread.shape[1], reference.steps_per_day)
    walks = [np.empty(reference.residuals.shape) for _ in detectors]
    for step, residual in enumerate(reference.residuals):
        for walk, detector in zip(walks, detectors, strict=True):
            walk[step] = detector.update(residual)
    mean, page = (threshold(walk, 7 * reference.steps_per_day, alarms) for walk in walks)
    return mean, page


def _common_limit(reference: Reference) -> float:
    """Of the network as a whole: one and a half times the largest mean of the reference."""
    mean = Ewma(1, DAY_RATE / reference.steps_per_day)
    walk = [float(mean.update(np.array([value]))[0]) for value in reference.common]
    return 1.5 * max(max(walk), 0.1)
