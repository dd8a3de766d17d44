"""How well intervals held their level in one period."""

from dataclasses import dataclass, field
from typing import Any

ByLevel = dict[str, float | None]
"""A number for each level, named by its percent: "80", "90"."""
Course = dict[str, tuple[float | None, ...]]
"""Numbers in a row for each level."""


@dataclass(frozen=True)
class AgeGroup:
    """Coverage of the sensors that were part of so many periods, this one among them.

    Attributes:
        age: Periods; 1: new.
        num_nodes: Sensors.
        coverage: Percent of readings inside, by level.

    Example:
        >>> AgeGroup(age=1, num_nodes=15, coverage={"90": 89.5}).coverage["90"]
        89.5
    """

    age: int
    num_nodes: int
    coverage: ByLevel


@dataclass(frozen=True)
class Fan:
    """One forecast of one sensor with its intervals, after the readings before it.

    Attributes:
        node_id: The sensor.
        first: Step of the period of the first reading shown.
        truth: Readings up to the last step forecast; None where missing.
        y_hat: Forecast of the last steps.
        low: Lower bounds by level.
        high: Upper bounds by level.

    Example:
        >>> low, high = {"90": (3.0,)}, {"90": (5.0,)}
        >>> fan = Fan("a", 0, truth=(3.0, 4.0), y_hat=(4.2,), low=low, high=high)
        >>> fan.low["90"][0] < fan.y_hat[0] < fan.high["90"][0]
        True
    """

    node_id: str
    first: int
    truth: tuple[float | None, ...]
    y_hat: tuple[float | None, ...]
    low: Course
    high: Course


@dataclass(frozen=True)
class Intervals:
    """Intervals over the test part of one period.

    Attributes:
        calibrator: Class that made them.
        source: What the calibrator had learned from before the test part.
        coverage: Percent of readings inside, by level.
        winkler: Mean Winkler score, in units of the readings: the width, and ``2 / (1 - level)``
            times the distance of a reading outside.
        width: Mean width, in units of the readings.
        within_five: Percent of sensors whose own coverage is within 5 points of the level.
        first_month: Coverage of new sensors over their first 30 days of forecasts.
        crps: Continuous ranked probability score by the quantiles followed.
        steps: ``coverage`` and ``width`` by step of the horizon.
        days: ``coverage`` and ``width`` by day of issue.
        ages: Coverage by age of the sensor.
        fans: Some forecasts, to be drawn.
        candidates: Winkler score of each calibrator on validation residuals, at 90 %, where one was
            chosen in this period.

    Example:
        >>> own = {"within_five": {"90": 98.0}, "first_month": {"90": 88.0}, "crps": 3.5}
        >>> own |= {"winkler": {"90": 31.0}, "width": {"90": 22.0}}
        >>> Intervals("RollingQuantiles", "validation", coverage={"90": 89.5}, **own).coverage["90"]
        89.5
    """

    calibrator: str
    source: str
    coverage: ByLevel
    winkler: ByLevel
    width: ByLevel
    within_five: ByLevel
    first_month: ByLevel
    crps: float | None
    steps: dict[str, Course] = field(default_factory=dict)
    days: dict[str, Course] = field(default_factory=dict)
    ages: tuple[AgeGroup, ...] = ()
    fans: tuple[Fan, ...] = ()
    candidates: ByLevel = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries and lists."""
        content = dict(vars(self))
        content["ages"] = [dict(vars(group)) for group in self.ages]
        content["fans"] = [dict(vars(fan)) for fan in self.fans]
        return content


def mean_by_level(tables: list[ByLevel]) -> ByLevel:
    """Means over periods, of the levels that all of them have.

    Example:
        >>> mean_by_level([{"80": 79.0, "90": 90.0}, {"80": 81.0}])
        {'80': 80.0}
    """
    levels = [level for level in tables[0] if all(level in t for t in tables)] if tables else []
    means: ByLevel = {}
    for level in levels:
        values = [value for table in tables if (value := table[level]) is not None]
        means[level] = sum(values) / len(values) if values else None
    return means
