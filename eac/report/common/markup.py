"""Tables whose best entries are marked, as Markdown, LaTeX or CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Mark: TypeAlias = Literal["", "best", "second"]

_MARKDOWN = {"": "{}", "best": "**{}**", "second": "<u>{}</u>"}
_LATEX = {"": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}
_LATEX_ESCAPES = str.maketrans(
    {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "±": r"$\pm$", "≤": r"$\leq$"}
)


@dataclass(frozen=True)
class Entry:
    """Text of one cell, and whether it is the best or the second of its column."""

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
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()


def to_markdown(table: MarkedTable, level: int = 2) -> str:
    """A heading, the table with best in bold and second underlined, and the notes."""
    lines = [table.header, ("---", *("---:" for _ in table.header[1:]))]
    lines += [tuple(_MARKDOWN[e.mark].format(_cell(e.text)) for e in row) for row in table.rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    notes = "\n".join(f"- {note}" for note in table.notes)
    parts = [f"{'#' * level} {table.title}", text, notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_latex(table: MarkedTable) -> str:
    """A ``table`` environment that needs the package booktabs."""
    columns = "l" + "r" * (len(table.header) - 1)
    lines = [
        r"\begin{table}",
        rf"\caption{{{_latex(table.title)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(_latex, table.header)) + r" \\",
        r"\midrule",
        *(
            " & ".join(_LATEX[e.mark].format(_latex(e.text)) for e in row) + r" \\"
            for row in table.rows
        ),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\footnotesize {_latex(note)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_csv(tables: Sequence[MarkedTable]) -> str:
    """All tables under each other, the title of each in its first column."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for table in tables:
        writer.writerow(("table", *table.header))
        writer.writerows((table.title, *(entry.text for entry in row)) for row in table.rows)
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


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _latex(text: str) -> str:
    return text.translate(_LATEX_ESCAPES)
