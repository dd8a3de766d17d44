"""How well intervals held their level: coverage, width and scores, and some forecasts drawn."""

from collections.abc import Sequence

from eac.records.intervals import Fan, Intervals
from eac.records.record import PeriodRecord, RunRecord
from eac.report.common.charts import Band, Line, Number, Role, SeriesChart
from eac.report.common.markup import Entry, MarkedTable
from eac.report.common.page_parts import Section, Slot, slots_of
from eac.report.common.summary import format_error
from eac.report.sections.view import RunView

ROLES: tuple[Role, ...] = ("model", "a", "b", "c", "d", "e")
FANS = 8
OFF = 5.0
"""Points between coverage and level from which on a cell is marked."""
TEXT = (
    "Coverage is the share of readings inside an interval; it should be the level. The Winkler "
    "score is the width plus a penalty for readings outside; lower is better."
)


def section(view: RunView) -> Section | None:
    """None for a run without intervals.

    Example:
        >>> from eac.records.sample import sample_run
        >>> section(RunView(sample_run(), (), "MAE")) is None  # no intervals were made
        True
    """
    having = [period for period in view.run.periods if period.intervals is not None]
    if not having:
        return None
    made = [found for period in having if (found := period.intervals) is not None]
    last = made[-1]
    fans = _fan_slot(having[-1], view.run) if last.fans else None
    charts = (_coverage_by_period(having), _width_by_step(having[-1], view.run))
    slots = slots_of(*charts)
    return Section(
        "intervals",
        "Intervals",
        (TEXT, *(_choice(one) for one in made if one.candidates)),
        slots=slots if fans is None else (*slots, fans),
        tables=(_intervals_table(having, view.run),),
    )


def _choice(made: Intervals) -> str:
    scores = [f"{name} {format_error(score)}" for name, score in made.candidates.items()]
    return (
        f"{made.calibrator} was chosen by the Winkler score at 90 % on validation residuals: "
        f"{', '.join(scores)}."
    )


def _coverage_by_period(periods: Sequence[PeriodRecord]) -> SeriesChart:
    """Coverage of each level in each period beside the level itself."""
    names = tuple(period.name for period in periods)
    found = [made for period in periods if (made := period.intervals) is not None]
    marks: list[Line] = []
    for role, level in zip(ROLES, found[-1].coverage, strict=False):
        values = tuple(made.coverage.get(level) for made in found)
        marks.append(Line(f"intervals of {level} %", names, values, role))
        wanted = float(level)
        marks.append(Line(f"level {level} %", names, (wanted,) * len(names), "muted", dash=True))
    told = ", ".join(f"{level} %: {_percent(value)}" for level, value in found[-1].coverage.items())
    return SeriesChart(
        key="coverage",
        title="Coverage by period",
        alt=f"Readings inside the intervals in period {names[-1]}; of {told}.",
        x_label="period",
        y_label="coverage [%]",
        marks=tuple(marks),
        from_zero=False,
    )


def _width_by_step(period: PeriodRecord, run: RunRecord) -> SeriesChart | None:
    """Mean width of the intervals at each step ahead; None where it was not kept."""
    made = period.intervals
    widths = {} if made is None else made.steps.get("width", {})
    if not widths:
        return None
    marks = tuple(
        Line(f"{level} %", tuple(float(i + 1) for i in range(len(row))), tuple(row), role)
        for role, (level, row) in zip(ROLES, widths.items(), strict=False)
    )
    return SeriesChart(
        key="width",
        title=f"Width by horizon, period {period.name}",
        alt="Mean width of the intervals by steps ahead; a wider one says less.",
        x_label="steps ahead",
        y_label=f"width [{run.unit}]" if run.unit else "width",
        marks=marks,
    )


def _fan_slot(period: PeriodRecord, run: RunRecord) -> Slot:
    """Some forecasts with their intervals, one at a time."""
    made = period.intervals
    fans = () if made is None else made.fans[:FANS]
    charts = tuple(_fan(fan, i, run) for i, fan in enumerate(fans))
    names = tuple(f"sensor {fan.node_id}, step {fan.first}" for fan in fans)
    return Slot("fan", f"Forecasts of period {period.name}", "Forecast", charts, names, wide=True)


def _intervals_table(periods: Sequence[PeriodRecord], run: RunRecord) -> MarkedTable:
    """One row per period and level."""
    unit = f" [{run.unit}]" if run.unit else ""
    header = ("period", "level", "coverage", f"width{unit}", f"Winkler{unit}", "sensors within 5")
    header += ("new sensors, first month",)
    rows = []
    for period in periods:
        if period.intervals is not None:
            rows += [_row(period.name, level, period.intervals) for level in period.intervals.width]
    notes = ("sensors within 5: share of the sensors whose own coverage is within 5 points of it.",)
    return MarkedTable("Intervals by period", header, tuple(rows), notes)


def _row(name: str, level: str, made: Intervals) -> tuple[Entry, ...]:
    coverage = made.coverage.get(level)
    off = coverage is not None and abs(coverage - float(level)) > OFF
    return (
        Entry(name),
        Entry(f"{level} %"),
        Entry(_percent(coverage), "bad" if off else ""),
        Entry(format_error(made.width.get(level))),
        Entry(format_error(made.winkler.get(level))),
        Entry(_percent(made.within_five.get(level))),
        Entry(_percent(made.first_month.get(level))),
    )


def _fan(fan: Fan, position: int, run: RunRecord) -> SeriesChart:
    steps = tuple(float(fan.first + i) for i in range(len(fan.truth)))
    ahead = steps[len(steps) - len(fan.y_hat) :]
    widest = sorted(fan.low, key=float, reverse=True)
    bands = [
        Band(f"{level} % interval", ahead, fan.low[level], fan.high[level], role)
        for role, level in zip(("a", "model", "b", "c"), widest, strict=False)
    ]
    lines = (
        Line("measured", steps, fan.truth, "muted"),
        Line("forecast", ahead, fan.y_hat, "model"),
    )
    inside = _inside(fan, widest[0]) if widest else ""
    return SeriesChart(
        key=f"fan-{position}",
        title=f"Sensor {fan.node_id}",
        alt=f"Forecast of sensor {fan.node_id} with its intervals.{inside}",
        x_label="step of the period",
        y_label=run.unit or "reading",
        marks=(*bands, *lines),
        from_zero=False,
    )


def _inside(fan: Fan, level: str) -> str:
    rows = zip(fan.truth[-len(fan.y_hat) :], fan.low[level], fan.high[level], strict=True)
    known = [(t, a, b) for t, a, b in rows if t is not None and a is not None and b is not None]
    held = sum(low <= truth <= high for truth, low, high in known)
    return f" {held} of {len(known)} readings are inside the {level} % interval."


def _percent(value: Number) -> str:
    return "-" if value is None else f"{value:.1f} %"
