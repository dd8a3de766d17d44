"""One self-contained page that shows a run: made of its files alone, and needing no network."""

from collections.abc import Callable
from pathlib import Path

from eac.files import write_text
from eac.records.details import PeriodDetails, read_details
from eac.records.folders import done_folders
from eac.records.record import StrPath
from eac.report.common.charts import Chart
from eac.report.common.markup import MarkedTable
from eac.report.common.page_parts import Section, render
from eac.report.common.summary import read_finished_run
from eac.report.common.tables import headline
from eac.report.run.headline import about, banners, cards, verdict, what
from eac.report.sections import (
    cost,
    data_found,
    errors,
    intervals,
    newcomers,
    nodes,
    prompts,
    sensors,
    transfer,
    updates,
)
from eac.report.sections.traces import traces_of
from eac.report.sections.view import RunView

PAGE_FILE = "report.html"
SECTIONS: tuple[Callable[[RunView], Section | None], ...] = (
    errors.section,
    sensors.section,
    intervals.section,
    data_found.section,
    nodes.section,
    newcomers.section,
    transfer.section,
    updates.section,
    prompts.section,
    cost.section,
)
"""The sections in the order of the page; each is one file of ``eac.report.sections`` and gives None
where it has nothing to show."""


def write_page(run_dir: StrPath, path: StrPath, *, metric: str = "MAE") -> None:
    """Writes the page of a run.

    Args:
        run_dir: The run.
        path: Where the page goes.
        metric: Metric of headline and figures; tables hold all.

    Raises:
        RunError: If the directory is no run, or a library of the extra ``report`` is missing.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.records.sample import sample_run, write_sample
        >>> with TemporaryDirectory() as folder:
        ...     write_page(write_sample(folder, sample_run((8.0,))), f"{folder}/report.html")
        ...     print("made, EAC on STGNN" in Path(folder, "report.html").read_text())
        True
    """
    view = read_view(run_dir, metric)
    run = view.run
    config = Path(run_dir) / "config.yaml"
    rows = list(run.versions.items())
    content = render(
        "run.html.j2",
        title=headline(run),
        run=run,
        what=what(view),
        about=about(run),
        verdict=verdict(run, metric),
        banners=banners(run, metric),
        cards=cards(view),
        sections=sections_of(view),
        settings=f"{headline(run)}.",
        versions=MarkedTable.of_text("Versions", ("library", "version"), rows),
        config=config.read_text(encoding="utf-8") if config.is_file() else "",
        traces=traces_of(view),
    )
    write_text(path, content)


def run_figures(run_dir: StrPath, *, metric: str = "MAE") -> list[Chart]:
    """The figures of a run for a paper; of those by period, the latest.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.records.sample import write_sample
        >>> with TemporaryDirectory() as folder:
        ...     print([chart.key for chart in run_figures(write_sample(folder))][:2])
        ['skill', 'error-by-period']
    """
    view = read_view(run_dir, metric)
    return [slot.charts[0] for section in sections_of(view) for slot in section.slots]


def read_view(run_dir: StrPath, metric: str) -> RunView:
    """Everything that the sections of a run's page are made from.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.records.sample import write_sample
        >>> with TemporaryDirectory() as folder:
        ...     print(read_view(write_sample(folder), "MAE").last.name)
        1
    """
    return RunView(read_finished_run(run_dir), read_all_details(run_dir), metric)


def sections_of(view: RunView) -> list[Section]:
    """The sections that have something to show.

    Example:
        >>> from eac.records.sample import sample_run
        >>> [section.key for section in sections_of(RunView(sample_run(), (), "MAE"))]
        ['errors', 'sensors', 'data', 'nodes', 'transfer', 'cost']
    """
    found = (section(view) for section in SECTIONS)
    return [section for section in found if section is not None]


def read_all_details(run_dir: StrPath) -> tuple[PeriodDetails, ...]:
    """The details of every finished period that has some, in order of time.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.records.sample import write_sample
        >>> with TemporaryDirectory() as folder:
        ...     print([details.name for details in read_all_details(write_sample(folder))])
        ['0', '1']
    """
    found = (read_details(directory) for _, directory in done_folders(Path(run_dir)))
    return tuple(details for details in found if details is not None)
