"""What a report says, before it is laid out: chosen horizons, means and comparisons."""

from dataclasses import dataclass
from typing import Any

from eac.errors import RunError
from eac.records.horizon_table import METRICS, Errors, HorizonTable, mean_or_none
from eac.records.record import PeriodRecord, RunRecord, StrPath, read_run

STEPS = (3, 6, 12)
PERCENT = tuple(name for name, unit in METRICS.items() if unit == "%")
BASELINES = {
    "last": "last value",
    "day": "same slot a day ago",
    "week": "same slot a week ago",
    "year": "same time a year ago",
    "average": "historical average by slot",
    "smoothed": "smoothed residual",
    "lightgbm": "LightGBM",
}


def periods_counted(run: RunRecord, metric: str) -> str:
    """How many periods a mean is over: ``3``, or ``2 of 3`` where one had nothing to measure.

    Example:
        >>> from eac.records.sample import sample_run
        >>> periods_counted(sample_run(), "MAE")
        '2'
    """
    errors = [period.errors.point[metric].get("mean") for period in run.periods]
    counted = sum(error is not None for error in errors)
    return str(counted) if counted == len(errors) else f"{counted} of {len(errors)}"


def read_finished_run(directory: StrPath) -> RunRecord:
    """A run with at least one finished period.

    Raises:
        RunError: If the directory is not a run or no period is finished.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.records.sample import write_sample
        >>> with TemporaryDirectory() as folder:
        ...     print(len(read_finished_run(write_sample(folder)).periods))
        2
    """
    run = read_run(directory)
    if not run.periods:
        raise RunError(
            f"{directory} has no finished period yet. Wait for the first one, or continue the run "
            f"with: eac run --resume {directory}"
        )
    return run


def report_steps(horizon: int) -> tuple[str, ...]:
    """Steps that reports show: 3, 6 and 12 as far as they were forecast, and the last.

    Example:
        >>> report_steps(12), report_steps(24), report_steps(4)
        (('3', '6', '12'), ('3', '6', '12', '24'), ('3', '4'))
    """
    return tuple(str(step) for step in sorted({s for s in STEPS if s <= horizon} | {horizon}))


def shown(table: HorizonTable, horizon: int) -> HorizonTable:
    """The table at the steps that reports show, and its "mean" and "avg".

    Example:
        >>> from eac.records.sample import sample_table
        >>> list(shown(sample_table(8.0), horizon=4).point["MAE"])
        ['3', '4', 'mean']
    """
    steps = report_steps(horizon)
    return HorizonTable(_at(table.point, (*steps, "mean")), _at(table.cumulative, (*steps, "avg")))


def report_json(run: RunRecord) -> dict[str, Any]:
    """The report as plain dictionaries: mean over periods, periods, and naive baselines.

    Example:
        >>> from eac.records.sample import sample_run
        >>> report_json(sample_run())["mean"]["point"]["MAE"]["mean"]
        10.0
    """
    horizon = run.mean().horizon
    return {
        "mean": shown(run.mean(), horizon).to_json() | run.mean_intervals(),
        "periods": [_period_json(period, horizon) for period in run.periods],
        "baselines": {
            name: shown(table, horizon).to_json() for name, table in run.mean_baselines().items()
        },
    }


@dataclass(frozen=True)
class Comparison:
    """A model beside one naive forecast, by the mean MAE over periods and steps.

    Attributes:
        baseline: "last", "day", "week" or "average".
        model: Error of the model.
        naive: Error of the naive forecast, over the same periods.
        wins: Periods in which the model's error is the lower one.
        num_periods: Periods compared.

    Example:
        >>> found = Comparison("week", model=8.0, naive=10.0, wins=2, num_periods=3)
        >>> found.sentence("EAC").partition(":")[0]
        'EAC is better than the same slot a week ago'
    """

    baseline: str
    model: float
    naive: float
    wins: int
    num_periods: int

    def sentence(self, model_name: str) -> str:
        """Says plainly which of the two is better, and by how much."""
        name = f"the {BASELINES.get(self.baseline, self.baseline)}"
        if self.model == self.naive:
            return f"{model_name} is as good as {name} (MAE {format_error(self.model)})."
        verdict = "better" if self.model < self.naive else "WORSE"
        change = ""
        if self.naive > 0:
            share = 100 * abs(self.model / self.naive - 1)
            change = f" ({share:.1f} % {'lower' if self.model < self.naive else 'higher'})"
        return (
            f"{model_name} is {verdict} than {name}: MAE {format_error(self.model)} against "
            f"{format_error(self.naive)}{change}, better in {self.wins} of {self.num_periods} "
            f"{'period' if self.num_periods == 1 else 'periods'}."
        )


def compare(run: RunRecord) -> list[Comparison]:
    """The model beside each naive forecast, over the periods in which both were measured.

    Example:
        >>> from eac.records.sample import sample_run
        >>> [(one.baseline, one.model, one.naive) for one in compare(sample_run((8.0, 12.0)))]
        [('last', 10.0, 20.0), ('week', 10.0, 10.0)]
    """
    comparisons = []
    for name in run.mean_baselines():
        pairs = [
            (ours, theirs)
            for period in run.periods
            if (ours := period.errors.point["MAE"]["mean"]) is not None
            and (theirs := period.baselines[name].point["MAE"]["mean"]) is not None
        ]
        if pairs:
            model = mean_or_none(ours for ours, _ in pairs) or 0.0
            naive = mean_or_none(theirs for _, theirs in pairs) or 0.0
            wins = sum(ours < theirs for ours, theirs in pairs)
            comparisons.append(Comparison(name, model, naive, wins, len(pairs)))
    return comparisons


def model_name(run: RunRecord) -> str:
    """Class name of the strategy that was run.

    Example:
        >>> from eac.records.sample import sample_run
        >>> model_name(sample_run())
        'EAC'
    """
    return run.periods[-1].strategy or "the model"


def labelled(metric: str, run: RunRecord) -> str:
    """A metric with its unit.

    Example:
        >>> from eac.records.sample import sample_run
        >>> labelled("MAE", sample_run()), labelled("MAPE", sample_run())
        ('MAE [veh/h]', 'MAPE [%]')
    """
    unit = "%" if metric in PERCENT else run.unit
    return f"{metric} [{unit}]" if unit else metric


def format_error(value: float | None) -> str:
    """An error for people to read; "-" where there is none.

    Example:
        >>> [format_error(value) for value in (1234.567, 0.01234, 0.0, None)]
        ['1234.57', '0.0123', '0.00', '-']
    """
    if value is None:
        return "-"
    return f"{value:.4f}" if 0 < abs(value) < 1 else f"{value:.2f}"


def _at(errors: Errors, keys: tuple[str, ...]) -> Errors:
    return {metric: {key: errors.get(metric, {}).get(key) for key in keys} for metric in METRICS}


def _period_json(period: PeriodRecord, horizon: int) -> dict[str, Any]:
    groups = {name: shown(table, horizon).to_json() for name, table in period.groups.items()}
    return {
        "name": period.name,
        "num_nodes": period.num_nodes,
        "trainable_parameters": period.trainable_parameters,
        "fit_seconds": period.fit_seconds,
        "epochs": period.epochs,
        **groups["all"],
        "groups": groups,
        **_parts_json(period),
    }


def _parts_json(period: PeriodRecord) -> dict[str, Any]:
    """What some periods have and others lack."""
    parts = {"intervals": period.intervals, "newcomers": period.newcomers}
    return {name: part.to_json() for name, part in parts.items() if part is not None}
