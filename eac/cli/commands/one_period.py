"""``eac fit|validate|test|predict``: the ordinary LightningCLI on one period."""

from collections.abc import Sequence

from eac.cli.stream_cli import StreamCLI


def main(argv: Sequence[str]) -> int:
    """Runs one of Lightning's subcommands."""
    StreamCLI(argv, run=True)
    return 0
