"""Tables whose best entries are marked, as Markdown, LaTeX or CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from eac.report.common.escapes import csv_cell, latex, latex_label, markdown

Mark: TypeAlias = Literal["", "best", "second", "bad"]

_MARKDOWN = {"": "{}", "best": "**{}**", "second": "<u>{}</u>", "bad": "{}"}
_LATEX = {"": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}", "bad": "{}"}


@dataclass(frozen=True)
class Entry:
    """Text of one cell, and whether it is the best or the second of its column, or bad news.

    Example:
        >>> Entry("7.50", mark="best")
        Entry(text='7.50', mark='best')
    """

    text: str
    mark: Mark = ""


@dataclass(frozen=True)
class MarkedTable:
    """A table of text with marks.

    Attributes:
        title: One line above the table.
        header: Names of the columns.
        rows: One entry per column.
        notes: Sentences below the table.
        spare: Names of the columns that a narrow terminal leaves out, the first one first.

    Example:
        >>> table = MarkedTable.of_text("Errors", ("model", "MAE"), [("EAC", "7.50")])
        >>> table.rows[0][1].text
        '7.50'
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()

    @staticmethod
    def of_text(
        title: str,
        header: tuple[str, ...],
        rows: Sequence[Sequence[str]],
        notes: tuple[str, ...] = (),
        spare: tuple[str, ...] = (),
    ) -> "MarkedTable":
        """A table without marks."""
        entries = tuple(tuple(Entry(cell) for cell in row) for row in rows)
        return MarkedTable(title, header, entries, notes, spare)


def to_markdown(table: MarkedTable, level: int = 2) -> str:
    """A heading, the table with best in bold and second underlined, and the notes.

    Example:
        >>> table = MarkedTable.of_text("Errors", ("model", "MAE"), [("EAC", "7.50")])
        >>> print(to_markdown(table).rstrip())
        ## Errors
        <BLANKLINE>
        | model | MAE |
        | --- | ---: |
        | EAC | 7.50 |
    """
    header = tuple(markdown(name.strip()) for name in table.header)
    lines = [header, ("---", *("---:" for _ in header[1:]))]
    lines += [
        tuple(_MARKDOWN[e.mark].format(markdown(e.text.strip())) for e in row) for row in table.rows
    ]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    notes = "\n".join(f"- {markdown(note)}" for note in table.notes)
    parts = [f"{'#' * level} {markdown(table.title)}", text, notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_latex(tables: Sequence[MarkedTable], prefix: str = "tab") -> str:
    r"""One ``table`` environment each, with its ``\label``; they need the package booktabs.

    Args:
        tables: The tables.
        prefix: What the labels begin with; each goes on with words of its title.

    Example:
        >>> table = MarkedTable.of_text("Errors", ("model", "MAE"), [("EAC", "7.50")])
        >>> r"\label{tab:errors}" in to_latex([table])
        True
    """
    taken: dict[str, int] = {}
    texts = []
    for table in tables:
        label = latex_label(table.title)
        taken[label] = taken.get(label, 0) + 1
        again = f"-{taken[label]}" if taken[label] > 1 else ""
        texts.append(_latex_table(table, f"{latex_label(prefix)}:{label}{again}"))
    return "\n".join([r"% needs \usepackage{booktabs}", *texts])


def to_csv(tables: Sequence[MarkedTable]) -> str:
    """All tables under each other, the title of each in its first column.

    Example:
        >>> table = MarkedTable.of_text("Errors", ("model", "MAE"), [("EAC", "7.50")])
        >>> print(to_csv([table]).rstrip())
        table,model,MAE
        Errors,EAC,7.50
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for table in tables:
        writer.writerow(("table", *map(csv_cell, table.header)))
        title = csv_cell(table.title)
        writer.writerows((title, *(csv_cell(entry.text) for entry in row)) for row in table.rows)
    return text.getvalue()


def marks(values: Sequence[float | None], *, lowest: bool = True) -> list[Mark]:
    """Which value is the best and which the second; equal values share a mark.

    Example:
        >>> marks([3.0, None, 1.0, 2.0])
        ['', '', 'best', 'second']
    """
    present = sorted({v for v in values if v is not None and v == v}, reverse=not lowest)
    names: dict[float, Mark] = dict(zip(present, ("best", "second"), strict=False))
    return ["" if v is None else names.get(v, "") for v in values]


def _latex_table(table: MarkedTable, label: str) -> str:
    rows = [
        " & ".join(_LATEX[e.mark].format(latex(e.text.strip())) for e in row) + r" \\"
        for row in table.rows
    ]
    lines = [
        r"\begin{table}",
        r"\centering\footnotesize",
        rf"\caption{{{latex(table.title)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}",
        r"\toprule",
        " & ".join(latex(name.strip()) for name in table.header) + r" \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par {latex(note)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
