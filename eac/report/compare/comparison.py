"""Several runs side by side, and whether their differences are more than chance."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eac.errors import RunError
from eac.records.horizon_table import mean_or_none
from eac.records.naive import best_naive
from eac.records.record import PeriodRecord, RunRecord
from eac.report.common.markup import Entry, MarkedTable, marks
from eac.report.common.significance import HAS_SCIPY, wilcoxon_p
from eac.report.common.summary import (
    format_error,
    labelled,
    model_name,
    read_finished_run,
    report_steps,
)
from eac.report.compare.remarks import remarks
from eac.report.compare.shared_part import shared_part


@dataclass(frozen=True)
class Compared:
    """Runs over the same periods; the first is what the others are compared with.

    Attributes:
        names: One short name per run.
        runs: Their records, restricted to the periods and steps that all of them have; without
            errors of sensors, which are over all steps, where a run forecasts more.
        remarks: What a reader must know before trusting the comparison.

    Example:
        >>> from eac.records.sample import sample_run
        >>> compared = Compared(("a", "b"), (sample_run((8.0, 12.0)), sample_run((7.0, 11.0))), ())
        >>> compared.periods, compared.horizon
        (('0', '1'), 4)
    """

    names: tuple[str, ...]
    runs: tuple[RunRecord, ...]
    remarks: tuple[str, ...]

    @property
    def periods(self) -> tuple[str, ...]:
        """Names of the periods compared."""
        return tuple(period.name for period in self.runs[0].periods)

    @property
    def horizon(self) -> int:
        """Steps that all runs forecast."""
        return min(run.mean().horizon for run in self.runs)


def read_runs(directories: Sequence[str], reference: str = "") -> Compared:
    """Reads runs and keeps the periods and the steps they share.

    Args:
        directories: The runs.
        reference: The run that the others are tested against: one of ``directories``, the name of
            its last folder, or the strategy of one run alone; the first one by default.

    Raises:
        RunError: If there are fewer than two, one is not a run, or no period is shared.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.records.sample import write_sample
        >>> with TemporaryDirectory() as folder:
        ...     runs = [str(write_sample(f"{folder}/{name}")) for name in ("a", "b")]
        ...     print(read_runs(runs).names)
        ('a (EAC)', 'b (EAC)')
    """
    if len(directories) < 2:
        raise RunError("a comparison needs at least two runs: eac compare runs/a runs/b")
    runs = [read_finished_run(directory) for directory in directories]
    if reference:
        first = _position(reference, directories, runs)
        directories = [directories[first], *directories[:first], *directories[first + 1 :]]
        runs = [runs[first], *runs[:first], *runs[first + 1 :]]
    shared = [
        period.name
        for period in runs[0].periods
        if all(any(p.name == period.name for p in run.periods) for run in runs)
    ]
    if not shared:
        raise RunError(
            f"{directories[0]} and the others share no period. Compare runs on the same stream."
        )
    horizon = min(run.mean().horizon for run in runs)
    kept = tuple(shared_part(run, shared, horizon) for run in runs)
    return Compared(_names(directories, runs), kept, tuple(remarks(directories, runs, shared)))


def tables(compared: Compared, metric: str) -> Iterator[MarkedTable]:
    """Errors by period and by horizon, significance, and cost.

    Example:
        >>> from eac.records.sample import sample_run
        >>> compared = Compared(("a", "b"), (sample_run((8.0,)), sample_run((7.0,))), remarks=())
        >>> next(tables(compared, "MAE")).rows[0][1].text
        '8.00'
    """
    yield _by_period(compared, metric)
    yield _by_horizon(compared, metric)
    yield _significance(compared, metric)
    yield _cost(compared)


def _by_period(compared: Compared, metric: str) -> MarkedTable:
    columns = [period_means(run, metric) for run in compared.runs]
    same = same_naive(compared, metric)
    naive = [naive_means(run, metric) for run in (compared.runs[:1] if same else compared.runs)]
    rows = []
    for position, name in enumerate((*compared.periods, "all periods")):
        errors, best = (
            [[*column, mean_or_none(column)][position] for column in part]
            for part in (columns, naive)
        )
        told = (Entry(format_error(value)) for value in best)
        rows.append((Entry(name), *_marked(errors), *told))
    of_naive = ["best naive"] if same else [f"best naive of {name}" for name in compared.names]
    title = f"{labelled(metric, compared.runs[0])} by period, mean over steps"
    return MarkedTable(title, ("period", *compared.names, *of_naive), tuple(rows))


def _by_horizon(compared: Compared, metric: str) -> MarkedTable:
    steps = report_steps(compared.horizon)
    tables = [run.mean() for run in compared.runs]
    labels = (*(f"@{step}" for step in steps), "mean", "avg")
    values = [[t.point[metric].get(key) for t in tables] for key in (*steps, "mean")]
    values.append([t.cumulative[metric].get("avg") for t in tables])
    rows = tuple((Entry(label), *_marked(row)) for label, row in zip(labels, values, strict=True))
    title = f"{labelled(metric, compared.runs[0])} by horizon, mean over periods"
    return MarkedTable(title, ("horizon", *compared.names), rows)


def _significance(compared: Compared, metric: str) -> MarkedTable:
    reference, steps = compared.runs[0], compared.horizon
    rows = []
    for name, run in zip(compared.names[1:], compared.runs[1:], strict=True):
        for what, theirs, ours in (
            ("periods x steps", _points(reference, metric, steps), _points(run, metric, steps)),
            ("sensors x periods (MAE)", *_sensors(reference, run)),
        ):
            if ours:
                rows.append((Entry(name), Entry(what), *_test(theirs, ours)))
    notes = (
        f"Each pair is the same period and step, or the same sensor in the same period, of "
        f"{compared.names[0]} and of the other run. Two-sided Wilcoxon signed-rank test. Pairs of "
        "one run are not independent of each other (neighbouring steps and sensors err alike): "
        "p is too small, and a small p does not mean that another seed gives the same order.",
        *(() if HAS_SCIPY else ("p needs scipy: pip install 'eac[benchmark]'",)),
    )
    header = (
        f"against {compared.names[0]}",
        "paired over",
        "pairs",
        "lower in",
        "mean change",
        "p",
    )
    return MarkedTable("Paired tests", header, tuple(rows), notes)


def _test(theirs: Sequence[float], ours: Sequence[float]) -> tuple[Entry, ...]:
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if not math.isnan(a + b)]
    if not pairs:
        return (Entry("0"), Entry("-"), Entry("-"), Entry("-"))
    lower, count = sum(a < b for a, b in pairs), len(pairs)
    moved = math.fsum(a - b for a, b in pairs) / count
    p = wilcoxon_p(ours, theirs) if HAS_SCIPY else None
    shown = "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
    return (Entry(str(count)), Entry(str(lower)), Entry(f"{moved:+.4g}"), Entry(shown))


def _cost(compared: Compared) -> MarkedTable:
    rows = []
    for name, run in zip(compared.names, compared.runs, strict=True):
        last, periods = run.periods[-1], run.periods
        rows.append(
            (
                Entry(name),
                Entry(f"{last.trainable_parameters:,}"),
                Entry(f"{last.total_parameters:,}"),
                Entry(f"{math.fsum(p.fit_seconds for p in periods):.1f}"),
                Entry(str(sum(p.epochs for p in periods))),
            )
        )
    header = ("run", "trained in the last period", "parameters", "fit seconds", "epochs")
    return MarkedTable("Cost", header, tuple(rows))


def _points(run: RunRecord, metric: str, horizon: int) -> list[float]:
    """Errors by period and step; a missing one is not a number and drops its pair."""
    return [
        math.nan if value is None else value
        for period in run.periods
        for key, value in period.errors.point[metric].items()
        if key.isdigit() and int(key) <= horizon
    ]


def _sensors(reference: RunRecord, run: RunRecord) -> tuple[list[float], list[float]]:
    theirs, ours = [], []
    for before, period in zip(reference.periods, run.periods, strict=True):
        known, errors = _sensor_errors(before), _sensor_errors(period)
        for node in known.keys() & errors.keys():
            theirs.append(known[node])
            ours.append(errors[node])
    return theirs, ours


def _sensor_errors(period: PeriodRecord) -> dict[str, float]:
    if period.sensors is None:
        return {}
    pairs = zip(period.sensors.node_ids, period.sensors.mae, strict=True)
    return {node: error for node, error in pairs if error is not None}


def _position(reference: str, directories: Sequence[str], runs: Sequence[RunRecord]) -> int:
    named = [
        i
        for i, (directory, run) in enumerate(zip(directories, runs, strict=True))
        if reference in (directory, Path(directory).resolve().name, model_name(run))
    ]
    exact = [i for i, directory in enumerate(directories) if directory == reference]
    if len(exact or named) != 1:
        which = "no run" if not named else f"{len(named)} runs"
        known = ", ".join(directories)
        raise RunError(f"--reference {reference}: {which} of that name. Give one of: {known}.")
    return (exact or named)[0]


def _names(directories: Sequence[str], runs: Sequence[RunRecord]) -> tuple[str, ...]:
    """Names of the directories, or as much of their paths as tells them apart."""
    paths = [Path(directory).resolve().parts for directory in directories]
    names = ["/".join(path[-1:]) for path in paths]
    if len(set(names)) < len(names) == len(set(paths)):
        count = next(n for n in range(2, 999) if len({path[-n:] for path in paths}) == len(paths))
        ends = [path[-count:] for path in paths]
        while len({end[-1] for end in ends}) == 1:  # what all end in
            ends = [end[:-1] for end in ends]
        names = ["/".join(end) for end in ends]
    return tuple(f"{name} ({model_name(run)})" for name, run in zip(names, runs, strict=True))


def period_means(run: RunRecord, metric: str) -> list[float | None]:
    """Mean error of each period.

    Example:
        >>> from eac.records.sample import sample_run
        >>> period_means(sample_run((8.0, 12.0)), "MAE")
        [8.0, 12.0]
    """
    return [period.errors.point[metric]["mean"] for period in run.periods]


def naive_means(run: RunRecord, metric: str) -> list[float | None]:
    """Mean error of the best naive forecast of each period, on the targets of this run.

    Example:
        >>> from eac.records.sample import sample_run
        >>> naive_means(sample_run((8.0, 12.0)), "MAE")
        [10.0, 10.0]
    """
    best = [best_naive(period, metric) for period in run.periods]
    return [None if found is None else found[1] for found in best]


def same_naive(compared: Compared, metric: str) -> bool:
    """Whether the best naive forecasts of all runs have the same errors, as tables show them.

    Example:
        >>> from eac.records.sample import sample_run
        >>> compared = Compared(("a", "b"), (sample_run((8.0,)), sample_run((7.0,))), remarks=())
        >>> same_naive(compared, "MAE")
        True
    """
    told = {tuple(map(format_error, naive_means(run, metric))) for run in compared.runs}
    return len(told) == 1


def _marked(values: Sequence[float | None]) -> tuple[Entry, ...]:
    pairs = zip(values, marks(values), strict=True)
    return tuple(Entry(format_error(value), mark) for value, mark in pairs)
