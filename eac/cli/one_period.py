"""``eac fit|validate|test|predict``: the ordinary LightningCLI on one period."""

from collections.abc import Sequence

from eac.cli.stream_cli import StreamCLI
from eac.training.trainers import quiet_lightning


def main(argv: Sequence[str]) -> int:
    """Runs one of Lightning's subcommands."""
    quiet_lightning()
    StreamCLI(argv, run=True)
    return 0
