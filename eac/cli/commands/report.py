"""`eac report`: the errors of a run, compared with naive forecasts."""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

from eac.cli.command_parsers import add_tables, command_parser
from eac.errors import EACError, RunError
from eac.plain import plain
from eac.report.common.escapes import json_text
from eac.report.common.summary import read_finished_run, report_json
from eac.report.common.tables import print_run, to_csv, to_latex, to_markdown
from eac.report.common.terminal import console

COLUMNS_AND_EXAMPLES = """\
columns:
  @6     error at step 6 alone; mean: of all steps
  <=6    error over steps 1 to 6; avg: the mean of those values

examples:
  eac report runs/first                        tables in the terminal
  eac report runs/first --all                  the same, with a table for every period
  eac report runs/first --html report.html     a page to look at (eac run writes one, too)
  eac report runs/first --latex > tables.tex   tables for a paper
  eac report runs/first --figures figures      every figure as SVG and PNG
  eac report runs/first --csv > errors.csv     every number, all metrics, one per line"""


def main(argv: list[str]) -> int:
    """Prints the report of one run, or writes its page; returns the exit status."""
    arguments = make_parser().parse_args(argv)
    try:
        if arguments.html or arguments.figures:
            _write(arguments)
        else:
            _print(arguments)
    except EACError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def write_run_page(run_dir: str) -> None:
    """Writes ``report.html`` into a run, or says in one line why there is none; never fails."""
    from eac.report.common.page_parts import MISSING_EXTRA, has_page_libraries
    from eac.report.run.page import PAGE_FILE, write_page

    if not has_page_libraries():
        print(f"no {PAGE_FILE}: {MISSING_EXTRA}", file=sys.stderr)
        return
    path = Path(run_dir) / PAGE_FILE
    try:
        write_page(run_dir, path)
    except Exception as error:  # noqa: BLE001 - the run is done and recorded; this shows it only
        said = f"no {PAGE_FILE}: {error}. Try: eac report {run_dir} --html {path}"
        print(plain(said), file=sys.stderr)
        return
    print(f"page: {path}")


def _print(arguments: argparse.Namespace) -> None:
    run = read_finished_run(arguments.run_dir)
    if arguments.json:
        text = json.dumps(report_json(run), indent=1, ensure_ascii=False, allow_nan=False)
        print(json_text(text))
    elif arguments.markdown:
        print(to_markdown(run, arguments.metric), end="")
    elif arguments.latex:
        print(to_latex(run, arguments.metric), end="")
    elif arguments.csv:
        print(to_csv(run), end="")
    else:
        print_run(run, arguments.metric, console(), every_period=arguments.all)


def _write(arguments: argparse.Namespace) -> None:
    from eac.report.run.page import run_figures, write_page

    if arguments.html:
        write_page(arguments.run_dir, arguments.html, metric=arguments.metric)
        print(f"wrote {arguments.html}")
    if arguments.figures:
        if importlib.util.find_spec("matplotlib") is None:
            raise RunError("figures need matplotlib: pip install 'eac[report]'")
        from eac.report.common.paper_figures import write_figures

        charts = run_figures(arguments.run_dir, metric=arguments.metric)
        for path in write_figures(charts, Path(arguments.figures)):
            print(f"wrote {path}")


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = command_parser(
        "eac report",
        "Print the test errors of a run by period and horizon, with naive\n"
        "forecasts, or write them as one page with figures.",
        COLUMNS_AND_EXAMPLES,
    )
    parser.add_argument("run_dir", help="directory of the run, as given to eac run --run.dir")
    add_tables(
        parser,
        json="print JSON, all metrics",
        csv="print every error, all metrics, one per line",
        all="print a table for every period, not the latest alone",
    )
    parser.add_argument("--figures", metavar="DIR", help="write every figure as SVG and PNG")
    return parser
