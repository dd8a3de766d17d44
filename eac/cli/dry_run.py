"""Builds what a run would train, and trains nothing: for those who start many runs."""

import io
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

from eac.errors import ConfigError, EACError

if TYPE_CHECKING:
    from eac.cli.stream_cli import StreamCLI


def built(arguments: Sequence[str]) -> "StreamCLI":
    """What a run of these arguments would train.

    Raises:
        ConfigError: Where a command would end with what is wrong.
    """
    from eac.cli.stream_cli import StreamCLI

    said = io.StringIO()
    try:
        with redirect_stderr(said):
            made = StreamCLI([*arguments], run=False)
    except SystemExit:
        lines = said.getvalue().strip().splitlines() or ["it cannot be parsed"]
        raise ConfigError(lines[-1].partition("error: ")[2] or lines[-1]) from None
    sys.stderr.write(said.getvalue())
    return made


def mistake(arguments: Sequence[str]) -> str:
    """What is wrong with the arguments of ``eac run``, in one sentence; "" when nothing is.

    Every class, path, stream and setting is looked at; nothing is written.
    """
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(said), redirect_stdout(said):
        try:
            built([*arguments, f"--run.dir={folder}"])
        except EACError as error:
            return str(error)
    return ""
