"""One self-contained page that shows several runs side by side."""

from eac.errors import RunError
from eac.files import write_text
from eac.records.record import StrPath
from eac.report.compare.comparison import Compared, charts, tables, verdicts
from eac.report.run.page import (
    MISSING_EXTRA,
    Section,
    Slot,
    has_page_libraries,
    render,
)


def write_comparison(compared: Compared, path: StrPath, *, metric: str = "MAE") -> None:
    """Writes the page of a comparison.

    Raises:
        RunError: If a library of the extra ``report`` is missing.
    """
    if not has_page_libraries():
        raise RunError(MISSING_EXTRA)
    slots = tuple(Slot.of(chart) for chart in charts(compared, metric))
    content = render(
        "compare.html.j2",
        title=f"{compared.runs[0].stream}: {len(compared.runs)} runs compared",
        compared=compared,
        verdicts=verdicts(compared, metric),
        tables=list(tables(compared, metric)),
        sections=[Section("figures", "Errors", slots=slots)],
    )
    write_text(path, content)
