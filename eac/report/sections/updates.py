"""The low-rank update of the backbone: its rank, and what compressing earlier updates kept."""

from eac.records.record import PeriodRecord
from eac.records.update import UpdateRecord
from eac.report.common.charts import Bars, Line, SeriesChart
from eac.report.common.markup import Entry, MarkedTable
from eac.report.common.page_parts import Section, slots_of
from eac.report.common.skill import percent
from eac.report.sections.view import RunView

LOST = 0.1
"""Share of the energy lost from which on a cell is marked."""
TEXT = (
    "A period changes the backbone by a low-rank term; earlier terms are compressed together. "
    "Energy is the sum of squares of all earlier updates."
)


def section(view: RunView) -> Section | None:
    """None for a run without such updates.

    Example:
        >>> from dataclasses import replace
        >>> from eac.records.sample import sample_run
        >>> run = sample_run((8.0,))
        >>> update = UpdateRecord(4, 12, 5000, 9000, energy_kept=0.75)
        >>> run = replace(run, periods=(replace(run.periods[0], update=update),))
        >>> section(RunView(run, (), "MAE")).title
        'Update of the backbone'
    """
    having = [(p, p.update) for p in view.run.periods if p.update is not None]
    if not having:
        return None
    return Section(
        "updates",
        "Update of the backbone",
        (TEXT,),
        slots=slots_of(_energy(having), _ranks(having)),
        folded=(_table(having),),
        fold="Updates as a table",
    )


def _energy(having: list[tuple[PeriodRecord, UpdateRecord]]) -> SeriesChart:
    names = tuple(period.name for period, _ in having)
    lost = tuple(round(100 * update.energy_lost, 4) + 0.0 for _, update in having)
    marked = tuple(i for i, (_, update) in enumerate(having) if update.energy_lost > LOST)
    return SeriesChart(
        key="energy-lost",
        title="Energy lost by compression",
        alt=f"Share of the energy of earlier updates that compression lost; {lost[-1]:.2f} % in "
        f"period {names[-1]}.",
        x_label="period",
        y_label="energy lost [%]",
        marks=(Bars("lost", names, lost, "model", marked),),
    )


def _ranks(having: list[tuple[PeriodRecord, UpdateRecord]]) -> SeriesChart:
    names = tuple(period.name for period, _ in having)
    trained = tuple(float(update.rank) for _, update in having)
    kept = tuple(float(update.kept_rank) for _, update in having)
    return SeriesChart(
        key="ranks",
        title="Rank of the update",
        alt=f"Largest rank trained {trained[-1]:g} and kept {kept[-1]:g} in period {names[-1]}.",
        x_label="period",
        y_label="rank",
        marks=(Line("trained", names, trained, "model"), Line("kept", names, kept, "b", dash=True)),
    )


def _table(having: list[tuple[PeriodRecord, UpdateRecord]]) -> MarkedTable:
    header = ("period", "trained", "rank", "kept rank", "numbers trained", "kept", "energy kept")
    rows = tuple(
        (
            Entry(period.name),
            Entry(update.rung or "prompts and update"),
            Entry(str(update.rank)),
            Entry(str(update.kept_rank)),
            Entry(f"{update.parameters:,}"),
            Entry(f"{update.kept_parameters:,}"),
            Entry(percent(update.energy_kept, 2), "bad" if update.energy_lost > LOST else ""),
        )
        for period, update in having
    )
    return MarkedTable("Update of the backbone by period", header, rows)
