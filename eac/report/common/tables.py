"""A run as text, Markdown, LaTeX or CSV."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eac.records.horizon_table import HorizonTable
from eac.records.record import PeriodRecord, RunRecord
from eac.report.common import markup
from eac.report.common.markup import Entry, MarkedTable
from eac.report.common.summary import (
    BASELINES,
    compare,
    format_error,
    model_name,
    report_steps,
)

PERCENT = ("MAPE", "WAPE")
GROUPS = ("kept", "new", "returned")


@dataclass(frozen=True)
class Grid:
    """A titled table of text, the first column being labels.

    Attributes:
        title: One line above the table.
        header: Names of the columns.
        rows: One text per column.
        notes: Lines below the table.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def print_run(run: RunRecord, metric: str, console: Console) -> None:
    """Prints one table per period, the mean over periods, costs, and plain comparisons."""
    console.print(f"[bold]{escape(headline(run))}[/]", highlight=False)
    if run.source:
        console.print(escape(f"Data: {run.source}"), highlight=False)
    for grid in grids(run, metric):
        console.print()
        console.print(_rich_table(grid))
        for note in grid.notes:
            console.print(f"  note: {escape(note)}", highlight=False)
    console.print()
    for sentence in conclusions(run):
        console.print(escape(sentence), highlight=False)


def to_markdown(run: RunRecord, metric: str) -> str:
    """The same report as Markdown."""
    parts = [f"# {_cell(headline(run))}", f"Data: {_cell(run.source)}" if run.source else ""]
    for grid in grids(run, metric):
        lines = [grid.header, ("---", *("---:" for _ in grid.header[1:])), *grid.rows]
        table = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
        parts += [f"## {_cell(grid.title)}", table, *(f"*{_cell(note)}*" for note in grid.notes)]
    parts.append("\n".join(f"- {_cell(sentence)}" for sentence in conclusions(run)))
    return "\n\n".join(part for part in parts if part) + "\n"


def to_latex(run: RunRecord, metric: str) -> str:
    """The tables of the report as LaTeX environments, for the package booktabs."""
    tables = (
        MarkedTable(
            title=grid.title,
            header=tuple(name.replace("<=", "≤ ") for name in grid.header),
            rows=tuple(tuple(Entry(cell.strip()) for cell in row) for row in grid.rows),
            notes=grid.notes,
        )
        for grid in grids(run, metric)
    )
    return "\n".join(markup.to_latex(table) for table in tables)


def to_csv(run: RunRecord) -> str:
    """Every error of the run, one per line; the period "mean" is the mean over periods."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("period", "forecast", "nodes", "kind", "metric", "horizon", "value"))
    for period in run.periods:
        for name, table in period.groups.items():
            writer.writerows(_csv_rows((period.name, model_name(run), name), table))
        for name, table in period.baselines.items():
            writer.writerows(_csv_rows((period.name, name, "all"), table))
    writer.writerows(_csv_rows(("mean", model_name(run), "all"), run.mean()))
    for name, table in run.mean_baselines().items():
        writer.writerows(_csv_rows(("mean", name, "all"), table))
    return text.getvalue()


def headline(run: RunRecord) -> str:
    """One line that names the stream, the model and the rules of the run."""
    last = run.periods[-1]
    parts = [run.stream, f"{model_name(run)} on {last.backbone}" if last.backbone else ""]
    parts += [f"protocol {run.protocol}", "" if run.seed is None else f"seed {run.seed}"]
    if run.null_value is not None:
        parts.append(f"targets of {run.null_value:g} left out")
    return ", ".join(part for part in parts if part)


def grids(run: RunRecord, metric: str) -> Iterator[Grid]:
    """The tables of a report: one per period, the mean over several, and the costs."""
    horizon = run.mean().horizon
    header = _error_header(run, metric, horizon)
    for period in run.periods:
        rows = _period_rows(period, metric, horizon)
        yield Grid(f"Period {period.name}: {_nodes(period)}", header, rows, period.notes)
    if len(run.periods) > 1:
        mean = [_error_row(model_name(run), run.mean(), metric, horizon)]
        for name, table in run.mean_baselines().items():
            mean.append(_error_row(BASELINES.get(name, name), table, metric, horizon))
        yield Grid(f"Mean over {len(run.periods)} periods", header, tuple(mean))
    yield _cost_grid(run)


def conclusions(run: RunRecord) -> list[str]:
    """Plain sentences on how the model does beside each naive forecast."""
    name = model_name(run)
    return [comparison.sentence(name) for comparison in compare(run)]


def _error_header(run: RunRecord, metric: str, horizon: int) -> tuple[str, ...]:
    unit = "%" if metric in PERCENT else run.unit
    steps = report_steps(horizon)
    label = f"{metric} [{unit}]" if unit else metric
    return (label, *(f"@{s}" for s in steps), "mean", *(f"<={s}" for s in steps), "avg")


def _error_row(label: str, table: HorizonTable, metric: str, horizon: int) -> tuple[str, ...]:
    steps = report_steps(horizon)
    point, cumulative = table.point[metric], table.cumulative[metric]
    values = [point.get(key) for key in (*steps, "mean")]
    values += [cumulative.get(key) for key in (*steps, "avg")]
    return (label, *(format_error(value) for value in values))


def _period_rows(period: PeriodRecord, metric: str, horizon: int) -> tuple[tuple[str, ...], ...]:
    rows = [_error_row(period.strategy or "the model", period.errors, metric, horizon)]
    for name in GROUPS:
        count = getattr(period.nodes, name)
        if name in period.groups and 0 < count < period.num_nodes:
            rows.append(
                _error_row(f"  {name} nodes ({count})", period.groups[name], metric, horizon)
            )
    for name, table in period.baselines.items():
        rows.append(_error_row(BASELINES.get(name, name), table, metric, horizon))
    return tuple(rows)


def _nodes(period: PeriodRecord) -> str:
    counts = [f"{count} {name}" for name, count in vars(period.nodes).items() if count]
    nodes = "1 node" if period.num_nodes == 1 else f"{period.num_nodes} nodes"
    return f"{nodes} ({', '.join(counts)})" if counts else nodes


def _cost_grid(run: RunRecord) -> Grid:
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
    return Grid("Parameters and time", header, tuple(rows))


def _rich_table(grid: Grid) -> Table:
    table = Table(title=escape(grid.title), title_justify="left", box=box.SIMPLE_HEAD)
    for position, name in enumerate(grid.header):
        table.add_column(escape(name), justify="right" if position else "left", no_wrap=True)
    for row in grid.rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def _cell(text: str) -> str:
    return text.strip().replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _csv_rows(place: tuple[str, str, str], table: HorizonTable) -> Iterator[tuple[str, ...]]:
    for kind, errors in (("point", table.point), ("cumulative", table.cumulative)):
        for metric, by_horizon in errors.items():
            for horizon, value in by_horizon.items():
                yield *place, kind, metric, horizon, "" if value is None else repr(value)
