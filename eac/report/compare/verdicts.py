"""What a comparison shows at a glance: its figures, and one plain sentence for each run."""

import math
from collections.abc import Sequence

from eac.records.naive import PEERS
from eac.report.common.charts import Line, Role, SeriesChart
from eac.report.common.skill import alike, change
from eac.report.common.summary import format_error, labelled
from eac.report.compare.comparison import Compared, naive_means, period_means, same_naive

NAIVE = "best naive forecast"
ONE_SEED = (
    "This is one run of each. Another seed gives other numbers: differences of a few per cent need "
    "several seeds (eac benchmark)."
)
ROLES: tuple[Role, ...] = ("model", "a", "b", "c", "d", "e")


def charts(compared: Compared, metric: str) -> tuple[SeriesChart, SeriesChart]:
    """Errors by period and by horizon, one line per run.

    And one of the best naive forecast, where it is the same for all runs.

    Example:
        >>> from eac.records.sample import sample_run
        >>> compared = Compared(("a", "b"), (sample_run((8.0,)), sample_run((7.0,))), remarks=())
        >>> [mark.name for mark in charts(compared, "MAE")[0].marks]
        ['best naive forecast', 'a', 'b']
    """
    unit = labelled(metric, compared.runs[0])
    steps = [str(step) for step in range(1, compared.horizon + 1)]
    pairs = list(zip(compared.names, compared.runs, strict=True))
    by_period = _lines(compared, compared.periods, [period_means(run, metric) for _, run in pairs])
    numbers = tuple(float(step) for step in steps)
    at_steps = [[run.mean().point[metric].get(step) for step in steps] for _, run in pairs]
    told = ", ".join(f"{n}: {format_error(run.mean().point[metric]['mean'])}" for n, run in pairs)
    alt = f"Mean {metric} over periods and steps: {told}."
    naive, ahead = _naive_lines(compared, metric, steps)
    return (
        SeriesChart(
            "by-period",
            "Error by period",
            alt,
            "period",
            unit,
            (*naive, *by_period),
        ),
        SeriesChart(
            "by-horizon",
            "Error by horizon, mean over periods",
            alt,
            "steps ahead",
            unit,
            (*ahead, *_lines(compared, numbers, at_steps)),
        ),
    )


def verdicts(compared: Compared, metric: str) -> list[str]:
    """One plain sentence for each run but the first.

    Example:
        >>> from eac.records.sample import sample_run
        >>> compared = Compared(("a", "b"), (sample_run((8.0,)), sample_run((7.0,))), remarks=())
        >>> verdicts(compared, "MAE")[0].partition(":")[0]
        'b is better than a'
    """
    means = [period_means(run, metric) for run in compared.runs]
    first, *others = (run.mean().point[metric]["mean"] for run in compared.runs)
    sentences = []
    for name, error, own in zip(compared.names[1:], others, means[1:], strict=True):
        if first is None or error is None:
            sentences.append(f"{name} cannot be compared with {compared.names[0]}.")
            continue
        other = "better than" if error < first else "worse than"
        how = "as good as" if alike(error, first) else other
        pairs = [
            (a, b) for a, b in zip(own, means[0], strict=True) if a is not None and b is not None
        ]
        lower = _lower(pairs)
        sentences.append(
            f"{name} is {how} {compared.names[0]}: mean {metric} {format_error(error)} against "
            f"{format_error(first)} ({change(error, first)}), lower in {lower} of {len(pairs)} "
            f"{'period' if len(pairs) == 1 else 'periods'}."
        )
    return [*sentences, *_naive_verdicts(compared, metric)]


def _naive_verdicts(compared: Compared, metric: str) -> list[str]:
    """One plain sentence for each run compared with its own best naive forecast of each period."""
    sentences = []
    for name, run in zip(compared.names, compared.runs, strict=True):
        own, best = period_means(run, metric), naive_means(run, metric)
        pairs = [(a, b) for a, b in zip(own, best, strict=True) if a is not None and b is not None]
        if not pairs:
            continue
        lower, error = _lower(pairs), math.fsum(a for a, _ in pairs) / len(pairs)
        naive = math.fsum(b for _, b in pairs) / len(pairs)
        sentences.append(
            f"{name} compared with the best naive forecast: mean {metric} {format_error(error)} "
            f"against {format_error(naive)} ({change(error, naive)}), lower in {lower} of "
            f"{len(pairs)} {'period' if len(pairs) == 1 else 'periods'}."
        )
    return sentences


def _lower(pairs: Sequence[tuple[float, float]]) -> int:
    """In how many pairs the first error is lower by more than rounding."""
    return sum(a < b and not alike(a, b) for a, b in pairs)


def _naive_lines(
    compared: Compared, metric: str, steps: Sequence[str]
) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """The best naive forecast by period and by horizon; none where it is not the same for all."""
    if not same_naive(compared, metric):
        return (), ()
    first = compared.runs[0]
    naive = {k: table for k, table in first.mean_baselines().items() if k not in PEERS}
    over = [table.point[metric] for table in naive.values()]
    lowest = [[v for errors in over if (v := errors.get(step)) is not None] for step in steps]
    numbers = tuple(float(step) for step in steps)
    ahead = tuple(min(values) if values else None for values in lowest)
    by_period = tuple(naive_means(first, metric))
    return (
        (Line(NAIVE, compared.periods, by_period, "muted", dash=True),),
        (Line(NAIVE, numbers, ahead, "muted", dash=True),),
    )


def _lines(
    compared: Compared, x: Sequence[str | float], values: Sequence[Sequence[float | None]]
) -> tuple[Line, ...]:
    return tuple(
        Line(name, tuple(x), tuple(row), ROLES[i % len(ROLES)], dash=i >= len(ROLES))
        for i, (name, row) in enumerate(zip(compared.names, values, strict=True))
    )
