"""Tables and sentences in a terminal: numbers stay whole at any width, names stay harmless."""

import os
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eac.plain import cells_wide, one_line, plain
from eac.report.common.markup import MarkedTable

UNKNOWN_WIDTH = 120
"""Columns where the output is no terminal, such as a file."""
LABEL = (28, 14)
"""Labels are folded to the first of these before a column is left out that is not spare; then to
the second."""
HEADING = 12
"""Words of a heading longer than this are folded."""
_WORDS = 20
_GAP = 2
STYLES = {"": "", "best": "bold", "second": "underline", "bad": "red"}


def console() -> Console:
    """The terminal, or a page of 120 columns (or of ``COLUMNS``) where there is none.

    Example:
        >>> console().width >= 40
        True
    """
    known = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(width=None if known else UNKNOWN_WIDTH)


def say(to: Console, sentence: str, style: str = "") -> None:
    """Prints a sentence that may hold names.

    Example:
        >>> say(Console(width=40), "sensor a is silent")
        sensor a is silent
    """
    to.print(Text(plain(sentence), style=style), highlight=False)


def print_table(table: MarkedTable, to: Console) -> None:
    """Prints a table and its notes; columns that do not fit are left out, and named below.

    Example:
        >>> import io
        >>> table = MarkedTable.of_text("Errors", ("model", "MAE"), [("EAC", "7.50")])
        >>> page = Console(width=40, record=True, file=io.StringIO())
        >>> print_table(table, to=page)
        >>> page.export_text().split()
        ['Errors', 'model', 'MAE', '────────────', 'EAC', '7.50']
    """
    chosen = fitting(table, to.width)
    widths = _widths(table, chosen, to.width)
    shown = Table(
        title=Text(one_line(table.title)),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for position, width in zip(chosen, widths, strict=True):
        shown.add_column(
            Text(one_line(table.header[position])),
            justify="right" if position else "left",
            width=width,
            overflow="fold",
        )
    for row in table.rows:
        cells = (row[position] for position in chosen)
        shown.add_row(*(Text(one_line(e.text), style=STYLES[e.mark]) for e in cells))
    to.print(shown)
    for note in table.notes:
        say(to, f"  note: {note}")
    absent = [name for position, name in enumerate(table.header) if position not in chosen]
    if absent:
        say(to, f"  not shown at {to.width} columns: {', '.join(absent)}", style="dim")


def fitting(table: MarkedTable, width: int) -> list[int]:
    """Positions of the columns that fit whole into ``width``; the first always stays.

    Spare columns go first, then the last ones.

    Example:
        >>> table = MarkedTable.of_text("t", ("a", "b", "c"), [("x", "1.0", "123456")], (), ("b",))
        >>> fitting(table, 40), fitting(table, 14), fitting(table, 8)
        ([0, 1, 2], [0, 2], [0])
    """
    chosen = list(range(len(table.header)))
    spare = [table.header.index(name) for name in table.spare if name in table.header]
    others = [p for p in reversed(chosen) if p and p not in spare]
    for label, order in ((LABEL[0], spare), (LABEL[1], others)):
        for position in order:
            if _needed(table, chosen, label) <= width:
                break
            chosen.remove(position)
    return chosen


def _needed(table: MarkedTable, chosen: Sequence[int], label: int) -> int:
    return sum(_least(table, position, label) + _GAP for position in chosen) + 1


def _widths(table: MarkedTable, chosen: Sequence[int], width: int) -> list[int]:
    """The least that each column needs, and what is left over where it is wanted."""
    label = LABEL[0] if _needed(table, chosen, LABEL[0]) <= width else LABEL[1]
    widths = [_least(table, position, label) for position in chosen]
    left = width - _needed(table, chosen, label)
    for index, position in enumerate(chosen):
        given = max(0, min(left, _most(table, position) - widths[index]))
        widths[index] += given
        left -= given
    return [max(1, min(value, width - _GAP - 1)) for value in widths]


def _least(table: MarkedTable, position: int, label: int) -> int:
    """Columns that hold every number and word; labels and sentences may be folded at spaces."""
    heads = [min(HEADING, cells_wide(word)) for word in one_line(table.header[position]).split()]
    words = []
    for row in table.rows:
        cell = one_line(row[position].text)
        short = position == 0 or cells_wide(cell) <= _WORDS
        words += [cells_wide(cell)] if short else [cells_wide(word) for word in cell.split()]
    least = max([*heads, *words], default=1)
    return min(least, label) if position == 0 else least


def _most(table: MarkedTable, position: int) -> int:
    texts = [table.header[position], *(row[position].text for row in table.rows)]
    return max(cells_wide(one_line(text)) for text in texts)
