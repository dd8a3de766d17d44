"""``eac export``: the model of a run as a program for torch.export or ONNX."""

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from eac.cli.command_parsers import add_trust, command_parser
from eac.errors import RunError

EXAMPLE = """\
example:
  eac export runs/counts --format onnx --output counts-onnx

The folder holds the program, the prompts, scales and edges of the sensors (nodes.safetensors), and
what it takes and gives (program.json). It forecasts any number of sensors and edges, and is
compared with the run before it is written."""


def main(argv: Sequence[str]) -> int:
    """Writes the program of one run."""
    arguments = make_parser().parse_args(list(argv))
    if arguments.format == "onnx":
        needed = ("onnx", "onnxscript", "onnxruntime")
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if missing:
            raise RunError(f"--format onnx needs {', '.join(missing)}: pip install 'eac[export]'")
    from eac.export.write import export_run

    checked = export_run(
        Path(arguments.run_dir),
        Path(arguments.output),
        arguments.format,
        period=arguments.period,
        trust=arguments.trust,
    )
    for one in checked:
        print(f"{one.nodes} sensors, {one.edges} edges: {one.difference:.1e} of the forecast off")
    print(f"wrote {arguments.output}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = command_parser(
        "eac export",
        "Writes the model of a run as a program of tensors alone, to forecast without\n"
        "this package.",
        EXAMPLE,
    )
    add = parser.add_argument
    add("run_dir", metavar="RUN", help="directory of the run")
    add("--format", required=True, choices=["torch", "onnx"], help="torch.export, or ONNX")
    add("--output", required=True, metavar="FOLDER", help="does not exist yet")
    add("--period", help="period or artifact to export (default: the one in use)")
    add_trust(parser)
    return parser
