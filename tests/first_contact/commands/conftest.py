"""What a new user has: a file of counts, a stream, a finished run; and what the command answers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eac.cli.main import main
from eac.data.manage.convert import convert
from tests.streams import tiny_stream

SMALL = ("--model.backbone.hidden", "8", "--trainer.max_epochs", "1")


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The last line on stderr, after the name of the command."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        return lines[-1].partition("error: ")[2] if lines else ""


Asked = Callable[..., Answer]


def counts(hours: int = 24 * 21) -> pd.DataFrame:
    """Three sensors with a daily wave, hourly, from Monday the first of January 2024."""
    stamps = pd.date_range("2024-01-01", periods=hours, freq="h")
    wave = 10 + 3 * np.sin(np.arange(hours) / 24 * 2 * np.pi)
    frames = [pd.DataFrame({"unique_id": node, "ds": stamps, "y": wave}) for node in "abc"]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    """A folder with counts.csv and, in ``runs/counts``, a run on it."""
    folder = tmp_path_factory.mktemp("place")
    counts().to_csv(folder / "counts.csv", index=False)
    convert(tiny_stream(["abcd", "abcde"]), folder / "stream", "npz")
    given = ["-c", "eac", "--stream", str(folder / "counts.csv"), *SMALL]
    assert main(["run", *given, "--run.dir", str(folder / "runs" / "counts")]) == 0
    return folder


@pytest.fixture
def ask(place, tmp_path, monkeypatch, capsys) -> Asked:
    """Calls ``eac`` in an empty folder beside the counts, the stream and the run."""
    for name in ("counts.csv", "stream", "runs"):
        (tmp_path / name).symlink_to(place / name)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()

    def call(*arguments: str) -> Answer:
        try:
            status = main(list(arguments))
        except SystemExit as stop:
            status = int(stop.code or 0)
        printed = capsys.readouterr()
        return Answer(status, printed.out, printed.err)

    return call


@pytest.fixture
def run(ask) -> Asked:
    """Calls ``eac run`` with the published recipe on the tiny stream."""
    fixed = ("run", "-c", "eac", "--stream", "stream", "--run.dir", "r", *SMALL)
    return lambda *more: ask(*fixed, *more)
