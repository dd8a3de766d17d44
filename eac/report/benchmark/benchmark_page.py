"""All tables of a benchmark, as files and as one page that says how they were made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from eac.files import write_text
from eac.report.benchmark.benchmark_tables import TableView, error_table
from eac.report.benchmark.error_bars import error_bars
from eac.report.benchmark.published_numbers import read_published
from eac.report.benchmark.transfer_tables import transfer_table
from eac.report.common.markup import MarkedTable, to_csv, to_latex, to_markdown
from eac.report.common.page_parts import Section, render, slots_of

MARKER = "<!-- tables -->"
PAGE_FILE = "benchmark.html"


@dataclass(frozen=True)
class Page:
    """What the page of a benchmark says.

    Attributes:
        title: Name of the benchmark.
        frame: Tidy results.
        views: The tables of errors to show.
        published: Files of published numbers.
        facts: Lines on how the results were made: commands, seeds, versions, wall time.
        failures: Cells that failed, each with the last line of its error.
        sources: Where the data of each stream come from.

    Example:
        >>> page = Page("Ours", pd.DataFrame(), views=(), facts=("seed 42",))
        >>> list(page.tables()), page.facts
        ([], ('seed 42',))
    """

    title: str
    frame: pd.DataFrame
    views: Sequence[TableView]
    published: Sequence[Path] = ()
    facts: Sequence[str] = ()
    failures: Sequence[str] = ()
    sources: Sequence[str] = ()

    def tables(self) -> Iterator[MarkedTable]:
        """Errors by stream and metric, then transfer where the past was tested."""
        published = read_published(self.published) if self.published else None
        present = [v for v in self.views if (self.frame.stream == v.stream).any()]
        for view in present:
            yield error_table(self.frame, view, published)
        for view in present:
            table = transfer_table(self.frame, view)
            if table is not None and view.metric == self.views[0].metric:
                yield table


def write_tables(page: Page, out: Path) -> None:
    """Writes ``tables.md``, ``tables.tex`` and ``tables.csv``.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_tables(Page("Ours", pd.DataFrame(), views=()), Path(folder))
        ...     print(sorted(path.name for path in Path(folder).iterdir()))
        ['tables.csv', 'tables.md', 'tables.tex']
    """
    tables = list(page.tables())
    markdown = "\n".join(to_markdown(table) for table in tables)
    write_text(out / "tables.md", markdown)
    write_text(out / "tables.tex", to_latex(tables, prefix=page.title))
    write_text(out / "tables.csv", to_csv(tables))


def write_page(page: Page, path: Path) -> None:
    """Writes the tables, and under them how they were made, as one Markdown page.

    Where the page exists, what stands above its line ``<!-- tables -->`` is kept.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     page = Page("Ours", pd.DataFrame(), views=(), facts=("seed 42",))
        ...     write_page(page, Path(folder, "ours.md"))
        ...     print(Path(folder, "ours.md").read_text().splitlines()[-1])
        - seed 42
    """
    parts = [_kept(page, path), MARKER]
    parts += [to_markdown(table).rstrip() for table in page.tables()]
    for title, lines in (
        ("Data", page.sources),
        ("Failed cells", page.failures),
        ("How this was made", page.facts),
    ):
        if lines:
            parts.append(f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines))
    write_text(path, "\n\n".join(parts) + "\n")


def _kept(page: Page, path: Path) -> str:
    """What a person wrote above the tables; the title of a new page."""
    if path.is_file():
        above, marker, _ = path.read_text(encoding="utf-8").partition(MARKER)
        if marker:
            return above.rstrip()
    return f"# {page.title}"


def write_html(page: Page, path: Path) -> None:
    """Writes the tables and how they were made as one self-contained HTML page.

    Raises:
        RunError: If the library that pages need is missing.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_html(Page("Ours", pd.DataFrame(), views=()), Path(folder, "ours.html"))
        ...     print("<h1>Ours</h1>" in Path(folder, "ours.html").read_text())
        True
    """
    tables = list(page.tables())
    errors = [table for table in tables if "p" in table.header or "fit seconds" in table.header]
    transfer = [table for table in tables if table not in errors]
    charts = [chart for view in page.views if (chart := error_bars(page.frame, view)) is not None]
    first = {chart.key: chart for chart in charts[::-1]}
    sections = [
        Section("errors", "Errors", slots=slots_of(*first.values()), tables=tuple(errors)),
        Section("transfer", "Transfer and forgetting", tables=tuple(transfer)),
        Section("data", "Data", points=tuple(page.sources)),
        Section("failures", "Failed cells", points=tuple(page.failures)),
        Section("made", "How this was made", points=tuple(page.facts)),
    ]
    content = render(
        "tables.html.j2",
        title=page.title,
        about="Strategies and backbones on streams, over seeds. Errors are means over periods.",
        verdicts=[],
        banners=[f"{len(page.failures)} cells failed; see below."] if page.failures else [],
        sections=[s for s in sections if s.tables or s.points or s.slots],
        made="Made by eac from the results of the benchmark.",
    )
    write_text(path, content)
