"""What README and docs tell a reader to type: Python runs, commands are known, links lead on."""

import argparse
import gc
import importlib
import inspect
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from eac.backbones.base import Backbone
from eac.cli.discovery import import_extension_points
from eac.cli.main import COMMANDS, ROOM, main
from eac.strategies.base import Strategy
from eac.training.trainers import DefaultTrainer

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
NOTEBOOK = REPOSITORY / "examples" / "first-contact.ipynb"
LIGHTNING = {"run", "fit", "validate", "test"}
TRAINS = {"README.md", "artifacts.md", "forecasts.md", "intervals.md", "serving.md", "backtest.md"}
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


def table_overlays() -> list[str]:
    """What the tables of the methods say to add to a run."""
    text = (REPOSITORY / "docs" / "methods.md").read_text("utf-8")
    return re.findall(r"\| `((?:-c \S+ ?)+)` \|$", text, re.MULTILINE)


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Iterator[Path]:
    """An empty place in which the names of the repository lead to the repository."""
    for name in ("datasets", "configs", "docs"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    gc.collect()  # or configurations would find the classes of a page by name


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
    from eac.data.batches.batch import Inputs
    from eac.data.core.graph import Graph

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
    parser = importlib.import_module(f"{ROOM}.{COMMANDS[name][0]}").make_parser()
    assert isinstance(parser.parse_args(args), argparse.Namespace)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "command"),
    [c for c in commands() if c[1].split()[1] in LIGHTNING and "--resume" not in c[1]],
)
def test_configuration_of_a_training_command_is_valid(page, command, copy):
    args = shlex.split(command.replace("PATH", "datasets/sample"))[1:]
    code = invent_example(REPOSITORY / "docs" / page, copy) + "\nsys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *args, "--print_config"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "model:" in done.stdout


def test_the_tables_of_methods_name_every_recipe_strategy_and_backbone():
    named = {word for overlay in table_overlays() for word in overlay.split() if word != "-c"}
    assert {str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("configs/recipes/*")} <= (
        named
    )
    import_extension_points()
    text = (REPOSITORY / "docs" / "methods.md").read_text("utf-8")
    found = [kind for base in (Strategy, Backbone) for kind in all_below(base)]
    assert [kind.__name__ for kind in found if f"`{kind.__name__}`" not in text] == []


def all_below(base: type) -> list[type]:
    """Classes of the package that can be named in a configuration."""
    below = [kind for direct in base.__subclasses__() for kind in (direct, *all_below(direct))]
    return [k for k in below if k.__module__.startswith("eac.") and not inspect.isabstract(k)]


@pytest.mark.slow
@pytest.mark.parametrize("overlay", table_overlays())
def test_every_line_of_the_tables_of_methods_is_a_run(overlay, copy, capsys):
    run = ["run", *overlay.split(), "--stream", "datasets/sample", "--run.dir", "runs/x"]
    with pytest.raises(SystemExit) as done:
        main([*run, "--print_config"])
    assert done.value.code == 0
    assert "class_path" in capsys.readouterr().out


def invent_example(page: Path, copy: Path) -> str:
    """Code that puts the Python of a page where the page says it is; writes its YAML there."""
    code = "import sys, types\nfrom eac.cli.main import main"
    if not page.name.startswith("add-a-"):
        return code
    (copy / "configs").unlink()
    shutil.copytree(REPOSITORY / "configs", copy / "configs")
    for overlay in blocks(page, "yaml"):
        (setting,) = yaml.safe_load(overlay)["model"].values()
        module = setting["class_path"].rpartition(".")[0]
        target = re.search(r"`(configs/[\w/-]+\.yaml)`:", page.read_text("utf-8"))[1]
        (copy / target).write_text(overlay, encoding="utf-8")
        code += f"\nsys.modules[{module!r}] = made = types.ModuleType({module!r})"
        code += f"\nexec({blocks(page, 'python')[0]!r}, made.__dict__)"
    return code


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
    printed = capsys.readouterr().out
    assert "y_hat" in printed
    assert printed.endswith("{}\n")  # no sensor without a forecast


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


def test_the_api_page_lists_every_public_name():
    import eac

    listed = re.findall(r"^::: ([\w.]+)$", (REPOSITORY / "docs/api.md").read_text("utf-8"), re.M)
    assert {f"{module}.{name}" for name, module in eac._PUBLIC.items()} <= set(listed)
