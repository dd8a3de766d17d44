"""`eac compare`: runs side by side, with paired tests of their differences."""

import argparse
import sys

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eac.errors import EACError
from eac.records.horizon_table import METRICS
from eac.report.common.markup import MarkedTable, to_csv, to_latex, to_markdown
from eac.report.compare.comparison import Compared, read_runs, tables, verdicts

WIDE = 120
EXAMPLES = """\
examples:
  eac compare runs/eac runs/practical                        tables in the terminal
  eac compare runs/eac runs/practical --html compare.html    a page to look at
  eac compare runs/eac runs/practical --latex > tables.tex   tables for a paper

The runs must be of one stream."""
STYLES = {"": "{}", "best": "[bold]{}[/]", "second": "[underline]{}[/]"}


def main(argv: list[str]) -> int:
    """Prints the comparison, or writes it as a page; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        compared = read_runs(arguments.run_dirs)
        if arguments.html:
            from eac.report.compare.compare_page import write_comparison

            write_comparison(compared, arguments.html, metric=arguments.metric)
            print(f"wrote {arguments.html}")
        else:
            _print(compared, arguments)
    except EACError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _print(compared: Compared, arguments: argparse.Namespace) -> None:
    shown = list(tables(compared, arguments.metric))
    if arguments.markdown:
        print("\n".join(to_markdown(table) for table in shown), end="")
    elif arguments.latex:
        print("\n".join(to_latex(table) for table in shown), end="")
    elif arguments.csv:
        print(to_csv(shown), end="")
    else:
        console = Console(width=None if sys.stdout.isatty() else WIDE)
        for remark in compared.remarks:
            console.print(f"[bold]Mind:[/] {escape(remark)}", highlight=False)
        for table in shown:
            console.print(_rich_table(table))
            for note in table.notes:
                console.print(escape(note), highlight=False)
            console.print()
        for sentence in verdicts(compared, arguments.metric):
            console.print(escape(sentence), highlight=False)


def _rich_table(marked: MarkedTable) -> Table:
    table = Table(title=escape(marked.title), title_justify="left", box=box.SIMPLE_HEAD)
    for position, name in enumerate(marked.header):
        table.add_column(escape(name), justify="right" if position else "left")
    for row in marked.rows:
        table.add_row(*(STYLES[entry.mark].format(escape(entry.text)) for entry in row))
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "eac compare",
        description="Runs side by side: errors by period and horizon, paired tests against the "
        "first run, and cost.\nBest in bold, second underlined.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run_dirs",
        nargs="+",
        metavar="RUN",
        help="directories of runs; the first one is what others are tested against",
    )
    parser.add_argument(
        "--metric", choices=METRICS, default="MAE", help="metric of the tables (default: MAE)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print Markdown")
    form.add_argument("--latex", action="store_true", help="print LaTeX tables (booktabs)")
    form.add_argument("--csv", action="store_true", help="print the tables as CSV")
    form.add_argument("--html", metavar="FILE", help="write one self-contained page")
    return parser
