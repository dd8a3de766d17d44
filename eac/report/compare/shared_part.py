"""The part of a run that other runs have too."""

from collections.abc import Sequence
from dataclasses import replace

from eac.records.horizon_table import Groups, first_steps
from eac.records.record import PeriodRecord, RunRecord


def shared_part(run: RunRecord, periods: Sequence[str], horizon: int) -> RunRecord:
    """The run with these periods alone, and its errors over the first steps.

    Errors of sensors are over all steps, and are left out where the run forecasts more.

    Example:
        >>> from eac.records.sample import sample_run
        >>> part = shared_part(sample_run((8.0, 12.0)), ["1"], horizon=3)
        >>> [period.name for period in part.periods], part.mean().horizon
        (['1'], 3)
    """
    by_name = {period.name: period for period in run.periods}
    return replace(run, periods=tuple(_shortened(by_name[name], horizon) for name in periods))


def _shortened(period: PeriodRecord, horizon: int) -> PeriodRecord:
    if period.errors.horizon <= horizon:
        return period
    groups, baselines = (_cut(tables, horizon) for tables in (period.groups, period.baselines))
    return replace(period, groups=groups, baselines=baselines, sensors=None)


def _cut(tables: Groups, horizon: int) -> Groups:
    return {name: first_steps(table, horizon) for name, table in tables.items()}
