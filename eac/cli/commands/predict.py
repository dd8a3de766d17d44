"""``eac predict``: forecasts of a finished run, or LightningCLI's predict on one period."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eac.cli.command_parsers import add_trust, command_parser, table_to_write
from eac.cli.reading_flags import add_reading_flags, form_of
from eac.errors import StreamError
from eac.files import write_frame
from eac.plain import one_line, plain

LONG_AFTER_DAYS = 28
"""Days without training after which forecasts are said to be old."""
EXAMPLE_AND_DEVICES = """\
example:
  eac predict --run runs/counts --input counts.csv --output forecasts.csv

The input reaches back one window at least, and weeks where the model looks at them. Forecasts of a
run are made on the CPU in full precision, on whatever it was trained.

Without --run this is LightningCLI's predict on the test part of one period of a stream, which
takes --trainer.accelerator, --trainer.devices and --trainer.precision. All of its settings:
eac predict --help_all"""


def main(argv: Sequence[str]) -> int:
    """Forecasts from a run when ``--run`` is given; otherwise runs Lightning's subcommand."""
    arguments = list(argv)
    if "--help_all" in arguments:
        return _lightning(["--help"])
    asked = not arguments or any(
        arg in ("-h", "--help") or arg.split("=")[0] == "--run" for arg in arguments
    )
    return _predict(make_parser().parse_args(arguments)) if asked else _lightning(arguments)


def _lightning(argv: list[str]) -> int:
    from eac.cli.commands import one_period

    return one_period.main(["predict", *argv])


def _predict(arguments: argparse.Namespace) -> int:
    output = table_to_write(arguments.output, arguments.input, arguments.edges)
    from eac.data.parsing import tabular
    from eac.data.readers.frame_files import read_frame
    from eac.serving.predictor import load_run

    frame, form = read_frame(Path(arguments.input), form_of(arguments), "input")
    edges = arguments.edges and tabular.read_text(Path(arguments.edges), "edges", form)
    run = load_run(
        arguments.run,
        period=arguments.period,
        trust=arguments.trust,
        time_zone=arguments.time_zone,
    )
    forecasts = run.predict(frame, edges, levels=arguments.level, form=form)
    if not len(forecasts):
        raise StreamError(f"no sensor can be forecast: {_why(forecasts.attrs['skipped'])}")
    write_frame(output, forecasts, index=False)
    _summarise(forecasts, output, Console())
    for warning in forecasts.attrs["warnings"]:
        print(plain(f"warning: {warning}"), file=sys.stderr)
    gap = _gap(Path(arguments.run), forecasts["ds"])
    if gap:
        print(gap, file=sys.stderr)
    return 0


def _why(skipped: dict[str, str]) -> str:
    """The reasons of the first sensors without a forecast."""
    shown = [f"{one_line(node)}: {one_line(reason)}" for node, reason in list(skipped.items())[:3]]
    more = f" ({len(skipped) - 3} more sensors)" if len(skipped) > 3 else ""
    return f"{'; '.join(shown) or 'the input holds none'}{more}. Give longer or mended readings."


def _gap(run_dir: Path, stamps: pd.Series) -> str:
    """What to know of forecasts that begin long after the run's last reading; "" otherwise."""
    from eac.artifacts.kept import newest_folder
    from eac.records.details import read_details

    details = read_details(newest_folder(run_dir))
    last = "" if details is None else details.quality.last
    if "-" not in last:  # a slot: the run has no real time
        return ""
    times = stamps.drop_duplicates().sort_values()
    step = times.diff().max().days if len(times) > 1 else 0
    days = (times.iloc[0].tz_localize(None) - pd.Timestamp(last).tz_localize(None)).days
    if days <= max(LONG_AFTER_DAYS, 2 * step):
        return ""
    return (
        f"note: these forecasts begin {days} days after the last reading that the run was trained "
        f"on ({last}); what changed since, it has not learned. Train what has arrived: eac run "
        f"--resume {run_dir}"
    )


def _summarise(forecasts: pd.DataFrame, output: Path, console: Console) -> None:
    """What was written, and what could not be."""
    notes = forecasts.groupby("unique_id", sort=False)["note"].first()
    counts = "1 sensor" if len(notes) == 1 else f"{len(notes)} sensors"
    marked = {word: int(notes.str.contains(word).sum()) for word in ("cold start", "silent")}
    counts += "".join(f", {count} {word}" for word, count in marked.items() if count)
    when = f", {forecasts['ds'].min()} to {forecasts['ds'].max()}" if len(forecasts) else ""
    console.print(f"wrote {escape(str(output))}: {counts}{when}", highlight=False, soft_wrap=True)
    skipped = forecasts.attrs["skipped"]
    if not skipped:
        return
    sensors = "1 sensor" if len(skipped) == 1 else f"{len(skipped)} sensors"
    table = Table(title=f"{sensors} without a forecast", box=box.SIMPLE_HEAD)
    table.add_column("unique_id")
    table.add_column("reason", overflow="fold")
    for node, reason in skipped.items():
        table.add_row(escape(one_line(node)), escape(one_line(reason)))
    console.print(table)


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = command_parser(
        "eac predict",
        "Forecasts what comes after the last time stamp of the input, with what a run\n"
        "has learned. A sensor that the run has never seen is forecast too, and flagged.",
        EXAMPLE_AND_DEVICES,
    )
    add = parser.add_argument
    add("--run", required=True, metavar="DIR", help="directory of a run, finished or running")
    add(
        "--input",
        required=True,
        metavar="FILE",
        help="recent readings: a table with unique_id, ds, y, or the columns named below",
    )
    add(
        "--output",
        required=True,
        metavar="FILE",
        help="forecasts unique_id, ds, y_hat, note: .csv or .parquet",
    )
    add("--period", metavar="NAME", help="name or position of the period to forecast with")
    add_trust(parser)
    add(
        "--level",
        type=int,
        nargs="+",
        default=(),
        metavar="PERCENT",
        help="add intervals y_hat-lo-80, y_hat-hi-80, ... that hold so many percent of readings",
    )
    add(
        "--edges",
        metavar="FILE",
        help="CSV with source, target, weight (default: the edges of the run's last period)",
    )
    add_reading_flags(parser)
    return parser
