"""When a backtest takes the model that a period left: always, or when a monitor asks for it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from eac.calibration.clock import clock_step
from eac.data.batches.datamodule import PeriodData
from eac.monitoring.monitor import ALARMS, Monitor
from eac.monitoring.policy import Kind, Policy
from eac.monitoring.reference import WEEKS, Reference

REFITS = ("tune prompts", "refresh everything")
"""Actions for which a model is trained."""


@dataclass(frozen=True)
class Asked:
    """Why a model is to be refitted.

    Attributes:
        kind: Of the first event that asks for it; None: no event does.
        events: How many do.

    Example:
        >>> Asked("level shift", events=2).events
        2
    """

    kind: Kind | None
    events: int


def asked_for(
    data: PeriodData, used: int, index: int, policy: Policy, alarms: float = ALARMS
) -> Asked:
    """What a monitor says between the period of the model in use and the test part of another.

    The reference is the training part of the period of the model; what follows up to the test part
    is looked at, for the sensors that all these periods have.

    Args:
        data: Settings of the data; gives periods.
        used: Position of the period whose model is in use.
        index: Position of the period to be forecast.
        policy: What events ask for.
        alarms: False alarms of the network in a week.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=2, steps_per_period=200))
        >>> asked_for(data, 0, 1, Policy()).events
        0
    """
    kinds = list(_kinds(data, used, index, policy, alarms))
    return Asked(kinds[0] if kinds else None, len(kinds))


def _kinds(
    data: PeriodData, used: int, index: int, policy: Policy, alarms: float
) -> Iterator[Kind]:
    """Kinds of the events that ask for a refit, in order."""
    first, last = data.for_period(used), data.for_period(index)
    known = set(first.period.node_ids)
    for node in last.period.node_ids:
        if node not in known and policy.action("new id") in REFITS:
            yield "new id"
    nodes = [node for node in last.period.node_ids if node in known]
    calendar, training = first.period.calendar, first.split.train.stop
    if calendar.days_per_week != 7 or training < WEEKS * calendar.steps_per_week or not nodes:
        return
    start, series = clock_step(calendar, 0), _columns(first, nodes)
    reference = Reference.of(series[:training], start, calendar.steps_per_day)
    monitor = Monitor(reference, alarms, policy)
    for position in range(used, index + 1):
        current = data.for_period(position)
        start, series = clock_step(current.period.calendar, 0), _columns(current, nodes)
        begin = training if position == used else 0
        for step in range(begin, current.split.test.start if position == index else len(series)):
            for alarm in monitor.observe(start + step, series[step]):
                if alarm.action in REFITS:
                    yield alarm.kind


def _columns(data: PeriodData, nodes: list[str]) -> np.ndarray:
    """Readings of these sensors, NaN where the period does not have one."""
    row = {node: i for i, node in enumerate(data.period.node_ids)}
    found = np.full((data.period.num_steps, len(nodes)), np.nan)
    for column, node in enumerate(nodes):
        if node in row:
            found[:, column] = data.period.series[:, row[node]].numpy()
    if data.null_value is not None:
        found[found == data.null_value] = np.nan
    return found
