"""``eac predict``: forecasts of a finished run, or LightningCLI's predict on one period."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eac.errors import ConfigError
from eac.files import write_frame
from eac.plain import one_line

SUFFIXES = (".parquet", ".csv")
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
    return _predict(_parser().parse_args(arguments)) if asked else _lightning(arguments)


def _lightning(argv: list[str]) -> int:
    from eac.cli.commands import one_period

    return one_period.main(["predict", *argv])


def _predict(arguments: argparse.Namespace) -> int:
    output = Path(arguments.output)
    if output.suffix not in SUFFIXES:
        raise ConfigError(f"--output {output}: give a file that ends in .parquet or .csv.")
    from eac.data.readers import tabular
    from eac.serving.predictor import load_run

    frame = tabular.read_long(Path(arguments.input), "input")
    edges = arguments.edges and tabular.read_text(Path(arguments.edges), "edges")
    forecasts = load_run(arguments.run).predict(frame, edges)
    write_frame(output, forecasts, index=False)
    _summarise(forecasts, output, Console())
    return 0


def _summarise(forecasts: pd.DataFrame, output: Path, console: Console) -> None:
    """What was written, and what could not be."""
    notes = forecasts.groupby("unique_id", sort=False)["note"].first()
    counts = f"{len(notes)} sensors"
    marked = {word: int(notes.str.contains(word).sum()) for word in ("cold start", "silent")}
    counts += "".join(f", {count} {word}" for word, count in marked.items() if count)
    when = f", {forecasts['ds'].min()} to {forecasts['ds'].max()}" if len(forecasts) else ""
    console.print(f"wrote {escape(str(output))}: {counts}{when}", highlight=False, soft_wrap=True)
    skipped = forecasts.attrs["skipped"]
    if not skipped:
        return
    table = Table(title=f"{len(skipped)} sensors without a forecast", box=box.SIMPLE_HEAD)
    table.add_column("unique_id")
    table.add_column("reason", overflow="fold")
    for node, reason in skipped.items():
        table.add_row(escape(one_line(node)), escape(one_line(reason)))
    console.print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "eac predict",
        description="Forecasts what comes after the last time stamp of the input, with what a run\n"
        "has learned. A sensor that the run has never seen is forecast too, and flagged.",
        epilog=EXAMPLE_AND_DEVICES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--run", required=True, metavar="DIR", help="directory of a run, finished or running")
    add(
        "--input",
        required=True,
        metavar="FILE",
        help="recent readings: .csv or .parquet with unique_id, ds, y",
    )
    add(
        "--output",
        required=True,
        metavar="FILE",
        help="forecasts unique_id, ds, y_hat, note: .csv or .parquet",
    )
    add(
        "--edges",
        metavar="FILE",
        help="CSV with source, target, weight (default: the edges of the run's last period)",
    )
    return parser
