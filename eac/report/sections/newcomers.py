"""New sensors: how well they were forecast soon after they joined, and once trained on."""

from collections.abc import Iterator, Mapping, Sequence

from eac.records.horizon_table import mean_or_none
from eac.records.newcomers import AFTER, BEFORE, SPANS, BySpan, Newcomers
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
    spans = {f"first {span}": [_first(new, span) for new in found] for span in SPANS}
    spans["test part"] = [new.test for new in found]
    columns = [_column(spans[span], names, judge_after=span == "test part") for span in spans]
    rows = tuple(
        (Entry(_label(name, run)), *(column[row] for column in columns))
        for row, name in enumerate(names)
    )
    many, count = len(having) > 1, sum(new.num_nodes for new in found)
    where = f"mean over {len(having)} periods" if many else f"period {having[0][0].name}"
    title = f"{labelled('MAE', run)} of {count} new sensors, {where}"
    notes = (TRAINED_ON, *(_fewer(spans, names) if many else ()))
    return MarkedTable(title, ("forecast", *spans), rows, notes)


def _first(new: Newcomers, span: str) -> BySpan:
    """Errors of one span, by forecast."""
    return {name: errors.get(span) for name, errors in new.first.items()}


def _measured(errors: Sequence[BySpan]) -> list[BySpan]:
    """The periods in which anything was measured."""
    return [period for period in errors if any(e is not None for e in period.values())]


def _column(errors: Sequence[BySpan], names: Sequence[str], *, judge_after: bool) -> list[Entry]:
    """Means over the periods measured, of the forecasts that were measured in all of them.

    What was trained on is not marked.
    """
    measured = _measured(errors)
    values = [[period.get(name) for period in measured] for name in names]
    means = [None if None in each else mean_or_none(each) for each in values]
    judged = [
        mean if judge_after or name != AFTER else None
        for name, mean in zip(names, means, strict=True)
    ]
    return [Entry(format_error(m), mark) for m, mark in zip(means, marks(judged), strict=True)]


def _fewer(spans: Mapping[str, Sequence[BySpan]], names: Sequence[str]) -> Iterator[str]:
    """Says which means are over fewer periods, and that some are left out."""
    partly = False
    for span, errors in spans.items():
        measured = _measured(errors)
        if 0 < len(measured) < len(errors):
            count = len(measured)
            many = f"{count} period{'' if count == 1 else 's'}"
            yield f"The {span} was measured in {many} alone, and its means are over them."
        counts = [sum(p.get(name) is not None for p in measured) for name in names]
        partly |= any(0 < count < len(measured) for count in counts)
    if partly:
        yield "A forecast that some of these periods lack has no mean; their own tables hold it."


def _label(name: str, run: RunRecord) -> str:
    own = {BEFORE: "before training", AFTER: "after training"}
    return f"{model_name(run)}, {own[name]}" if name in own else BASELINES.get(name, name)
