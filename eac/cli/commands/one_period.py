"""``eac fit|validate|test|predict``: the ordinary LightningCLI on one period."""

import sys
from collections.abc import Sequence

from eac.cli.stream_cli import StreamCLI
from eac.errors import CheckpointError
from eac.rundir.interruption import Interrupted, interruptible

CHOSEN_LATER = ("best", "last")
"""Words for a checkpoint that Lightning looks for itself."""


def main(argv: Sequence[str]) -> int:
    """Runs one of Lightning's subcommands; 143 after SIGTERM and 130 after Ctrl-C.

    Raises:
        CheckpointError: If ``--ckpt_path`` names no checkpoint.
    """
    for position, arg in enumerate(argv):
        flag, _, value = arg.partition("=")
        if flag == "--ckpt_path":
            _check_checkpoint(value or "".join(argv[position + 1 : position + 2]))
    with interruptible():
        try:
            StreamCLI(argv, run=True)
        except Interrupted as stop:
            print(f"eac: stopped by {stop.name}; the work is not finished.", file=sys.stderr)
            return stop.status
    return 0


def _check_checkpoint(path: str) -> None:
    import torch

    if path in CHOSEN_LATER:
        return
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file that is none fails in as many ways as there are bytes
        raise CheckpointError(
            f"--ckpt_path {path}: there is no checkpoint that can be read. Give a .ckpt file that "
            "eac fit wrote."
        ) from error
