"""Events in a table of readings of a run's sensors."""

from collections.abc import Sequence
from datetime import datetime
from math import inf
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from eac.artifacts.saved_data import done_periods, load_data
from eac.calibration.clock import clock_step
from eac.data.core.calendar import DAY
from eac.data.parsing.form import Form
from eac.data.parsing.tabular import read_table
from eac.data.readers.layout import read_long
from eac.errors import ConfigError, RunError, StreamError
from eac.monitoring.forecasts import LEVEL, ForecastMonitor
from eac.monitoring.monitor import ALARMS, Alarm, Monitor
from eac.monitoring.policy import Policy
from eac.monitoring.reference import Reference
from eac.rundir.requests import Request, ask, can_be_asked
from eac.serving.intake import read_input

COLUMNS = ("kind", "ds", "unique_id", "detail", "action")


def find_events(
    run_dir: Path,
    table: Path,
    *,
    weeks: int,
    alarms: float,
    policy: Policy,
    time_zone: str | None = None,
) -> pd.DataFrame:
    """Looks at readings step by step, after a reference in which nothing was wrong.

    Args:
        run_dir: Names the sensors that are known, and the step.
        table: Readings ``unique_id, ds, y``.
        weeks: Of the reference, the first of the readings.
        alarms: False alarms of the network in a week.
        policy: What is done about events.
        time_zone: Whose clock the steps follow, where the run was trained on one offset alone.

    Returns:
        ``kind, ds, unique_id, detail, action`` in order of time.

    Raises:
        RunError: If nothing is finished in the run.
        StreamError: If the readings are not valid, or too few.
    """
    directories = done_periods(run_dir)
    if not directories:
        raise RunError(f"{run_dir} holds no finished period. Give the directory of a run.")
    if weeks < 2:
        raise ConfigError(f"--reference {weeks}: give at least 2 weeks.")
    if not 0 < alarms < inf:
        raise ConfigError(f"--alarms {alarms}: give a number above 0, such as {ALARMS}.")
    data, form = load_data(directories), Form(time_zone=time_zone)
    period = read_input(read_long(table, "input"), data, (), form)
    clock, series = period.calendar, period.series.numpy().astype(float)
    if clock.days_per_week != 7:
        raise StreamError(f"{table}: eac monitor takes readings of weeks of seven days.")
    length = weeks * clock.steps_per_week
    if len(series) <= length:
        raise StreamError(
            f"{table} covers {len(series)} steps; the reference alone takes {length}. Give more "
            "readings, or a shorter --reference."
        )
    first = clock_step(clock, 0)
    monitor = Monitor(Reference.of(series[:length], first, clock.steps_per_day), alarms, policy)
    known, read = set(data.node_ids), np.isfinite(series[length:])
    begun = np.where(read.any(0), length + read.argmax(0), len(series))
    strangers = [i for i, node in enumerate(period.node_ids) if node not in known]
    found: list[tuple[int, Alarm]] = []
    for step in range(length, len(series)):
        fresh = [i for i in strangers if begun[i] == step]
        met = [monitor.new_id(first + step, i, period.node_ids[i]) for i in fresh]
        met += monitor.observe(first + step, series[step])
        found += [(step, alarm) for alarm in met]
    rows = [_row(alarm, clock.time_of(step) or step, period.node_ids) for step, alarm in found]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def find_forecast_events(
    run_dir: Path, backtest: Path, *, alarms: float, policy: Policy
) -> pd.DataFrame:
    """Looks at matured forecasts: which sensors leave their intervals too often, and when.

    Args:
        run_dir: Says how long a day is.
        backtest: What ``eac backtest --level 90`` wrote.
        alarms: False alarms of the network in a week.
        policy: What is done about events.

    Returns:
        As ``find_events`` does.

    Raises:
        StreamError: If the table is not one of a backtest with intervals of 90 %.
    """
    table = read_table(backtest, "forecasts")
    wanted = ("unique_id", "ds", "step", "y", f"y_hat-lo-{LEVEL}", f"y_hat-hi-{LEVEL}")
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise StreamError(
            f"{backtest} has no column {absent[0]!r}. Write it with: eac backtest {run_dir} "
            f"--level {LEVEL} --output {backtest}"
        )
    first = table[table["step"] == 1]
    wide = first.pivot_table(index="ds", columns="unique_id", values=list(wanted[3:]), dropna=False)
    data = load_data(done_periods(run_dir))
    moments = _moments(wide.index, None if data.clock is None else data.clock.zone, backtest)
    slots = round(DAY / data.step) if data.clock is None else data.clock.steps_per_day
    nodes = wide["y"].columns
    monitor = ForecastMonitor(len(nodes), slots, alarms, policy)
    columns = [wide[name].to_numpy(dtype=float) for name in wanted[3:]]
    rows = [
        _row(alarm, when, tuple(map(str, nodes)))
        for row, (step, when) in enumerate(zip(_steps(moments, slots), moments, strict=True))
        for alarm in monitor.observe(step, *(values[row] for values in columns))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _steps(moments: pd.Index, slots: int) -> Sequence[int]:
    """How many steps after the first each lies; a backtest leaves out what is not tested."""
    since = moments - moments[0]
    days = since if is_numeric_dtype(since) else pd.TimedeltaIndex(since) / DAY * slots
    return np.rint(np.asarray(days, dtype=float)).astype(int).tolist()


def _moments(ds: pd.Index, zone: str | None, backtest: Path) -> pd.Index:
    """Times of a backtest, which is written without a zone, as those of readings are given."""
    if is_numeric_dtype(ds.dtype):
        return ds
    try:
        stamps = pd.DatetimeIndex(pd.to_datetime(ds, format="ISO8601"))
    except (ValueError, TypeError) as error:
        raise StreamError(
            f"{backtest}: 'ds' holds what is no time stamp: {error}. Write it again with eac "
            f"backtest --level {LEVEL}."
        ) from error
    if zone is None or stamps.tz is not None:
        return stamps
    return stamps.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")  # pyright: ignore


def ask_for(run_dir: Path, events: pd.DataFrame) -> int:
    """Asks a run for what events ask for and a run can do; returns how many requests are new.

    Args:
        run_dir: The run; its next period takes the requests up.
        events: As ``find_events`` gives them.
    """
    new = 0
    for kind, ds, unique_id, detail, action in events[list(COLUMNS)].itertuples(index=False):
        if can_be_asked(action):
            when = ds.isoformat() if isinstance(ds, datetime) else str(ds)
            node = None if pd.isna(unique_id) else str(unique_id)
            new += ask(run_dir, Request(action, kind, detail, when, node))
    return new


def in_order(*events: pd.DataFrame) -> pd.DataFrame:
    """Several tables of events as one, in order of time.

    Example:
        >>> late, early = pd.DataFrame({"ds": ["2024-02-01"]}), pd.DataFrame({"ds": ["2024-01-01"]})
        >>> in_order(late, early)["ds"].tolist()
        ['2024-01-01', '2024-02-01']
    """
    some = [table for table in events if len(table)]
    whole = pd.concat(some) if some else events[0]
    return whole.sort_values("ds", kind="stable").reset_index(drop=True)


def _row(alarm: Alarm, when: object, node_ids: tuple[str, ...]) -> tuple[object, ...]:
    node = None if alarm.node is None else node_ids[alarm.node]
    return alarm.kind, when, node, alarm.detail, alarm.action
