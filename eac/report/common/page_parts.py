"""What all pages are made of: sections with tables and figures, in one self-contained file."""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eac.errors import RunError
from eac.plain import plain
from eac.report.common.charts import Chart
from eac.report.common.drawing import drawing
from eac.report.common.escapes import json_text
from eac.report.common.markup import MarkedTable

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
MISSING_EXTRA = "a page needs Jinja2: pip install 'eac[report]'"


@dataclass(frozen=True)
class Slot:
    """A place for a figure, with one or more figures to step through.

    Attributes:
        key: Name of the place.
        title: One line above it.
        label: What is stepped through.
        charts: The figures.
        names: One name for each.
        wide: Whether it takes the whole width.

    Example:
        >>> from eac.report.common.charts import Line, SeriesChart
        >>> line = Line("EAC", ("2023",), (8.0,), "model")
        >>> chart = SeriesChart("error", "Error by period", "", "period", "MAE", marks=(line,))
        >>> Slot.of(chart).title
        'Error by period'
    """

    key: str
    title: str
    label: str
    charts: tuple[Chart, ...]
    names: tuple[str, ...]
    wide: bool = False

    @staticmethod
    def of(chart: Chart, *, wide: bool = False) -> "Slot":
        """A place for one figure."""
        return Slot(chart.key, chart.title, "", (chart,), (chart.title,), wide)


@dataclass(frozen=True)
class Section:
    """A part of a page, in the order in which it is shown.

    Attributes:
        key: Its anchor.
        title: Its heading.
        text: Sentences below the heading.
        points: A list below them.
        choices: Tables of which one is shown at a time, by the name to choose it by.
        chosen: The one shown first.
        first: Tables above the figures.
        slots: Its figures.
        tables: Tables below the figures.
        traces: Whether forecasts of sensors are stepped through here.
        folded: Tables behind a fold.
        fold: What the fold says.

    Example:
        >>> Section("data", "Data as found", points=("Period 2024: 3 nodes without edges.",)).key
        'data'
    """

    key: str
    title: str
    text: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    choices: dict[str, MarkedTable] = field(default_factory=dict)
    chosen: str = ""
    first: tuple[MarkedTable, ...] = ()
    slots: tuple[Slot, ...] = ()
    tables: tuple[MarkedTable, ...] = ()
    traces: bool = False
    folded: tuple[MarkedTable, ...] = ()
    fold: str = "All tables"


def slots_of(*charts: Chart | None) -> tuple[Slot, ...]:
    """A place for each chart that there is.

    Example:
        >>> slots_of(None)
        ()
    """
    return tuple(Slot.of(chart) for chart in charts if chart is not None)


def has_page_libraries() -> bool:
    """Whether the library of the extra ``report`` that pages need is there.

    Example:
        >>> has_page_libraries()
        True
    """
    return importlib.util.find_spec("jinja2") is not None


def render(template: str, **content: Any) -> str:
    """Fills a template of this package; styles and scripts travel inside the page.

    Raises:
        RunError: If a library of the extra ``report`` is missing.

    Example:
        >>> said = {"verdicts": [], "banners": [], "sections": [], "made": ""}
        >>> page = render("tables.html.j2", title="Errors", about="Of two models.", **said)
        >>> "<h1>Errors</h1>" in page
        True
    """
    if not has_page_libraries():
        raise RunError(MISSING_EXTRA)
    return _environment().get_template(template).render(**content)


@cache
def _environment() -> "Environment":
    """Reads and compiles each template once."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.filters["embedded"] = _embedded
    environment.filters["figures"] = _figures
    return environment


def _figures(sections: Sequence[Section]) -> dict[str, list[dict[str, Any]]]:
    return {
        slot.key: [drawing(chart) for chart in slot.charts]
        for section in sections
        for slot in section.slots
    }


def _harmless(value: object) -> object:
    """Text from data without what steers a terminal or turns the direction of writing."""
    return plain(value) if type(value) is str else value


def _embedded(value: object) -> str:
    """JSON that may stand inside a script element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return json_text(text).replace("<", "\\u003c")
