"""Files as people have them, and the command line that reads them, in this process."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eac.cli.main import main

Check = Callable[..., tuple[int, str]]


def readings(stamps: Sequence, sensors: int = 3) -> pd.DataFrame:
    """Whole counts with a daily wave, one sensor after the other."""
    generator = np.random.default_rng(0)
    wave = 50 + 30 * np.sin(np.arange(len(stamps)) / 24 * 2 * np.pi)
    parts = [
        pd.DataFrame({"unique_id": f"s{i}", "ds": stamps, "y": generator.poisson(wave * (i + 1))})
        for i in range(sensors)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """Runs ``eac data check`` and gives its exit status and all that it printed."""

    def run(path: Path, *flags: str) -> tuple[int, str]:
        try:
            status = main(["data", "check", str(path), *flags])
        except SystemExit as left:
            status = int(left.code or 0)
        printed = capsys.readouterr()
        text = " ".join((printed.out + printed.err).split())
        assert "Traceback" not in text
        assert "np.int64" not in text
        assert "0 days" not in text
        return status, text

    return run
