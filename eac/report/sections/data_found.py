"""What was found in the data of each period when it was read."""

from collections.abc import Sequence

from eac.records.details import PeriodDetails
from eac.report.common.charts import Bars, SeriesChart
from eac.report.common.markup import MarkedTable
from eac.report.common.page_parts import Section, slots_of
from eac.report.common.skill import percent
from eac.report.common.summary import format_error
from eac.report.sections.view import RunView

WARNINGS = 20
"""Warnings in the list: those of the latest periods."""


def section(view: RunView) -> Section:
    """Warnings first, then the share missing, then a table.

    Example:
        >>> from eac.records.sample import sample_details, sample_run
        >>> section(RunView(sample_run((8.0,)), (sample_details("0"),), "MAE")).points
        ('Period 0: 1 node with one constant reading: c.',)
    """
    if not view.details:
        text = ("This run was made by a version that kept no details of its data.",)
        return Section("data", "Data as found", text)
    said = [f"Period {p.name}: {w}." for p in view.details for w in p.quality.warnings]
    left = len(said) - WARNINGS
    more = (f"{left} more in earlier periods.",) if left > 0 else ()
    chart = _missing_by_period(view.details) if len(view.details) > 1 else None
    return Section(
        "data",
        "Data as found",
        points=(*said[::-1][:WARNINGS], *more),
        slots=slots_of(chart),
        tables=(_quality_grid(view.details),),
    )


def _missing_by_period(details: Sequence[PeriodDetails]) -> SeriesChart | None:
    """Share of the readings of each period that are missing; None where none ever is."""
    shares = [period.quality.missing_share for period in details]
    if not any(shares):
        return None
    names = tuple(period.name for period in details)
    return SeriesChart(
        key="missing",
        title="Share of the readings that are missing",
        alt=f"In the latest period {percent(shares[-1])} of the readings are missing; at most "
        f"{percent(max(shares))}, in period {names[shares.index(max(shares))]}.",
        x_label="period",
        y_label="missing [%]",
        marks=(Bars("missing", names, tuple(100 * share for share in shares), "muted"),),
    )


def _quality_grid(details: Sequence[PeriodDetails]) -> MarkedTable:
    """What was found in the data, one row per period."""
    header = ("period", "from", "to", "steps", "missing", "zeros", "longest gap", "silent")
    header += ("constant", "isolated", "edges", "lowest", "mean", "highest")
    rows = []
    for period in details:
        found = period.quality
        counts = (found.longest_gap, found.num_silent, found.num_constant, found.num_isolated)
        rows.append(
            (
                period.name,
                _day(found.first),
                _day(found.last),
                f"{found.num_steps:,}",
                percent(found.missing_share),
                percent(found.zero_share),
                *(f"{count:,}" for count in (*counts, found.num_edges)),
                *(format_error(value) for value in (found.low, found.mean, found.high)),
            )
        )
    notes = (
        "Missing is the share of all readings, zeros of those present. The longest gap is in "
        "steps, of a sensor that has readings at all; silent sensors have none, constant ones "
        "one value only, isolated ones no edge.",
    )
    return MarkedTable.of_text("Data by period", header, rows, notes)


def _day(stamp: str) -> str:
    """The day of a time stamp; a slot as it is."""
    return stamp if stamp.startswith("slot") else stamp.split(" ")[0]
