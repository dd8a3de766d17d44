"""Configurations of the package: found by name from anywhere, in a checkout and in a wheel."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import eac
from eac.cli.main import main
from eac.errors import ConfigError
from eac.recipes import KINDS, find_config, packaged
from tests.conftest import REPOSITORY

SOURCES = ("eac", "configs", "pyproject.toml", "setup.py", "README.md", "LICENSE")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The package unpacked from a wheel that was built from a copy of the sources."""
    copy, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(out)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=copy, check=True, capture_output=True)
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        archive.extractall(out / "site")
    return out / "site"


def run_installed(wheel: Path, place: Path, *args: str) -> str:
    """What the command of a wheel prints, started in another directory."""
    environment = os.environ | {"PYTHONPATH": str(wheel)}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "eac", *args],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_wheel_holds_every_configuration(wheel):
    shipped = {str(p.relative_to(wheel / "eac")) for p in (wheel / "eac" / "configs").rglob("*.y*")}
    assert shipped == {str(p.relative_to(REPOSITORY)) for p in REPOSITORY.glob("configs/**/*.yaml")}


def test_a_wheel_lists_its_recipes_in_an_empty_directory(wheel, tmp_path):
    listed = run_installed(wheel, tmp_path, "recipes")
    assert "\n  practical " in listed
    assert "class_path: SeasonalMLP" in run_installed(wheel, tmp_path, "recipes", "practical")


@pytest.mark.slow
def test_a_wheel_trains_a_recipe_and_forecasts_in_an_empty_directory(wheel, tmp_path):
    stream = str(shutil.copytree(REPOSITORY / "datasets" / "sample", tmp_path / "sample"))
    given = ["--stream", stream, "--run.dir", "r", "--trainer.max_epochs", "1"]
    run_installed(wheel, tmp_path, "run", "-c", "practical", *given)
    assert (tmp_path / "r" / "report.html").is_file()
    cell = ["--only", "EAC", "--on", "PEMS-Stream", "--stream", f"PEMS-Stream={stream}"]
    few = ["--seeds", "1", "--set", "trainer.max_epochs=1", "--out", "out"]
    assert "tables.md" in run_installed(wheel, tmp_path, "benchmark", "-c", "paper", *cell, *few)


@pytest.mark.parametrize("config", packaged(), ids=lambda config: config.full_name)
def test_a_configuration_is_found_by_its_full_name_and_says_what_it_is_in_a_line(config):
    assert find_config(config.full_name, tuple(KINDS)) == config.path
    assert config.about.endswith(".") or config.about.endswith("'eac[tensorboard]'")


def test_a_file_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config("practical").parent.name == "recipes"
    Path("practical").write_text("protocol: strict\n")
    assert find_config("practical") == Path("practical")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lora", "Give -c recipes/lora or -c strategies/lora"),
        ("practicl", "Did you mean -c practical"),
        ("configs/recipes/eac.yaml", "Did you mean -c eac?"),
        ("paper", "eac benchmark -c paper --out runs/paper"),
        ("sunshine", "eac recipes lists"),
        (".", "that is a folder"),
    ],
)
def test_what_cannot_be_found_is_answered_with_what_can(name, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=re.escape(words)):
        find_config(name)


def test_a_first_name_is_a_recipe():
    assert find_config("lora", prefer="recipes").parent.name == "recipes"


def test_the_list_names_every_configuration_once(capsys):
    assert main(["recipes"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert len(lines) == len([config for config in packaged() if config.kind])


def test_a_listed_name_is_one_that_a_run_takes(capsys):
    main(["recipes"])
    kind = ""
    for line in capsys.readouterr().out.splitlines():
        kind = line.partition(":")[0] if line and not line.startswith(" ") else kind
        if line.startswith("  "):
            kinds = ("benchmarks",) if kind == "benchmarks" else tuple(KINDS)[:-1]
            prefer = "recipes" if kind == "recipes" else ""
            assert find_config(line.split()[0], kinds, prefer=prefer).parent.name == kind


def named(value: object) -> set[str]:
    """Names of the classes of the package in a configuration."""
    if isinstance(value, dict):
        own = {value["class_path"]} if "class_path" in value else set()
        model = value.get("model") or {}
        own |= {model[key] for key in ("loss",) if key in model}
        return own.union(*map(named, value.values()))
    return set().union(*map(named, value)) if isinstance(value, list) else set()


def test_everything_a_recipe_names_can_be_imported_from_the_package():
    names = set().union(*(named(yaml.safe_load(c.path.read_text())) for c in packaged()))
    own = {name for name in names if "." not in name or name.startswith("eac.")}
    assert len(own) > 20
    for name in own:
        found = getattr(eac, name.rpartition(".")[2])
        assert f"{found.__module__}.{found.__name__}".endswith(name)
