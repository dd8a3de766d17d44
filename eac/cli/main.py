"""``eac``: dispatches to one command, importing only what that command needs."""

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from eac import __version__
from eac.cli.short_help import WHAT, short_help
from eac.errors import EACError

ROOM = "eac.cli.commands"

COMMANDS = {
    "data": ("data", "check your own data, describe or convert them, make edges"),
    "run": (
        "run",
        "train and test a stream, period after period; write its report",
    ),
    "report": ("report", "a run as tables, a page, or figures for a paper"),
    "recipes": ("recipes", "what -c takes by name: recipes, strategies, backbones"),
    "predict": ("predict", "forecast from recent readings with a run"),
    "backtest": ("backtest", "forecasts as they would have been issued, with late readings"),
    "monitor": ("monitor", "find sensors that are silent, stuck, shifted, ... in readings"),
    "serve": ("serve", "answer requests for forecasts, with intervals, over HTTP"),
    "artifacts": ("artifacts", "what a run has left: list, compare, move, roll back"),
    "export": ("export", "the model of a run as a program: torch.export, ONNX"),
    "doctor": ("doctor", "what is damaged in a run, and what to do"),
    "compare": ("compare", "runs side by side, with significance"),
    "benchmark": ("benchmark", "strategies x streams x seeds, in one table"),
    "study": (
        "study",
        "how much sensors differ, and how far prompts can be compressed",
    ),
    "fit": ("one_period", "train on one period (LightningCLI)"),
    "validate": ("one_period", "validate on one period (LightningCLI)"),
    "test": ("one_period", "test on one period (LightningCLI)"),
}


BROKEN_PIPE = 141
"""What a shell reports of a process that SIGPIPE ended."""
INTERRUPTED = 130
"""What a shell reports of a process that SIGINT ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status; errors of use become one sentence."""
    args = list(sys.argv[1:] if argv is None else argv)
    # Threads that wait for each other spin for a moment, then sleep: on a busy machine a run of
    # many small steps is ten times slower where they spin on, and on an idle one half as fast where
    # they sleep at once (docs/scaling.md). Read once, when torch is first imported.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    try:
        status = _dispatch(args)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print(f"eac: stopped.{_how_to_go_on(args)}", file=sys.stderr)
        return INTERRUPTED
    return status


def _dispatch(args: list[str]) -> int:
    if not args or args[0] in ("-h", "--help"):
        print(_help())
        return 0
    if args[0] in ("-V", "--version"):
        print(f"eac {__version__}")
        return 0
    command, *rest = args
    try:
        if command.split("=")[0] == "--print_completion":
            from eac.cli.completion import completion

            print(completion(command.partition("=")[2] or "".join(rest[:1])), end="")
            return 0
        return _run(command, rest)
    except EACError as error:
        print(f"eac {command}: error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"eac {command}: error: {_of_system(error)}", file=sys.stderr)
        return 1


def _run(command: str, args: list[str]) -> int:
    if command not in COMMANDS:
        print(f"eac: error: {_unknown(command)}", file=sys.stderr)
        return 2
    if command in WHAT and (not args or {"-h", "--help"} & set(args)):
        print(short_help(command), file=sys.stdout if args else sys.stderr)
        return 0 if args else 2
    name = f"{ROOM}.{COMMANDS[command][0]}"
    if command in WHAT:
        args = ["--help" if arg == "--help_all" else arg for arg in args]
    if name.endswith("one_period"):
        args = [command, *args]
    return _imported(name).main(args)


def _imported(name: str) -> ModuleType:
    """A module; the million objects that its imports make are not searched for garbage."""
    if name not in sys.modules:
        gc.disable()
        try:
            importlib.import_module(name)
        finally:
            gc.enable()
        gc.freeze()
    return importlib.import_module(name)


def _forget_stdout() -> None:
    """Lets nothing more be written to a reader that went away, such as ``head``."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def _how_to_go_on(args: Sequence[str]) -> str:
    for position, arg in enumerate(args):
        name, _, value = arg.partition("=")
        if args[0] == "run" and name in ("--run.dir", "--resume"):
            directory = value or "".join(args[position + 1 : position + 2])
            return f" Go on with: eac run --resume {directory}"
    return ""


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
            "first run:   eac run -c eac --stream datasets/sample --run.dir runs/first",
            "your data:   eac data check counts.csv      (columns unique_id, ds, y)",
            "             eac run -c practical --stream counts.csv --run.dir runs/counts",
            "             eac predict --run runs/counts --input counts.csv --output forecasts.csv",
            "more help:   eac COMMAND --help",
            'completion:  eval "$(eac --print_completion bash)"      (or zsh)',
        ]
    )


def _of_system(error: OSError) -> str:
    """What the system refuses, as a sentence that names the file."""
    name = "" if error.filename is None else f"{error.filename}: "
    reason = (error.strerror or str(error)).rstrip(".")
    return f"{name}{reason[:1].lower()}{reason[1:]}. Give another path, or make room there."


def _unknown(command: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(command, COMMANDS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"there is no command {command!r}.{hint} Commands: {', '.join(COMMANDS)}."
