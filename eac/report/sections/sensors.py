"""The sensors of a run: those that need attention, where they stand, and their forecasts."""

from eac.report.common.markup import Entry, MarkedTable
from eac.report.common.page_parts import Section
from eac.report.common.skill import percent
from eac.report.common.summary import format_error, labelled
from eac.report.sections.attention import (
    GROWN,
    LOST,
    MISSING,
    Attention,
    SensorState,
    attention,
    sensor_states,
    silence,
)
from eac.report.sections.sensor_map import sensor_slot
from eac.report.sections.view import RunView

LISTED = 15
"""Sensors in the list of those that need attention."""
ALL = 300
"""Sensors in the folded table of all."""
LEVELS = {2: Entry("high", "bad"), 1: Entry("medium")}


def section(view: RunView) -> Section:
    """Ranked by what is wrong; then all sensors, a map and forecasts.

    Example:
        >>> from eac.records.sample import sample_run
        >>> section(RunView(sample_run(), (), "MAE")).title
        'Sensors that need attention'
    """
    states = sensor_states(view)
    ranked = attention(view, states)
    slot = sensor_slot(view.run, view.details, [one.node for one in ranked])
    by_node = {state.node: state for state in states}
    table = (_attention_table(view, ranked, by_node),) if ranked else ()
    every = (_all_sensors(view, states),) if states else ()
    return Section(
        "sensors",
        "Sensors that need attention",
        (_told(view, ranked, states),),
        first=table,
        slots=() if slot is None else (slot,),
        traces=bool(view.details),
        folded=every,
        fold=f"All sensors of period {view.last.name}",
    )


def _attention_table(
    view: RunView, ranked: list[Attention], states: dict[str, SensorState]
) -> MarkedTable:
    """One row per sensor, the worst first."""
    header = ("sensor", "level", "MAE", "skill", "missing", "reason")
    rows = []
    for one in ranked[:LISTED]:
        state = states[one.node]
        rows.append(
            (
                Entry(one.node),
                LEVELS[one.level],
                Entry(format_error(state.error)),
                Entry(percent(state.skill), "bad" if (state.skill or 0) < 0 else ""),
                Entry(percent(state.missing)),
                Entry("; ".join(one.reasons)),
            )
        )
    notes = [
        "Listed: worse than the naive forecast that is best over all sensors; skill lost by "
        f"{100 * LOST[0]:.0f} points or more; error {GROWN[0]:g} times what "
        f"earlier periods suggest; {percent(MISSING[0], 0)} missing; a day of silence."
    ]
    if len(ranked) > LISTED:
        notes.insert(0, f"The first {LISTED} of {len(ranked)}.")
    title = f"Sensors that need attention, period {view.last.name}"
    return MarkedTable(title, header, tuple(rows), tuple(notes))


def _all_sensors(view: RunView, states: list[SensorState]) -> MarkedTable:
    """Every sensor of the latest period, the one with the least skill first."""
    header = ("sensor", labelled("MAE", view.run), "naive", "skill", "missing", "silent at the end")

    def order(state: SensorState) -> tuple[float, float]:
        return (1.0 if state.skill is None else state.skill, -(state.error or 0.0))

    rows = [
        (
            Entry(state.node),
            Entry(format_error(state.error)),
            Entry(format_error(state.naive)),
            Entry(percent(state.skill), "bad" if (state.skill or 0) < 0 else ""),
            Entry(percent(state.missing)),
            Entry(silence(view.latest, state) if state.silent else ""),
        )
        for state in sorted(states, key=order)[:ALL]
    ]
    notes = (f"The first {ALL} of {len(states):,}.",) if len(states) > ALL else ()
    title = f"Sensors of period {view.last.name}, least skill first"
    return MarkedTable(title, header, tuple(rows), notes)


def _told(view: RunView, ranked: list[Attention], states: list[SensorState]) -> str:
    if not states:
        return "The records of this run hold no errors by sensor."
    high = sum(one.level == 2 for one in ranked)
    count = f"{len(ranked)} of {len(states):,} sensors need attention, {high} of them urgently."
    facts = view.latest is not None and view.latest.sensors is not None
    if facts:
        return count if ranked else f"None of the {len(states):,} sensors stands out."
    missing = (
        "This run was made by a version that kept no naive errors by sensor; sensors are judged by "
        "their error compared with earlier periods alone."
    )
    return f"{count} {missing}" if ranked else f"No sensor stands out. {missing}"
