"""``eac``: dispatches to one command, importing only what that command needs."""

import importlib
import sys
from collections.abc import Sequence

from eac import __version__
from eac.errors import EACError

COMMANDS = {
    "run": ("eac.cli.run", "train and test a whole stream, period after period"),
    "report": ("eac.cli.report", "tables of a finished or running run"),
    "compare": ("eac.cli.compare", "runs side by side, with significance"),
    "benchmark": ("eac.cli.benchmark", "compare strategies on streams: a grid of runs, one table"),
    "study": ("eac.cli.study", "heterogeneity of a stream, or spectrum of a run's prompts"),
    "data": ("eac.cli.data", "check, describe or convert a stream"),
    "fit": ("eac.cli.one_period", "train on one period (LightningCLI)"),
    "validate": ("eac.cli.one_period", "validate on one period (LightningCLI)"),
    "test": ("eac.cli.one_period", "test on one period (LightningCLI)"),
    "predict": ("eac.cli.one_period", "forecast the test part of one period (LightningCLI)"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status; errors of use become one sentence."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help"):
        print(_help())
        return 0
    if args[0] in ("-V", "--version"):
        print(f"eac {__version__}")
        return 0
    command = args.pop(0)
    if command not in COMMANDS:
        print(f"eac: error: {_unknown(command)}", file=sys.stderr)
        return 2
    module = importlib.import_module(COMMANDS[command][0])
    if COMMANDS[command][0].endswith("one_period"):
        args.insert(0, command)
    try:
        return module.main(args)
    except EACError as error:
        print(f"eac {command}: error: {error}", file=sys.stderr)
        return 1


def _help() -> str:
    lines = [f"  {name:<10} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: eac COMMAND [OPTIONS]",
            "",
            "Forecasts on sensor networks that grow, shrink and drift.",
            "",
            "commands:",
            *lines,
            "",
            "start with:  eac run -c configs/recipes/eac.yaml --stream datasets/sample "
            "--run.dir runs/first",
            "more help:   eac COMMAND --help",
        ]
    )


def _unknown(command: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(command, COMMANDS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"there is no command {command!r}.{hint} Commands: {', '.join(COMMANDS)}."
