"""Runs that older versions made, copied where they may be changed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

OLD_RUNS = Path(__file__).parents[1] / "old_runs"


@pytest.fixture
def old_run(tmp_path) -> Callable[[str], Path]:
    """Gives a copy of one of the runs in ``tests/old_runs``."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(OLD_RUNS / name, tmp_path / name))

    return copy
