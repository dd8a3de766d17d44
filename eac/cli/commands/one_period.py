"""``eac fit|validate|test|predict``: the ordinary LightningCLI on one period."""

import sys
from collections.abc import Sequence

from eac.cli.stream_cli import StreamCLI
from eac.rundir.interruption import Interrupted, interruptible


def main(argv: Sequence[str]) -> int:
    """Runs one of Lightning's subcommands; 143 after SIGTERM and 130 after Ctrl-C."""
    with interruptible():
        try:
            StreamCLI(argv, run=True)
        except Interrupted as stop:
            print(f"eac: stopped by {stop.name}; the work is not finished.", file=sys.stderr)
            return stop.status
    return 0
