"""What a reader of a run should know first: what is forecast, how well, and where it fails."""

from dataclasses import dataclass

from eac.records.naive import best_naive
from eac.records.record import PeriodRecord, RunRecord
from eac.report.common.skill import change, listed, losing, mean_skill, percent, skill
from eac.report.common.summary import BASELINES, PERCENT, format_error, model_name
from eac.report.sections.view import RunView, duration

POINTS = 0.01
"""Changes of skill below one point are neither good nor bad."""
MUCH_MISSING = 0.2
UNIT = 8
"""Longer units stand below the figure."""


@dataclass(frozen=True)
class Card:
    """One figure with its meaning.

    Attributes:
        label: What it is.
        value: The figure.
        remark: A short sentence.
        mood: "good", "bad" or "" where it is neither.

    Example:
        >>> Card("Skill now", "20.0 %", "better than every naive forecast", mood="good").value
        '20.0 %'
    """

    label: str
    value: str
    remark: str
    mood: str = ""


def what(view: RunView) -> str:
    """What is forecast, in words: what is measured, by how many sensors, and how far ahead.

    Where nobody said what is measured, the name of the stream stands in its place.

    Example:
        >>> from eac.records.sample import sample_details, sample_run
        >>> what(RunView(sample_run((8.0,)), (sample_details("0"),), "MAE"))
        'made, 3 sensors, 4 hours ahead'
    """
    ahead = duration(view.latest, view.run.mean().horizon)
    count = view.last.num_nodes
    sensors = "1 sensor" if count == 1 else f"{count:,} sensors"
    return f"{view.run.target or view.run.stream}, {sensors}, {ahead} ahead"


def about(run: RunRecord) -> str:
    """Which model was run over which periods of whose data.

    Example:
        >>> from eac.records.sample import sample_run
        >>> about(sample_run())
        'EAC on STGNN, 2 periods (0 to 1), in veh/h. Data: made by hand'
    """
    last, count = run.periods[-1], len(run.periods)
    model = f"{model_name(run)} on {last.backbone}" if last.backbone else model_name(run)
    which = f"{run.periods[0].name} to {last.name}" if count > 1 else last.name
    model = f"{run.stream}: {model}" if run.target else model
    told = f"{model}, {count} period{'' if count == 1 else 's'} ({which})"
    told += f", in {run.unit}." if run.unit else "."
    return f"{told} Data: {run.source}" if run.source else told


def cards(view: RunView) -> list[Card]:
    """The error and skill now, over time and since the period before, and what is missing.

    Example:
        >>> from eac.records.sample import sample_run
        >>> [card.label for card in cards(RunView(sample_run(), (), "MAE"))]
        ['MAE now', 'Skill now', 'Skill, mean of periods', 'Skill since period 0']
    """
    found = [
        _now(view),
        _skill_now(view.last, view.metric),
        _over_time(view.run, view.metric),
        _since(view.run, view.metric),
        _missing(view),
    ]
    return [card for card in found if card is not None]


def verdict(run: RunRecord, metric: str) -> str:
    """One sentence that says plainly whether the model is worth having.

    Example:
        >>> from eac.records.sample import sample_run
        >>> verdict(sample_run((8.0,)), "MAE").partition(":")[0]
        'In period 0 EAC is better than every naive forecast'
    """
    best = best_naive(run.periods[-1], metric)
    name, period = model_name(run), run.periods[-1]
    error = period.errors.point[metric]["mean"]
    if best is None or error is None:
        return f"{name} has nothing to be compared with in period {period.name}."
    naive, value = best
    told = BASELINES.get(naive, naive)
    if error < value:
        return (
            f"In period {period.name} {name} is better than every naive forecast: {metric} "
            f"{format_error(error)}, the best of them {format_error(value)} (the {told})."
        )
    return (
        f"In period {period.name} {name} does not beat the best naive forecast, the {told}: "
        f"{metric} {format_error(error)} against {format_error(value)}."
    )


def banners(run: RunRecord, metric: str) -> list[str]:
    """What must not be overlooked, one sentence each.

    Example:
        >>> from eac.records.sample import sample_run
        >>> banners(sample_run((8.0, 12.0)), "MAE")
        ['Worse than the best naive forecast in 1 of 2 periods: 1.']
    """
    lost = losing(run, metric)
    if not lost:
        return []
    count = len(run.periods)
    return [
        f"Worse than the best naive forecast in {len(lost)} of {count} "
        f"{'period' if count == 1 else 'periods'}: {listed(lost)}."
    ]


def _now(view: RunView) -> Card:
    period, metric = view.last, view.metric
    unit = "%" if metric in PERCENT else view.run.unit
    error = format_error(period.errors.point[metric]["mean"])
    told = f"period {period.name}, mean of {view.run.mean().horizon} steps ahead"
    if len(unit) > UNIT:
        return Card(f"{metric} now", error, f"{unit}, {told}")
    return Card(f"{metric} now", f"{error} {unit}".strip(), told)


def _skill_now(period: PeriodRecord, metric: str) -> Card | None:
    best, saved = best_naive(period, metric), skill(period, metric)
    if best is None or saved is None:
        return None
    name = BASELINES.get(best[0], best[0])
    error = format_error(best[1])
    if saved < 0:
        told = f"worse than the best naive forecast, {name}: {error}"
    else:
        told = f"of the error of the best naive forecast is saved, {name}: {error}"
    return Card("Skill now", percent(saved), told, "good" if saved > 0 else "bad" if saved else "")


def _over_time(run: RunRecord, metric: str) -> Card | None:
    shares = [s for period in run.periods if (s := skill(period, metric)) is not None]
    if len(run.periods) < 2 or not shares:
        return None
    lost = losing(run, metric)
    won = f"better than the best naive forecast in {len(shares) - len(lost)} of {len(shares)}"
    told = f"{won} periods" + (f"; worse in {listed(lost[-3:])}" if lost else "")
    mean = percent(mean_skill(run, metric))
    return Card("Skill, mean of periods", mean, told, "bad" if lost else "good")


def _since(run: RunRecord, metric: str) -> Card | None:
    if len(run.periods) < 2:
        return None
    before, last = run.periods[-2:]
    then, now = skill(before, metric), skill(last, metric)
    errors = [p.errors.point[metric]["mean"] for p in (before, last)]
    naive = [best_naive(p, metric) for p in (before, last)]
    if then is None or now is None or None in errors or None in naive:
        return None
    own = change(errors[1] or 0.0, errors[0] or 0.0)
    theirs = change(*(b[1] for b in naive[::-1] if b is not None))
    moved = now - then
    mood = "" if abs(moved) < POINTS else "good" if moved > 0 else "bad"
    told = f"error {own}, best naive forecast {theirs}"
    return Card(f"Skill since period {before.name}", f"{100 * moved:+.1f} points", told, mood)


def _missing(view: RunView) -> Card | None:
    if view.latest is None:
        return None
    found = view.latest.quality
    silent = f"; {found.num_silent:,} without any reading" if found.num_silent else ""
    told = f"of the readings of period {view.last.name}{silent}"
    bad = found.missing_share >= MUCH_MISSING
    return Card("Missing", percent(found.missing_share), told, "bad" if bad else "")
