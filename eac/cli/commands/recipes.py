"""``eac recipes``: the configurations that come with the package."""

import argparse
from collections.abc import Sequence

from eac.cli.command_parsers import command_parser
from eac.recipes import KINDS, OF_RUNS, find_config, packaged


def main(argv: Sequence[str]) -> int:
    """Lists every configuration with one line each, or prints one of them."""
    arguments = make_parser().parse_args(list(argv))
    if arguments.name:
        path = find_config(arguments.name, tuple(KINDS), prefer="recipes")
        print(path.read_text(encoding="utf-8"), end="")
        return 0
    print("\n".join(_lines()))
    return 0


def _lines() -> list[str]:
    found = packaged()
    names = [config.name for config in found if config.kind in OF_RUNS]
    lines = []
    for kind, use in KINDS.items():
        lines += ["", f"{kind}: {use}"]
        for config in found:
            if config.kind == kind:
                several = kind in OF_RUNS[1:] and names.count(config.name) > 1
                name = config.full_name if several else config.name
                lines.append(f"  {name:<26} {config.about}")
    return lines[1:]


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = command_parser(
        "eac recipes",
        "Lists what -c takes by name, from any directory, or prints one of them.",
        "examples:\n  eac run -c practical --stream counts.csv --run.dir runs/counts\n"
        "  eac run -c eac -c stid --stream counts.csv --run.dir runs/stid\n"
        "  eac recipes practical > mine.yaml        a copy to change: -c mine.yaml",
    )
    parser.add_argument("name", nargs="?", help="print this one")
    return parser
