"""Forecasts of some sensors against what was measured, within a budget of numbers."""

from datetime import datetime
from typing import Any

from eac.records.details import PeriodDetails, SensorTrace
from eac.report.common.summary import model_name
from eac.report.sections.view import SHOWN_PERIODS, RunView

NUMBERS = 90_000
"""Forecast numbers in a page, about half a megabyte; at least one period is always there."""
LEADS = 12
DIGITS = 4


def traces_of(view: RunView) -> dict[str, Any]:
    """What the page's script draws: the latest periods first.

    Example:
        >>> from eac.records.sample import sample_details, sample_run
        >>> traces = traces_of(RunView(sample_run((8.0,)), (sample_details("0"),), "MAE"))
        >>> traces["model"], len(traces["periods"])
        ('EAC', 1)
    """
    periods, numbers = [], 0
    for details in reversed(view.details[-SHOWN_PERIODS:]):
        found = _period(details)
        sensors = [*found["worst"], *found["best"]]
        numbers += sum(len(row) for sensor in sensors for row in sensor["forecast"])
        if periods and numbers > NUMBERS:
            break
        periods.append(found)
    run = view.run
    about = {"model": model_name(run), "unit": run.unit, "null_value": _short(run.null_value)}
    return about | {"periods": periods}


def _period(details: PeriodDetails) -> dict[str, Any]:
    traces = details.traces
    every = -(-len(traces.leads) // LEADS)
    chosen = [i for i in range(len(traces.leads)) if i % every == 0 or i == len(traces.leads) - 1]
    return {
        "name": details.name,
        "start": _on_wall(traces.start),
        "step_seconds": traces.step_seconds,
        "seconds": traces.seconds,
        "first_step": traces.first_step,
        "leads": [traces.leads[i] for i in chosen],
        "worst": [_sensor(sensor, chosen) for sensor in traces.worst],
        "best": [_sensor(sensor, chosen) for sensor in traces.best],
    }


def _on_wall(stamp: str | None) -> str | None:
    """A time stamp without the offset from UTC that runs made before kept with it."""
    return None if stamp is None else datetime.fromisoformat(stamp).replace(tzinfo=None).isoformat()


def _sensor(sensor: SensorTrace, chosen: list[int]) -> dict[str, Any]:
    return {
        "node_id": sensor.node_id,
        "truth": [_short(value) for value in sensor.truth],
        "week": [_short(value) for value in sensor.week],
        "forecast": [[_short(row[i]) for i in chosen] for row in sensor.forecast],
    }


def _short(value: float | None) -> float | int | None:
    if value is None:
        return None
    rounded = float(f"{value:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() else rounded
