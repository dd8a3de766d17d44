"""`eac compare`: runs side by side, with paired tests of their differences."""

import argparse
import sys
from collections.abc import Sequence

from eac.cli.command_parsers import add_tables, command_parser
from eac.errors import EACError
from eac.plain import plain
from eac.report.common.markup import MarkedTable, to_csv, to_latex, to_markdown
from eac.report.common.terminal import console, print_table, say
from eac.report.compare.comparison import Compared, read_runs, tables
from eac.report.compare.verdicts import ONE_SEED, verdicts

EXAMPLES = """\
examples:
  eac compare runs/eac runs/practical                        tables in the terminal
  eac compare runs/eac runs/practical --html compare.html    a page to look at
  eac compare runs/eac runs/practical --latex > tables.tex   tables for a paper

The runs must be of one stream."""


def main(argv: list[str]) -> int:
    """Prints the comparison, or writes it as a page; returns the exit status."""
    arguments = make_parser().parse_args(argv)
    try:
        compared = read_runs(arguments.run_dirs, arguments.reference)
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
    if arguments.markdown or arguments.latex or arguments.csv:
        for remark in compared.remarks:
            print(f"Mind: {plain(remark)}", file=sys.stderr)
    if arguments.markdown:
        print("\n".join(to_markdown(table) for table in shown), end="")
    elif arguments.latex:
        print(to_latex(shown), end="")
    elif arguments.csv:
        print(to_csv(shown), end="")
    else:
        _tell(compared, shown[:1] if arguments.brief else shown, arguments.metric)


def _tell(compared: Compared, shown: Sequence[MarkedTable], metric: str) -> None:
    terminal = console()
    for remark in compared.remarks:
        say(terminal, f"Mind: {remark}", style="bold")
    for table in shown:
        print_table(table, terminal)
        terminal.print()
    for sentence in (*verdicts(compared, metric), ONE_SEED):
        say(terminal, sentence)


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = command_parser(
        "eac compare",
        "Runs side by side: errors by period and horizon, paired tests against the "
        "first run, and cost.\nBest in bold, second underlined.",
        EXAMPLES,
    )
    parser.add_argument(
        "run_dirs",
        nargs="+",
        metavar="RUN",
        help="directories of runs; the first one is what others are tested against",
    )
    parser.add_argument(
        "--reference", default="", metavar="NAME", help="the run others are tested against"
    )
    add_tables(
        parser,
        csv="print the tables as CSV",
        brief="print the periods and what they show, nothing else",
    )
    return parser
