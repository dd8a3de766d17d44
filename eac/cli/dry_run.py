"""Builds what a run would train, and trains nothing: for those who start many runs."""

import io
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout

from eac.errors import EACError


def mistake(arguments: Sequence[str]) -> str:
    """What is wrong with the arguments of ``eac run``, in one sentence; "" when nothing is.

    Every class, path, stream and setting is looked at; nothing is written.
    """
    from eac.cli.stream_cli import StreamCLI

    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(said), redirect_stdout(said):
        try:
            StreamCLI([*arguments, f"--run.dir={folder}"], run=False)
        except EACError as error:
            return str(error)
        except SystemExit:
            lines = said.getvalue().strip().splitlines() or ["it cannot be parsed"]
            return lines[-1].partition("error: ")[2] or lines[-1]
    return ""
