"""A run as text, Markdown, LaTeX or CSV."""

import csv
import io
from collections.abc import Iterator, Sequence

from rich.console import Console

from eac.records.horizon_table import HorizonTable, mean_or_none
from eac.records.naive import best_naive
from eac.records.record import PeriodRecord, RunRecord
from eac.report.common import markup
from eac.report.common.escapes import csv_cell, markdown
from eac.report.common.markup import Entry, MarkedTable
from eac.report.common.skill import listed, losing, mean_skill, percent, skill
from eac.report.common.summary import (
    BASELINES,
    compare,
    format_error,
    labelled,
    model_name,
    periods_counted,
    report_steps,
)
from eac.report.common.terminal import print_table, say

GROUPS = ("kept", "new", "returned")
LATEST = 12
"""Periods in a printed table; of more, the latest."""


def print_run(run: RunRecord, metric: str, console: Console, *, every_period: bool = False) -> None:
    """Prints the periods in one table, the errors by horizon, costs, and plain comparisons.

    Args:
        run: The run.
        metric: Metric of the tables.
        console: Where to.
        every_period: Also print the errors by horizon of each period, not of the latest alone.

    Example:
        >>> from eac.records.sample import sample_run
        >>> print_run(sample_run((8.0,)), "MAE", Console(width=80, file=(text := io.StringIO())))
        >>> text.getvalue().splitlines()[0]
        'made, EAC on STGNN, protocol strict, seed 1'
    """
    say(console, headline(run), style="bold")
    if run.source:
        say(console, f"Data: {run.source}")
    tables = grids(run, metric) if every_period else _summary_grids(run, metric)
    for table in tables:
        console.print()
        print_table(table, console)
    console.print()
    for sentence in conclusions(run):
        say(console, sentence)


def to_markdown(run: RunRecord, metric: str) -> str:
    """The same report as Markdown, with a table for every period.

    Example:
        >>> from eac.records.sample import sample_run
        >>> to_markdown(sample_run(), "MAE").splitlines()[0]
        '# made, EAC on STGNN, protocol strict, seed 1'
    """
    parts = [f"# {markdown(headline(run))}", f"Data: {markdown(run.source)}" if run.source else ""]
    parts += [markup.to_markdown(table).rstrip() for table in grids(run, metric)]
    parts.append("\n".join(f"- {markdown(sentence)}" for sentence in conclusions(run)))
    return "\n\n".join(part for part in parts if part) + "\n"


def to_latex(run: RunRecord, metric: str) -> str:
    r"""The tables of the report as LaTeX environments, for the package booktabs.

    Example:
        >>> from eac.records.sample import sample_run
        >>> to_latex(sample_run(), "MAE").count(r"\begin{table}")
        5
    """
    return markup.to_latex(list(grids(run, metric)), prefix=f"{run.stream} {model_name(run)}")


def to_csv(run: RunRecord) -> str:
    r"""Every error of the run, one per line; the period "mean" is the mean over periods.

    Example:
        >>> from eac.records.sample import sample_run
        >>> print("\n".join(to_csv(sample_run()).splitlines()[:2]))
        period,forecast,nodes,kind,metric,horizon,value
        0,EAC,all,point,MAE,1,8.0
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("period", "forecast", "nodes", "kind", "metric", "horizon", "value"))
    for period in run.periods:
        for group, table in period.groups.items():
            writer.writerows(_csv_rows((period.name, model_name(run), group), table))
        for naive, table in period.baselines.items():
            writer.writerows(_csv_rows((period.name, naive, "all"), table))
    writer.writerows(_csv_rows(("mean", model_name(run), "all"), run.mean()))
    for naive, table in run.mean_baselines().items():
        writer.writerows(_csv_rows(("mean", naive, "all"), table))
    return text.getvalue()


def headline(run: RunRecord) -> str:
    """One line that names the stream, the model and the rules of the run.

    Example:
        >>> from eac.records.sample import sample_run
        >>> headline(sample_run())
        'made, EAC on STGNN, protocol strict, seed 1'
    """
    last = run.periods[-1]
    parts = [run.stream, f"{model_name(run)} on {last.backbone}" if last.backbone else ""]
    parts += [f"protocol {run.protocol}", "" if run.seed is None else f"seed {run.seed}"]
    if run.null_value is not None:
        parts.append(f"targets of {run.null_value:g} left out")
    return ", ".join(part for part in parts if part)


def _summary_grids(run: RunRecord, metric: str) -> Iterator[MarkedTable]:
    """The periods in one table, the errors by horizon of the latest and of the mean."""
    several = len(run.periods) > 1
    if several:
        yield _period_overview(run, metric, LATEST)
    yield _period_table(run, run.periods[-1], metric)
    if several:
        yield _mean_table(run, metric)
    else:
        yield cost_table(run)


def grids(run: RunRecord, metric: str) -> Iterator[MarkedTable]:
    """All tables of a report: the periods, one for each, the mean over several, and the costs.

    Example:
        >>> from eac.records.sample import sample_run
        >>> [table.title for table in grids(sample_run((8.0,)), "MAE")]
        ['Period 0: 3 nodes (2 kept, 1 new, 1 gone)', 'Parameters and time']
    """
    if len(run.periods) > 1:
        yield _period_overview(run, metric)
    for period in run.periods:
        yield _period_table(run, period, metric)
    if len(run.periods) > 1:
        yield _mean_table(run, metric)
    yield cost_table(run)


def _period_overview(run: RunRecord, metric: str, latest: int | None = None) -> MarkedTable:
    """One row per period: its error beside the best naive forecast, and what it cost."""
    shown = run.periods if latest is None else run.periods[-latest:]
    rows = [_overview_row(period, metric) for period in shown]
    naive = mean_or_none(
        None if (b := best_naive(p, metric)) is None else b[1] for p in run.periods
    )
    error = run.mean().point[metric].get("mean")
    label = f"mean of {periods_counted(run, metric)}"
    seconds = sum(period.fit_seconds for period in run.periods)
    rows.append(
        (
            Entry(label),
            Entry(""),
            Entry(format_error(error)),
            Entry(format_error(naive)),
            Entry(""),
            _skill_entry(mean_skill(run, metric)),
            Entry(f"{seconds / len(run.periods):.1f}"),
        )
    )
    header = ("period", "nodes", "error", "naive", "best naive forecast", "skill", "fit s")
    title = f"{labelled(metric, run)} by period, mean over {run.mean().horizon} steps"
    notes = ["skill: share of the best naive forecast's error that is saved; below 0 it is lost."]
    lost = losing(run, metric)
    if lost:
        notes.append(f"worse than the best naive forecast in: {listed(lost)}")
    if len(shown) < len(run.periods):
        notes.append(f"the latest {len(shown)} of {len(run.periods)} periods")
    return MarkedTable(title, header, tuple(rows), tuple(notes), ("best naive forecast", "fit s"))


def _mean_table(run: RunRecord, metric: str) -> MarkedTable:
    """Errors by horizon, averaged over the periods, of the model and of the naive forecasts."""
    rows = [_error_row(model_name(run), run.mean(), metric)]
    for name, table in run.mean_baselines().items():
        rows.append(_error_row(BASELINES.get(name, name), table, metric))
    header, spare = _error_header(run, metric)
    title = f"Mean over {periods_counted(run, metric)} periods"
    return MarkedTable.of_text(title, header, rows, spare=spare)


def cost_table(run: RunRecord) -> MarkedTable:
    """Parameters and time of each period.

    Example:
        >>> from eac.records.sample import sample_run
        >>> [entry.text for entry in cost_table(sample_run()).rows[0]]
        ['0', '3', '40', '400', '1.5', '3', '1']
    """
    header = ("period", "nodes", "trainable", "of all", "fit seconds", "epochs", "best epoch")
    rows = [
        (
            period.name,
            str(period.num_nodes),
            f"{period.trainable_parameters:,}",
            f"{period.total_parameters:,}",
            f"{period.fit_seconds:.1f}",
            str(period.epochs),
            "-" if period.best_epoch is None else str(period.best_epoch),
        )
        for period in run.periods
    ]
    seconds = sum(period.fit_seconds for period in run.periods)
    epochs = sum(period.epochs for period in run.periods)
    rows.append(("sum", "", "", "", f"{seconds:.1f}", str(epochs), ""))
    spare = ("best epoch", "of all")
    return MarkedTable.of_text("Parameters and time", header, rows, spare=spare)


def conclusions(run: RunRecord) -> list[str]:
    """Plain sentences on how the model does beside each naive forecast.

    Example:
        >>> from eac.records.sample import sample_run
        >>> conclusions(sample_run((8.0, 12.0)))[1]
        'EAC is as good as the same slot a week ago (MAE 10.00).'
    """
    name = model_name(run)
    return [comparison.sentence(name) for comparison in compare(run)]


def _overview_row(period: PeriodRecord, metric: str) -> tuple[Entry, ...]:
    best = best_naive(period, metric)
    return (
        Entry(period.name),
        Entry(f"{period.num_nodes:,}"),
        Entry(format_error(period.errors.point[metric].get("mean"))),
        Entry("-" if best is None else format_error(best[1])),
        Entry("-" if best is None else BASELINES.get(best[0], best[0])),
        _skill_entry(skill(period, metric)),
        Entry(f"{period.fit_seconds:.1f}"),
    )


def _skill_entry(value: float | None) -> Entry:
    return Entry(percent(value), "bad" if value is not None and value < 0 else "")


def _period_table(run: RunRecord, period: PeriodRecord, metric: str) -> MarkedTable:
    header, spare = _error_header(run, metric)
    title = f"Period {period.name}: {_nodes(period)}"
    return MarkedTable.of_text(title, header, _period_rows(period, metric), period.notes, spare)


def _error_header(run: RunRecord, metric: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the columns, and which of them a narrow terminal leaves out first."""
    steps = report_steps(run.mean().horizon)
    cumulative = tuple(f"<={s}" for s in steps)
    header = (labelled(metric, run), *(f"@{s}" for s in steps), "mean", *cumulative, "avg")
    return header, (*cumulative, "avg")


def _error_row(label: str, table: HorizonTable, metric: str) -> tuple[str, ...]:
    steps = report_steps(table.horizon)
    point, cumulative = table.point[metric], table.cumulative[metric]
    values = [point.get(key) for key in (*steps, "mean")]
    values += [cumulative.get(key) for key in (*steps, "avg")]
    return (label, *(format_error(value) for value in values))


def _period_rows(period: PeriodRecord, metric: str) -> Sequence[tuple[str, ...]]:
    rows = [_error_row(period.strategy or "the model", period.errors, metric)]
    for name in GROUPS:
        count = getattr(period.nodes, name)
        if name in period.groups and 0 < count < period.num_nodes:
            rows.append(_error_row(f"  {name} nodes ({count})", period.groups[name], metric))
    for name, table in period.baselines.items():
        rows.append(_error_row(BASELINES.get(name, name), table, metric))
    return rows


def _nodes(period: PeriodRecord) -> str:
    counts = [f"{count} {name}" for name, count in vars(period.nodes).items() if count]
    nodes = "1 node" if period.num_nodes == 1 else f"{period.num_nodes} nodes"
    return f"{nodes} ({', '.join(counts)})" if counts else nodes


def _csv_rows(place: tuple[str, str, str], table: HorizonTable) -> Iterator[tuple[str, ...]]:
    cells = [csv_cell(text) for text in place]
    for kind, errors in (("point", table.point), ("cumulative", table.cumulative)):
        for metric, by_horizon in errors.items():
            for horizon, value in by_horizon.items():
                yield *cells, kind, metric, horizon, "" if value is None else repr(value)
