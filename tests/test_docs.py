"""What README and docs tell a reader to type: Python runs, commands are known, links lead on."""

import argparse
import importlib
import json
import re
import shlex
import sys
import types
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from eac.cli.main import COMMANDS, main
from eac.training.trainers import DefaultTrainer

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
NOTEBOOK = REPOSITORY / "examples" / "first-contact.ipynb"
LIGHTNING = {"run", "fit", "validate", "test"}
TRAINS = {"README.md", "forecasts.md"}
"""Pages whose Python trains a model, or needs one."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPTIONAL = re.compile(r"\[[^\]]*\]|\\\n|\s#.*")


def blocks(page: Path, language: str) -> list[str]:
    return [code for name, code in FENCE.findall(page.read_text("utf-8")) if name == language]


def commands() -> list[tuple[str, str]]:
    """Page and text of every line that calls eac."""
    found = []
    for page in PAGES:
        for code in blocks(page, ""):
            lines = OPTIONAL.sub(" ", code).splitlines()
            found += [(page.name, line.strip()) for line in lines if line.startswith("eac ")]
    return found


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Path:
    """An empty place in which the names of the repository lead to the repository."""
    for name in ("datasets", "configs", "docs"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def one_epoch(monkeypatch) -> None:
    monkeypatch.setattr(DefaultTrainer.__init__, "__defaults__", (1, 6, False))


def given(page: Path) -> dict[str, object]:
    """What a page takes for granted."""
    if page.name != "data.md":
        return {}
    rows = {"unique_id": ["a", "a"], "ds": ["2024-01-01 00:00", "2024-01-01 01:00"], "y": [1, 2]}
    return {
        "frame": pd.DataFrame(rows),
        "edges": pd.DataFrame({"source": ["a"], "target": ["a"], "weight": [1.0]}),
    }


def run_python(page: Path) -> dict[str, object]:
    """All Python of a page, one block after the other."""
    names = {"__name__": "page", **given(page)}
    for code in blocks(page, "python"):
        exec(compile(code, str(page), "exec"), names)
    return names


@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks(p, "python") and p.name not in TRAINS], ids=lambda p: p.name
)
def test_python_of_a_page_runs(page, copy):
    run_python(page)


def test_the_example_backbone_forecasts(copy):
    from eac.data.batch import Inputs
    from eac.data.graph import Graph

    backbone = run_python(REPOSITORY / "docs" / "add-a-backbone.md")["TwoViews"]()
    forecast = backbone(Inputs(torch.randn(2, 3, 12)), Graph.empty(3))
    assert forecast.shape == (2, 3, 12)


def test_the_example_data_sets_are_streams(copy, capsys):
    names = run_python(REPOSITORY / "docs" / "add-a-data-set.md")
    assert main(["data", "check", "counts"]) == 0
    assert "2 periods valid" in capsys.readouterr().out
    assert [period.num_steps for period in names["Ramps"]()] == [200, 200]


@pytest.mark.parametrize(
    ("page", "command"), [pair for pair in commands() if pair[1].split()[1] not in LIGHTNING]
)
def test_flags_of_a_command_exist(page, command):
    _, name, *args = shlex.split(command)
    if name.startswith("--"):
        return
    parser = importlib.import_module(COMMANDS[name][0])._parser()
    assert isinstance(parser.parse_args(args), argparse.Namespace)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "command"),
    [c for c in commands() if c[1].split()[1] in LIGHTNING and "--resume" not in c[1]],
)
def test_configuration_of_a_training_command_is_valid(page, command, copy, capsys, monkeypatch):
    invent_example(REPOSITORY / "docs" / page, copy, monkeypatch)
    args = shlex.split(command.replace("PATH", "datasets/sample"))[1:]
    with pytest.raises(SystemExit) as stopped:
        main([*args, "--print_config"])
    assert stopped.value.code == 0
    assert "model:" in capsys.readouterr().out


def invent_example(page: Path, copy: Path, monkeypatch) -> None:
    """Puts the Python and YAML of a page about extending where the page says they are."""
    if not page.name.startswith("add-a-"):
        return
    for code in blocks(page, "yaml"):
        (made,) = yaml.safe_load(code)["model"].items()
        module, _, _ = made[1]["class_path"].rpartition(".")
        invented = types.ModuleType(module)
        exec(blocks(page, "python")[0], invented.__dict__)
        monkeypatch.setitem(sys.modules, module, invented)
        configs = copy / "configs"
        configs.unlink()
        configs.mkdir()
        for folder in (REPOSITORY / "configs").iterdir():
            (configs / folder.name).mkdir()
            for file in folder.iterdir():
                (configs / folder.name / file.name).symlink_to(file)
        overlay = re.search(r"`(configs/[\w/-]+\.yaml)`:", page.read_text("utf-8"))
        (copy / overlay[1]).write_text(code, encoding="utf-8")


@pytest.mark.slow
def test_the_python_of_the_readme_trains_and_forecasts(copy, one_epoch, capsys):
    run_python(REPOSITORY / "README.md")
    assert float(capsys.readouterr().out.split()[-1].strip("}")) > 0


@pytest.mark.slow
def test_a_first_run_can_be_reported_resumed_and_forecast_from(copy, capsys):
    train = "run -c configs/recipes/eac.yaml --stream datasets/sample --run.dir runs/first"
    assert main([*train.split(), "--trainer.max_epochs", "1"]) == 0
    assert main(["run", "--resume", "runs/first"]) == 0
    assert main(["report", "runs/first"]) == 0
    run_python(REPOSITORY / "docs" / "forecasts.md")
    assert "s000046" in capsys.readouterr().out


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(copy, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    names: dict[str, object] = {"__name__": "notebook"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)


def test_the_notebook_is_committed_without_outputs():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    assert all(not cell.get("outputs") for cell in notebook["cells"])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_of_a_page_lead_to_files(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []
