"""What parsers of commands have in common: their form, and arguments that several commands take."""

import argparse

from eac.records.horizon_table import METRICS


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
