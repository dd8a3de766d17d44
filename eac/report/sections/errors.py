"""Errors and skill by period and by horizon."""

from collections.abc import Mapping, Sequence

from eac.records.horizon_table import METRICS
from eac.records.naive import best_naive
from eac.records.record import PeriodRecord, RunRecord
from eac.report.common.charts import Bars, Line, Number, Role, SeriesChart
from eac.report.common.markup import Entry, MarkedTable
from eac.report.common.page_parts import Section, slots_of
from eac.report.common.skill import listed, losing, percent, skill
from eac.report.common.summary import (
    BASELINES,
    format_error,
    labelled,
    model_name,
    report_steps,
)
from eac.report.common.tables import conclusions, grids
from eac.report.sections.view import RunView

BASELINE_ROLES: dict[str, Role] = {"last": "muted", "day": "a", "week": "b", "average": "c"}
BASELINE_ROLES |= {"year": "b", "smoothed": "e"}
TOWERING = 2.5
"""A naive forecast this many times above the others would press them flat."""
TABLES = 24
"""Tables by horizon of at most this many of the latest periods stand in a page."""


def section(view: RunView) -> Section:
    """Skill first, then errors; what each naive forecast scores in words.

    Example:
        >>> from eac.records.sample import sample_run
        >>> list(section(RunView(sample_run(), (), "MAE")).choices)
        ['MAE', 'RMSE', 'MAPE', 'WAPE']
    """
    run, metric = view.run, view.metric
    several = len(run.periods) > 1
    charts = (skill_by_period(run, metric), error_by_period(run, metric)) if several else ()
    every = [table for table in grids(run, metric) if not table.title.startswith("Parameters")]
    own, mean = (every[1:-1], every[-1:]) if several else (every, [])
    return Section(
        "errors",
        "Errors and skill",
        points=tuple(conclusions(run)),
        slots=slots_of(*charts, _error_by_horizon(run, metric)),
        choices={name: _period_table(run, name) for name in METRICS},
        chosen=metric,
        folded=(*mean, *own[::-1][:TABLES]),
        fold="Errors by horizon: tables of the mean and of each period"
        if several
        else "Errors by horizon",
    )


def skill_by_period(run: RunRecord, metric: str) -> SeriesChart:
    """Skill against the best naive forecast of each period; those that lose are marked.

    Example:
        >>> from eac.records.sample import sample_run
        >>> [round(share) for share in skill_by_period(sample_run((8.0, 12.0)), "MAE").marks[0].y]
        [20, -20]
    """
    names = tuple(period.name for period in run.periods)
    shares = [skill(period, metric) for period in run.periods]
    lost = tuple(i for i, share in enumerate(shares) if share is not None and share < 0)
    worse = losing(run, metric)
    told = f"Worse than it in: {listed(worse)}." if worse else "Better than it in every period."
    values = tuple(None if share is None else 100 * share for share in shares)
    return SeriesChart(
        key="skill",
        title="Skill against the best naive forecast of each period",
        alt=f"Share of the best naive forecast's {metric} that {model_name(run)} saves; in the "
        f"latest period {percent(shares[-1])}. {told}",
        x_label="period",
        y_label="skill [%]",
        marks=(Bars("skill", names, values, "model", lost),),
    )


def _error_by_horizon(run: RunRecord, metric: str) -> SeriesChart:
    """Errors at each step, mean over periods, of the model and of the naive forecasts."""
    steps = tuple(str(step) for step in range(1, run.mean().horizon + 1))
    model = run.mean().point[metric]
    name = model_name(run)
    marks = [
        Line(
            name=BASELINES.get(key, key),
            x=_numbers(steps),
            y=_at(table.point[metric], steps),
            role=BASELINE_ROLES.get(key, "d"),
            dash=True,
        )
        for key, table in run.mean_baselines().items()
    ]
    marks.append(Line(name, _numbers(steps), _at(model, steps), "model"))
    top, told = _top(marks)
    ends = f"{format_error(model.get(steps[0]))} at step 1 to {format_error(model.get(steps[-1]))}"
    several = len(run.periods) > 1
    return SeriesChart(
        key="error-by-horizon",
        title=f"Error by horizon{', mean over periods' if several else ''}",
        alt=f"{metric} of {name} goes from {ends} at step {steps[-1]}; "
        f"{len(marks) - 1} naive forecasts are drawn too.{told}",
        x_label="steps ahead",
        y_label=labelled(metric, run),
        marks=tuple(marks),
        top=top,
    )


def error_by_period(run: RunRecord, metric: str) -> SeriesChart:
    """Mean error of each period, of the model and of the naive forecasts.

    Example:
        >>> from eac.records.sample import sample_run
        >>> error_by_period(sample_run((8.0, 12.0)), "MAE").marks[-1].y
        (8.0, 12.0)
    """
    names = tuple(period.name for period in run.periods)
    values = tuple(period.errors.point[metric]["mean"] for period in run.periods)
    naive = [
        Line(BASELINES.get(key, key), names, tuple(errors), BASELINE_ROLES.get(key, "d"), True)
        for key in run.mean_baselines()
        for errors in [[p.baselines[key].point[metric]["mean"] for p in run.periods]]
    ]
    pairs = list(zip(names, values, strict=True))[-TABLES:]
    told = ", ".join(f"{n}: {format_error(v)}" for n, v in pairs)
    marks = (*naive, Line(model_name(run), names, values, "model"))
    top, outside = _top(marks)
    return SeriesChart(
        key="error-by-period",
        title="Error by period, mean over steps",
        alt=f"Mean {metric} of {model_name(run)} by period. {told}.{outside}",
        x_label="period",
        y_label=labelled(metric, run),
        marks=marks,
        top=top,
    )


def _period_table(run: RunRecord, metric: str) -> MarkedTable:
    """Errors by period and horizon, each beside the best naive forecast of its period."""
    steps = report_steps(run.mean().horizon)
    header = ("period", "skill", "mean", *(f"@{s}" for s in steps))
    header += (*(f"<={s}" for s in steps), "avg", "best naive (mean)")
    rows = []
    for period in run.periods:
        saved, naive = _beside(period, metric)
        rows.append((Entry(period.name), saved, *_errors(period, metric, steps), naive))
    if len(run.periods) > 1:
        mean = run.mean()
        point, cumulative = mean.point[metric], mean.cumulative[metric]
        values = [point.get(key) for key in ("mean", *steps)]
        values += [cumulative.get(key) for key in (*steps, "avg")]
        cells = (Entry(format_error(value)) for value in values)
        rows.append((Entry("all periods"), Entry(""), *cells, Entry("")))
    notes = (
        f"{labelled(metric, run)} of {model_name(run)}. skill: share of the best naive forecast's "
        "error that is saved. mean: of all steps; @6: at step 6 alone; <=6: over steps 1 to 6; "
        "avg: the mean of those values.",
    )
    return MarkedTable(f"{metric} by period and horizon", header, tuple(rows), notes)


def _beside(period: PeriodRecord, metric: str) -> tuple[Entry, Entry]:
    best, saved = best_naive(period, metric), skill(period, metric)
    mark = "bad" if saved is not None and saved < 0 else ""
    told = "-" if best is None else f"{format_error(best[1])} ({BASELINES.get(best[0], best[0])})"
    return Entry(percent(saved), mark), Entry(told)


def _errors(period: PeriodRecord, metric: str, steps: Sequence[str]) -> tuple[Entry, ...]:
    point, cumulative = period.errors.point[metric], period.errors.cumulative[metric]
    values = [point.get(key) for key in ("mean", *steps)]
    values += [cumulative.get(key) for key in (*steps, "avg")]
    return tuple(Entry(format_error(value)) for value in values)


def _top(lines: Sequence[Line]) -> tuple[Number, str]:
    """Where to end the axis so that naive forecasts far above the rest do not press it flat.

    Lines are those of the naive forecasts, then that of the model. Also says which leave the
    picture; None and nothing where all of them fit.
    """
    heights = {line.name: max((y for y in line.y if y is not None), default=0.0) for line in lines}
    *naive, model = heights.values()
    limit = TOWERING * max(model, min(naive, default=model))
    outside = [name for name, height in heights.items() if height > limit]
    if not outside:
        return None, ""
    top = 1.1 * max(height for height in heights.values() if height <= limit)
    return top, f" Off the scale: {', '.join(outside)}."


def _at(errors: Mapping[str, Number], steps: Sequence[str]) -> tuple[Number, ...]:
    return tuple(errors.get(step) for step in steps)


def _numbers(steps: Sequence[str]) -> tuple[float, ...]:
    return tuple(float(step) for step in steps)
