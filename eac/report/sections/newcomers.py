"""New sensors: how well they were forecast soon after they joined, and once trained on."""

from collections.abc import Sequence

from eac.records.horizon_table import mean_or_none
from eac.records.newcomers import AFTER, BEFORE, SPANS, Newcomers
from eac.records.record import PeriodRecord, RunRecord
from eac.report.common.markup import Entry, MarkedTable, marks
from eac.report.common.page_parts import Section
from eac.report.common.summary import BASELINES, format_error, labelled, model_name
from eac.report.sections.view import RunView

TABLES = 24
"""Tables of at most this many of the latest periods stand in a page."""
TEXT = (
    "Sensors that joined, forecast in their first day, week and month by the model as the period "
    "before left it, which had never seen them, and in the test part by the model trained on them. "
    "LightGBM is that of the period before, and of this period in the test part."
)
TRAINED_ON = "Errors after training on the first days are those of readings that were trained on."


def section(view: RunView) -> Section | None:
    """None for a run in which no sensor joined.

    Example:
        >>> from dataclasses import replace
        >>> from eac.records.sample import sample_run
        >>> new = Newcomers(2, {"before": {"day": 9.0}, "week": {"day": 10.0}}, {"before": 8.0})
        >>> run = sample_run((8.0,))
        >>> run = replace(run, periods=(replace(run.periods[0], newcomers=new),))
        >>> section(RunView(run, (), "MAE")).tables[0].title
        'MAE [veh/h] of 2 new sensors, period 0'
    """
    having = [(p, p.newcomers) for p in view.run.periods if p.newcomers is not None]
    if not having:
        return None
    own = tuple(_table(view.run, [one]) for one in having) if len(having) > 1 else ()
    return Section(
        "newcomers",
        "New sensors",
        (TEXT,),
        tables=(_table(view.run, having),),
        folded=own[::-1][:TABLES],
        fold="New sensors of each period",
    )


def _table(run: RunRecord, having: Sequence[tuple[PeriodRecord, Newcomers]]) -> MarkedTable:
    """MAE of each forecast, mean over these periods."""
    found = [new for _, new in having]
    names = list(dict.fromkeys(name for new in found for name in (*new.first, *new.test)))
    columns = [_column(found, names, span) for span in (*SPANS, "")]
    rows = tuple(
        (Entry(_label(name, run)), *(column[row] for column in columns))
        for row, name in enumerate(names)
    )
    many, count = len(having) > 1, sum(new.num_nodes for new in found)
    where = f"mean over {len(having)} periods" if many else f"period {having[0][0].name}"
    title = f"{labelled('MAE', run)} of {count} new sensors, {where}"
    header = ("forecast", *(f"first {span}" for span in SPANS), "test part")
    return MarkedTable(title, header, rows, (TRAINED_ON,))


def _column(found: Sequence[Newcomers], names: Sequence[str], span: str) -> list[Entry]:
    """Means of one span, of the test part without a name; what was trained on is not marked."""
    means = [
        mean_or_none(
            new.first.get(name, {}).get(span) if span else new.test.get(name) for new in found
        )
        for name in names
    ]
    judged = [
        None if span and name == AFTER else mean for name, mean in zip(names, means, strict=True)
    ]
    return [Entry(format_error(m), mark) for m, mark in zip(means, marks(judged), strict=True)]


def _label(name: str, run: RunRecord) -> str:
    own = {BEFORE: "before training", AFTER: "after training"}
    return f"{model_name(run)}, {own[name]}" if name in own else BASELINES.get(name, name)
