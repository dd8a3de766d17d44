"""All tables of a benchmark, as files and as one page that says how they were made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from eac.files import write_text
from eac.report.benchmark.benchmark_tables import TableView, error_table
from eac.report.benchmark.published_numbers import read_published
from eac.report.benchmark.transfer_tables import transfer_table
from eac.report.common.markup import MarkedTable, to_csv, to_latex, to_markdown

MARKER = "<!-- tables -->"


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
    """Writes ``tables.md``, ``tables.tex`` and ``tables.csv``."""
    tables = list(page.tables())
    markdown = "\n".join(to_markdown(table) for table in tables)
    write_text(out / "tables.md", markdown)
    write_text(out / "tables.tex", to_latex(tables, prefix=page.title))
    write_text(out / "tables.csv", to_csv(tables))


def write_page(page: Page, path: Path) -> None:
    """Writes the tables, and under them how they were made, as one Markdown page.

    Where the page exists, what stands above its line ``<!-- tables -->`` is kept.
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
