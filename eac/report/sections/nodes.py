"""Sensors that join, leave and return, and how well each group is forecast."""

from collections.abc import Callable

from eac.records.horizon_table import mean_or_none
from eac.records.record import PeriodRecord, RunRecord
from eac.report.common.charts import Bars, Number, Role, SeriesChart
from eac.report.common.page_parts import Section, slots_of
from eac.report.common.summary import labelled
from eac.report.sections.view import RunView

GROUP_ROLES: dict[str, Role] = {"kept": "model", "new": "b", "returned": "c", "gone": "muted"}
TEXT = (
    "Kept sensors were in the period before, new ones never, returned ones earlier; gone ones were "
    "in the period before and are absent."
)


def section(view: RunView) -> Section | None:
    """None for a run of one period.

    Example:
        >>> from eac.records.sample import sample_run
        >>> section(RunView(sample_run((8.0,)), (), "MAE")) is None  # one period alone
        True
    """
    run, metric = view.run, view.metric
    if len(run.periods) < 2:
        return None
    slots = slots_of(node_changes(run), _group_errors(run, metric))
    return Section("nodes", "Joining and leaving", (TEXT,), slots=slots)


def node_changes(run: RunRecord) -> SeriesChart:
    """Sensors kept, new and returned in each period, and those gone since the one before.

    Example:
        >>> from eac.records.sample import sample_run
        >>> {bars.name: bars.y for bars in node_changes(sample_run()).marks}
        {'kept': (2, 2), 'new': (1, 1), 'gone': (-1, -1)}
    """
    names = tuple(period.name for period in run.periods)
    groups = [key for key in GROUP_ROLES if any(getattr(p.nodes, key) for p in run.periods)]
    marks = tuple(
        Bars(key, names, tuple(sign * getattr(p.nodes, key) for p in run.periods), GROUP_ROLES[key])
        for key in groups
        for sign in [-1 if key == "gone" else 1]
    )
    first, last = run.periods[0], run.periods[-1]
    return SeriesChart(
        key="nodes",
        title="Sensors by period",
        alt=f"Number of sensors by period: {first.num_nodes} in period {first.name}, "
        f"{last.num_nodes} in period {last.name}.",
        x_label="period",
        y_label="sensors (gone: below zero)" if "gone" in groups else "sensors",
        marks=marks,
        stacked=True,
    )


def _group_errors(run: RunRecord, metric: str) -> SeriesChart | None:
    """Mean error of kept, new and returned sensors; None when no sensor ever joined later."""
    names = tuple(period.name for period in run.periods)
    marks = tuple(
        Bars(group, names, tuple(map(_mean_of(group, metric), run.periods)), GROUP_ROLES[group])
        for group in ("kept", "new", "returned")
        if any(group in period.groups for period in run.periods[1:])
    )
    if not marks:
        return None
    return SeriesChart(
        key="error-by-group",
        title="Error on kept, new and returned sensors",
        alt=f"Mean {metric} by period of the sensors {', '.join(bar.name for bar in marks)}.",
        x_label="period",
        y_label=labelled(metric, run),
        marks=marks,
    )


def _mean_of(group: str, metric: str) -> Callable[[PeriodRecord], Number]:
    def value(period: PeriodRecord) -> Number:
        table = period.groups.get(group)
        return None if table is None else mean_or_none([table.point[metric]["mean"]])

    return value
