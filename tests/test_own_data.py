"""The walk of a new user: the README's own commands, from a file of counts to forecasts."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from eac.cli.main import main
from tests.test_docs import REPOSITORY, blocks

STEPS = 12


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A place with the configurations and the file that docs/own-data.md makes."""
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(REPOSITORY / "docs" / "own-data.md", "python")
    exec(compile(code, "own-data.md", "exec"), {})
    return tmp_path


def readme_commands() -> list[str]:
    text = "\n".join(blocks(REPOSITORY / "README.md", ""))
    return re.findall(r"^eac (?:data|predict|report|run -c) .*counts.*$", text, re.MULTILINE)


def test_the_page_times_the_commands_of_the_readme():
    timed = (REPOSITORY / "docs" / "own-data.md").read_text("utf-8")
    assert len(readme_commands()) == 4
    assert [command for command in readme_commands() if f"`{command}`" not in timed] == []


def test_counts_without_a_graph_are_a_stream(place, capsys):
    assert main(["data", "check", "counts.csv"]) == 0
    said = capsys.readouterr().out
    assert "1 period valid" in said
    assert "counter-19" in said  # silent for five weeks


@pytest.mark.slow
def test_the_commands_of_the_readme_lead_to_a_report_and_forecasts(place):
    for command in readme_commands():
        assert main(shlex.split(command)[1:]) == 0
    assert "is better than every naive forecast" in Path("runs/counts/report.html").read_text(
        encoding="utf-8"
    )
    forecasts = pd.read_csv("forecasts.csv")
    counts = pd.read_csv("counts.csv")
    assert len(forecasts) == 20 * STEPS
    assert set(forecasts["unique_id"]) == set(counts["unique_id"])
    assert forecasts["ds"].min() > counts["ds"].max()
    assert forecasts["y_hat"].notna().all()
