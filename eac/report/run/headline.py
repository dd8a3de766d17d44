"""What a reader of a run should know first: the error now, and against what."""

from dataclasses import dataclass

from eac.records.record import PeriodRecord, RunRecord
from eac.report.common.skill import best_naive, change
from eac.report.common.summary import BASELINES, format_error, model_name

SUMMARY = "mean"


@dataclass(frozen=True)
class Card:
    """One figure with its meaning.

    Attributes:
        label: What it is.
        value: The figure.
        remark: A short sentence.
        mood: "good", "bad" or "" where it is neither.
    """

    label: str
    value: str
    remark: str
    mood: str = ""


def cards(run: RunRecord, metric: str) -> list[Card]:
    """The error now, against the period before, against the best naive forecast, and the cost."""
    last = run.periods[-1]
    unit = "%" if metric in ("MAPE", "WAPE") else run.unit
    error = last.errors.point[metric][SUMMARY]
    now = Card(
        f"{metric} now",
        f"{format_error(error)} {unit}".strip(),
        f"mean of {run.mean().horizon} steps ahead, period {last.name}, {last.num_nodes} sensors",
    )
    found = [now, _against_previous(run, metric), _against_naive(last, metric), _cost(last)]
    return [card for card in found if card is not None]


def verdict(run: RunRecord, metric: str) -> str:
    """One sentence that says plainly whether the model is worth having."""
    best = best_naive(run.periods[-1], metric)
    name, period = model_name(run), run.periods[-1]
    error = period.errors.point[metric][SUMMARY]
    if best is None or error is None:
        return f"{name} has nothing to be compared with in period {period.name}."
    naive, value = best
    told = BASELINES.get(naive, naive)
    if error < value:
        return f"In period {period.name} {name} forecasts better than every naive forecast."
    return (
        f"In period {period.name} {name} does not beat the best naive forecast, the {told}: "
        f"{metric} {format_error(error)} against {format_error(value)}."
    )


def _against_previous(run: RunRecord, metric: str) -> Card | None:
    if len(run.periods) < 2:
        return None
    before, last = run.periods[-2:]
    then, now = before.errors.point[metric][SUMMARY], last.errors.point[metric][SUMMARY]
    if then is None or now is None:
        return None
    remark = f"{format_error(then)} in period {before.name}; other days, and partly other sensors"
    return Card("Against the previous period", change(now, then), remark, _mood(now, then))


def _against_naive(period: PeriodRecord, metric: str) -> Card | None:
    best, now = best_naive(period, metric), period.errors.point[metric][SUMMARY]
    if best is None or now is None:
        return None
    name, value = best
    remark = f"{BASELINES.get(name, name)}: {format_error(value)}"
    return Card("Against the best naive forecast", change(now, value), remark, _mood(now, value))


def _cost(period: PeriodRecord) -> Card:
    share = 100 * period.trainable_parameters / max(period.total_parameters, 1)
    remark = (
        f"of {period.total_parameters:,} parameters ({share:.1f}\u00a0%), "
        f"{period.fit_seconds:.1f}\u00a0s, {period.epochs}\u00a0epochs"
    )
    return Card("Trained in this period", f"{period.trainable_parameters:,}", remark)


def _mood(now: float, then: float) -> str:
    return "" if now == then else "good" if now < then else "bad"
