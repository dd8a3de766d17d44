"""`eac report`: the errors of a run beside those of naive forecasts."""

import argparse
import json
import sys

from rich.console import Console

from eac.errors import EACError
from eac.record import METRICS
from eac.report.summary import read_finished_run, report_json
from eac.report.tables import print_run, to_csv, to_markdown

WIDE = 120


def main(argv: list[str]) -> int:
    """Prints the report of one run; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        run = read_finished_run(arguments.run_dir)
    except EACError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(report_json(run), indent=1, ensure_ascii=False, allow_nan=False))
    elif arguments.markdown:
        print(to_markdown(run, arguments.metric), end="")
    elif arguments.csv:
        print(to_csv(run), end="")
    else:
        print_run(run, arguments.metric, Console(width=None if sys.stdout.isatty() else WIDE))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "eac report",
        description="Print the test errors of a run by period and horizon, beside naive forecasts.",
        epilog='Columns: "@6" is the error at step 6 alone and "mean" the mean of all steps; '
        '"<=6" is the error over steps 1 to 6 and "avg" the mean of those values. '
        "--json and --csv hold all metrics.",
    )
    parser.add_argument("run_dir", help="directory of the run, as given to eac run --run.dir")
    parser.add_argument(
        "--metric", choices=METRICS, default="MAE", help="metric of the tables (default: MAE)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print Markdown")
    form.add_argument("--csv", action="store_true", help="print every error, one per line")
    return parser
