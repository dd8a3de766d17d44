"""One self-contained page that shows a run: made of its files alone, and needing no network."""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eac.errors import RunError
from eac.files import write_text
from eac.plain import plain
from eac.records.details import PeriodDetails, read_details
from eac.records.record import PERIOD_FILE, RunRecord, StrPath
from eac.report.common.charts import Chart
from eac.report.common.escapes import json_text
from eac.report.common.markup import MarkedTable
from eac.report.common.plotly_charts import figure
from eac.report.common.summary import labelled, model_name, read_finished_run
from eac.report.common.tables import conclusions, grids, headline
from eac.report.run import run_charts
from eac.report.run.feature_charts import dispersion, spectrum
from eac.report.run.headline import cards, verdict
from eac.report.run.page_tables import period_grids, quality_grid, sensor_grids, transfer_grids

PAGE_FILE = "report.html"
TEMPLATES = Path(__file__).parents[1] / "common" / "templates"
SHOWN_PERIODS = 12
"""Maps and traces are shown of this many of the latest periods."""
MISSING_EXTRA = "a page needs Jinja2 and Plotly: pip install 'eac[report]'"


@dataclass(frozen=True)
class Slot:
    """A place for a figure, with one or more figures to step through.

    Attributes:
        key: Name of the place.
        title: One line above it.
        label: What is stepped through.
        charts: The figures.
        names: One name for each.
    """

    key: str
    title: str
    label: str
    charts: tuple[Chart, ...]
    names: tuple[str, ...]

    @staticmethod
    def of(chart: Chart) -> "Slot":
        """A place for one figure."""
        return Slot(chart.key, chart.title, "", (chart,), (chart.title,))


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        key: Its anchor.
        title: Its heading.
        text: Sentences below the heading.
        points: A list below them.
        slots: Its figures.
        tables: Its tables.
        folded: Tables behind a fold.
        traces: Whether forecasts are stepped through here.
    """

    key: str
    title: str
    text: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    slots: tuple[Slot, ...] = ()
    tables: tuple[MarkedTable, ...] = ()
    folded: tuple[MarkedTable, ...] = ()
    traces: bool = False


def has_page_libraries() -> bool:
    """Whether the libraries of the extra ``report`` are there."""
    return all(importlib.util.find_spec(name) is not None for name in ("jinja2", "plotly"))


def write_page(run_dir: StrPath, path: StrPath, *, metric: str = "MAE") -> None:
    """Writes the page of a run.

    Args:
        run_dir: The run.
        path: Where the page goes.
        metric: Metric of headline and figures; tables hold all.

    Raises:
        RunError: If the directory is no run, or a library of the extra ``report`` is missing.
    """
    if not has_page_libraries():
        raise RunError(MISSING_EXTRA)
    run, details = read_finished_run(run_dir), read_all_details(run_dir)
    config = Path(run_dir) / "config.yaml"
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    content = render(
        "run.html.j2",
        title=headline(run),
        run=run,
        name=model_name(run),
        verdict=verdict(run, metric),
        cards=cards(run, metric),
        metric_tables=period_grids(run),
        metric=metric,
        sections=_sections(run, details, metric),
        config=text,
        traces=_traces(run, details),
    )
    write_text(path, content)


def read_all_details(run_dir: StrPath) -> tuple[PeriodDetails, ...]:
    """The details of every finished period that has some, in order of time."""
    done = [path.parent for path in Path(run_dir).glob(f"period-*/{PERIOD_FILE}")]
    done.sort(key=lambda directory: int(directory.name.split("-", 2)[1]))
    found = (read_details(directory) for directory in done)
    return tuple(details for details in found if details is not None)


def run_figures(run_dir: StrPath, *, metric: str = "MAE") -> list[Chart]:
    """The figures of a run for a paper; of those by period, the latest."""
    run, details = read_finished_run(run_dir), read_all_details(run_dir)
    slots = run_slots(run, details, metric)
    return [slot.charts[0] for places in slots.values() for slot in places]


def run_slots(
    run: RunRecord, details: Sequence[PeriodDetails], metric: str
) -> dict[str, tuple[Slot, ...]]:
    """Every figure of a run by the section it belongs to."""
    groups = run_charts.group_errors(run, metric)
    transfer = run_charts.transfer(run, metric)
    pool, spread = spectrum(details), dispersion(details)
    places = _maps(run, details)
    return {
        "errors": _slots(run_charts.error_by_horizon(run, metric), _by_period(run, metric)),
        "nodes": _slots(run_charts.node_changes(run), groups) if len(run.periods) > 1 else (),
        "map": () if places is None else (places,),
        "transfer": _slots(transfer),
        "prompts": _slots(*(pool or ()), spread),
        "cost": _slots(run_charts.parameters(run), run_charts.seconds(run)),
    }


def _sections(run: RunRecord, details: Sequence[PeriodDetails], metric: str) -> tuple[Section, ...]:
    slots = run_slots(run, details, metric)
    *errors, cost = grids(run, metric)
    found = (
        _errors(run, slots["errors"], (*errors[-1:], *errors[:-1])),
        _sensors(run, slots["map"]),
        Section("nodes", "Joining and leaving", _NODES, slots=slots["nodes"]),
        _transfer(run, slots["transfer"], metric),
        Section("prompts", "What was learned of each sensor", _PROMPTS, slots=slots["prompts"]),
        Section("cost", "Cost", slots=slots["cost"], folded=(cost,)),
        _quality(details),
    )
    return tuple(s for s in found if s.slots or s.tables or s.folded or s.key not in _OPTIONAL)


_OPTIONAL = ("sensors", "nodes", "prompts")
_MAP = (
    "Each point is a sensor, coloured by its mean absolute error over the test part; the five with "
    "the largest errors are ringed. Large errors are often those of sensors with large readings.",
)
_NODES = (
    "Kept sensors were in the period before, new ones never, returned ones earlier; gone ones were "
    "in the period before and are absent.",
)
_PROMPTS = (
    "Few components with most of the energy mean that the prompts can be compressed. Dispersion is "
    "the mean squared distance of features, averaged over the last test windows, from their "
    "centre: within a period between sensors, across periods between the periods' centres.",
)


def _errors(run: RunRecord, slots: tuple[Slot, ...], folded: tuple[MarkedTable, ...]) -> Section:
    return Section("errors", "Errors", points=tuple(conclusions(run)), slots=slots, folded=folded)


def _sensors(run: RunRecord, slots: tuple[Slot, ...]) -> Section:
    tables = tuple(sensor_grids(run))
    return Section("sensors", "Sensors", _MAP, slots=slots, tables=tables, traces=True)


def _transfer(run: RunRecord, slots: tuple[Slot, ...], metric: str) -> Section:
    text = (
        "A row shows what the model could do after training one period: left of the diagonal on "
        "the past (forgetting), right of it on the period to come."
        if slots
        else "The past was not tested in this run. Run with --run.test_past true to see transfer "
        "and forgetting here."
    )
    tables = transfer_grids(run, metric)
    return Section(
        "transfer",
        "Transfer and forgetting",
        (text,),
        slots=slots,
        tables=tables[1:],
        folded=tables[:1],
    )


def _quality(details: Sequence[PeriodDetails]) -> Section:
    if not details:
        text = ("This run was made by a version that kept no details of its data.",)
        return Section("data", "Data as found", text)
    warnings = tuple(f"Period {p.name}: {w}." for p in details for w in p.quality.warnings)
    return Section("data", "Data as found", points=warnings, tables=(quality_grid(details),))


def _by_period(run: RunRecord, metric: str) -> Chart | None:
    return run_charts.error_by_period(run, metric) if len(run.periods) > 1 else None


def _slots(*charts: Chart | None) -> tuple[Slot, ...]:
    return tuple(Slot.of(chart) for chart in charts if chart is not None)


def _maps(run: RunRecord, details: Sequence[PeriodDetails]) -> Slot | None:
    shown = details[-SHOWN_PERIODS:]
    if not shown:
        return None
    places, records = run_charts.places_of(shown), {p.name: p for p in run.periods}
    label = labelled("MAE", run)
    charts = tuple(
        run_charts.sensor_map(
            records[period.name],
            period.map,
            np.array([places[node] for node in period.map.node_ids]),
            label,
        )
        for period in shown
    )
    names = tuple(f"period {period.name}" for period in shown)
    title = "Sensors by error"
    if any(period.map.positions is None for period in shown):
        edges = any(period.map.edges for period in shown)
        title += f" ({'placed by their edges' if edges else 'no coordinates: spread evenly'})"
    sampled = max(shown, key=lambda period: period.map.num_nodes).map
    if len(sampled.node_ids) < sampled.num_nodes:
        title += f": {len(sampled.node_ids):,} of {sampled.num_nodes:,} sensors"
    return Slot("map", title, "Period", charts[::-1], names[::-1])


def _traces(run: RunRecord, details: Sequence[PeriodDetails]) -> dict[str, Any]:
    periods = [
        {"name": period.name, "horizon": run.mean().horizon, **asdict(period.traces)}
        for period in details[-SHOWN_PERIODS:]
    ]
    return {"model": model_name(run), "unit": run.unit, "periods": periods[::-1]}


def render(template: str, **content: Any) -> str:
    """Fills a template of this package; Plotly, which draws the figures, travels inside."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

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
    page = environment.get_template(template)
    return page.render(plotly=get_plotlyjs(), **content)


def _figures(sections: Sequence[Section]) -> dict[str, list[dict[str, Any]]]:
    return {
        slot.key: [{"alt": chart.alt, **figure(chart)} for chart in slot.charts]
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
