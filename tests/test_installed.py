"""From a wheel in an empty folder: both doors of the README, the notebook, docs/own-data.md.

The commands are those of the pages, word by word. Trainings get fewer epochs, nothing else.
"""

import json
import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pandas as pd
import pytest

from tests.test_docs import NOTEBOOK, REPOSITORY, blocks
from tests.test_recipes import SOURCES

README, OWN_DATA = REPOSITORY / "README.md", REPOSITORY / "docs" / "own-data.md"
FEWER = " --trainer.max_epochs 2"
PRELUDE = """
from eac.training.trainers import DefaultTrainer
DefaultTrainer.__init__.__defaults__ = (1, 6, False)
"""


def in_blocks(page: Path) -> list[str]:
    """The lines of a page's blocks that call eac."""
    lines = "\n".join(blocks(page, "")).splitlines()
    return [line for line in lines if line.startswith("eac ")]


def in_tables(page: Path) -> list[str]:
    """The commands that the tables of a page say, which need nothing filled in."""
    rows = [row for row in page.read_text("utf-8").splitlines() if row.startswith("|")]
    found = re.findall(r"`(eac [^`]+)`", "\n".join(rows))
    return [command for command in dict.fromkeys(found) if "..." not in command]


def own_data_commands() -> list[str]:
    """The commands on counts.csv and on the folder counts/, in the order of the pages."""
    said = [line for line in in_blocks(README) if "counts" in line]
    tables = [*in_tables(README), *in_tables(OWN_DATA)]
    further = [c for c in tables if "counts" in c and "--watch" not in c and c not in said]
    return said + list(dict.fromkeys(further))


def study_commands() -> list[str]:
    """The commands of the door to the methods that name what they need."""
    said = [line for line in in_blocks(README) if "counts" not in line]
    return said + [c for c in in_tables(README) if "runs/first" in c]


def test_the_pages_name_commands_for_both_doors():
    own, study = own_data_commands(), study_commands()
    assert [command.split()[1] for command in own[:4]] == ["data", "run", "report", "predict"]
    assert {command.split()[1] for command in own[4:]} >= {"run", "doctor", "data"}
    assert [command.split()[1] for command in study][:4] == ["run", "run", "compare", "report"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A Python environment with the wheel; libraries come from the one that runs the tests."""
    sources, place = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("installed")
    for name in SOURCES:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, sources / name)
        else:
            shutil.copy(REPOSITORY / name, sources / name)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(place)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=sources, check=True, capture_output=True)
    venv.create(place / "venv", symlinks=True)
    python = place / "venv" / "bin" / "python"
    into = Path(sysconfig.get_path("purelib", vars={"base": str(place / "venv")}))
    (into / "libraries.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index"]
    wheel = ["--no-deps", "--ignore-installed", str(next(place.glob("*.whl")))]
    subprocess.run([*pip, *wheel], check=True, capture_output=True)
    shutil.rmtree(sources)
    return place / "venv" / "bin"


def call(installed: Path, place: Path, *command: str) -> str:
    """What a command of the environment prints, started in ``place``."""
    environment = os.environ | {"PATH": f"{installed}:{os.environ['PATH']}", "MPLBACKEND": "Agg"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout[-1000:]}{done.stderr[-2000:]}"
    return done.stdout


def type_in(installed: Path, place: Path, line: str) -> str:
    """What a line of a page prints, as a person types it."""
    new = line.startswith("eac run") and "--resume" not in line
    return call(installed, place, "bash", "-c", line + FEWER * new)


@pytest.mark.slow
def test_the_door_of_own_data(installed, tmp_path):
    where = call(installed, tmp_path, "python", "-c", "import eac; print(eac.__file__)")
    assert where.startswith(str(installed.parent))
    (code,) = blocks(OWN_DATA, "python")
    call(installed, tmp_path, "python", "-c", code)
    folder = tmp_path / "counts"
    folder.mkdir()
    shutil.copy(tmp_path / "counts.csv", folder / "series.csv")
    ids = pd.read_csv(tmp_path / "counts.csv")["unique_id"].unique()
    place = {"latitude": [60 + i / 100 for i in range(len(ids))], "longitude": 5.0}
    pd.DataFrame({"node_id": ids, **place}).to_csv(folder / "nodes.csv", index=False)
    for line in own_data_commands():
        type_in(installed, tmp_path, line)

    forecasts = pd.read_csv(tmp_path / "forecasts.csv")
    assert len(forecasts) == 20 * 12
    assert (tmp_path / "runs" / "counts" / "report.html").is_file()
    assert (folder / "edges.csv").is_file()


@pytest.mark.slow
def test_the_door_of_methods_and_the_notebook(installed, tmp_path):
    shutil.copytree(REPOSITORY / "datasets" / "sample", tmp_path / "datasets" / "sample")
    for line in study_commands():
        type_in(installed, tmp_path, line)
    for code in blocks(README, "python"):
        assert "'mean': " in call(installed, tmp_path, "python", "-c", PRELUDE + code)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    call(installed, tmp_path, "python", "-W", "ignore", "-c", code)
