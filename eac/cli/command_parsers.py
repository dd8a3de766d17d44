"""What parsers of commands have in common: their form, and arguments that several commands take."""

import argparse
import os
from pathlib import Path

from eac.errors import ConfigError
from eac.records.horizon_table import METRICS

ZONE_HELP = "zone whose clock the run follows, where it was trained on one offset alone"


def command_parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """A parser of one command, whose help keeps the lines of its texts.

    Args:
        name: As it is called: ``eac report``.
        description: What the command does.
        epilog: Examples, and whatever follows the arguments.

    Example:
        >>> command_parser("eac doctor", "Examines a run.", "examples: ...").prog
        'eac doctor'
    """
    return argparse.ArgumentParser(
        name,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def table_to_write(output: str, *inputs: str | Path | None) -> Path:
    """The path of ``--output``, a table that takes the place of nothing that is read.

    Args:
        output: As given.
        inputs: Files and folders that are read; None is none.

    Raises:
        ConfigError: If it is no table, or one of the inputs, or in the folder of one.

    Example:
        >>> table_to_write("forecasts.csv", "counts.csv").name
        'forecasts.csv'
    """
    path = Path(output)
    if path.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"--output {path}: give a file that ends in .parquet or .csv.")
    for one in filter(None, inputs):
        read, written = Path(os.path.realpath(one)), Path(os.path.realpath(path))
        if written == read or (read.is_dir() and read in written.parents):
            raise ConfigError(
                f"--output {path} would be written over or among the readings of {one}. Give "
                "another file."
            )
    return path


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Adds the modules whose classes a command may load.

    Example:
        >>> parser = command_parser("eac predict", "", "")
        >>> add_trust(parser)
        >>> parser.parse_args(["--trust", "my.module"]).trust
        ['my.module']
    """
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="MODULE",
        help="module with classes of your own that the run names; others are never loaded",
    )


def add_monitor(parser: argparse.ArgumentParser) -> None:
    """Adds what a monitor does about events, and how often it may be wrong.

    Example:
        >>> parser = command_parser("eac monitor", "", "")
        >>> add_monitor(parser)
        >>> parser.parse_args(["--policy", "stuck=ask"]).policy
        ['stuck=ask']
    """
    parser.add_argument(
        "--policy", nargs="*", default=[], metavar="KIND=ACTION", help="what is done about an event"
    )
    parser.add_argument(
        "--alarms",
        type=float,
        default=0.125,
        metavar="N",
        help="false alarms of the whole network in a week (default: 0.125)",
    )


def add_tables(parser: argparse.ArgumentParser, **more: str) -> None:
    """Adds the metric of tables and the forms they can be printed in, of which one is chosen.

    Args:
        parser: Gets the arguments.
        **more: Further forms, by the name of their flag, and the help of each.
    """
    parser.add_argument(
        "--metric", choices=METRICS, default="MAE", help="metric of the tables (default: MAE)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print Markdown")
    form.add_argument("--latex", action="store_true", help="print LaTeX tables (booktabs)")
    for name, text in more.items():
        form.add_argument(f"--{name}", action="store_true", help=text)
    form.add_argument("--html", metavar="FILE", help="write one self-contained page")
