"""Reading a benchmark, and the grid it stands for."""

from dataclasses import replace
from pathlib import Path

import pytest

from eac.benchmark.config import read_benchmark
from eac.benchmark.grid import CellResult, cells_of, write_result
from eac.errors import ConfigError

TEXT = """
name: small
seeds: [1, 2]
set: {trainer.max_epochs: 3, run.test_past: true}
streams:
  - {name: Here, path: data/here, set: {protocol: published}, published: HERE-1}
  - {name: There, path: data/there}
backbones:
  - {name: Plain}
  - {name: Wide net, config: wide.yaml, set: {model.backbone.init_args.hidden: 8}}
strategies:
  - {name: EAC, config: [eac.yaml, more.yaml], set: {model.strategy.init_args.rank: null}}
  - {name: LoRA, config: lora.yaml, backbones: [Plain]}
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "grid.yaml"
    path.write_text(text)
    return path


def test_the_grid_holds_every_allowed_combination_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = cells_of(read_benchmark(_write(tmp_path, TEXT)), tmp_path / "out")
    assert len(cells) == 2 * (2 + 1) * 2
    assert len({cell.directory for cell in cells}) == len(cells)
    assert cells[2].name == "EAC on Wide net, Here, seed 1"
    assert cells[2].arguments == (
        "--config=eac.yaml",
        "--config=more.yaml",
        "--config=wide.yaml",
        "--trainer.max_epochs=3",
        "--run.test_past=true",
        "--protocol=published",
        "--model.backbone.init_args.hidden=8",
        "--model.strategy.init_args.rank=null",
        "--stream=data/here",
        "--seed_everything=1",
    )


def test_the_command_line_changes_seeds_paths_settings_and_strategies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    benchmark = read_benchmark(_write(tmp_path, TEXT)).changed(
        seeds=[7],
        streams={"There": "else/where"},
        strategies=["LoRA"],
        options={"trainer.max_epochs": 1},
    )
    cells = cells_of(benchmark, tmp_path)
    assert [cell.name for cell in cells] == [
        "LoRA on Plain, Here, seed 7",
        "LoRA on Plain, There, seed 7",
    ]
    assert "--stream=else/where" in cells[1].arguments
    assert "--trainer.max_epochs=1" in cells[1].arguments


def test_without_backbones_each_strategy_keeps_that_of_its_configuration(tmp_path):
    text = "streams: [{name: S, path: s}]\nstrategies: [{name: EAC, config: eac.yaml}]\n"
    (cell,) = cells_of(read_benchmark(_write(tmp_path, text)), tmp_path)
    assert (cell.backbone, cell.seed, cell.directory.parent.name) == ("", 42, "eac")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seeds:", "seed:", r"'seed' is not known. Did you mean 'seeds'"),
        ("[1, 2]", "[one]", "must be whole numbers"),
        ("[1, 2]", "[2, 1, 1]", "seeds: 1 is given 2 times"),
        ("name: There", "name: Here", "name 'Here' must be given and unique"),
        ("path: data/there", "set: {}", r"streams\[1\]: 'path' is missing"),
        ("backbones: [Plain]", "backbones: [Fancy]", "asks for backbone 'Fancy'"),
        ("strategies:", "tables: {metrics: [X]}\nstrategies:", "no metric 'X'. Known: MAE"),
        ("strategies:", "tables: {kind: daily}\nstrategies:", "kind 'daily' must be one of"),
    ],
)
def test_a_mistake_is_answered_with_where_it_is(tmp_path, old, new, words):
    path = _write(tmp_path, TEXT.replace(old, new))
    with pytest.raises(ConfigError, match=words):
        cells_of(read_benchmark(path), tmp_path)


def test_an_unknown_name_on_the_command_line_is_refused(tmp_path):
    benchmark = read_benchmark(_write(tmp_path, TEXT))
    with pytest.raises(ConfigError, match=r"no stream 'X'. Known: Here, There"):
        benchmark.changed(streams={"X": "x"})
    with pytest.raises(ConfigError, match=r"no strategy 'Y'. Known: EAC, LoRA"):
        benchmark.changed(strategies=["Y"])


SIX = "strategies: [{name: EAC rank 6, config: eac}, {name: EAC (rank 6), config: eac}]\n"


def test_names_that_differ_by_a_sign_have_folders_of_their_own(tmp_path):
    path = _write(tmp_path, f"streams: [{{name: S, path: s}}]\n{SIX}")
    plain, signed = cells_of(read_benchmark(path), tmp_path)
    assert plain.directory.parent.name == "eac-rank-6"
    assert signed.directory.parent.name.startswith("eac-rank-6-")


def test_a_cell_that_an_earlier_version_ran_is_found_in_its_folder(tmp_path):
    text = "streams: [{name: S, path: s}]\nstrategies: [{name: 'EAC, new', config: eac}]\n"
    path = _write(tmp_path, text)
    (cell,) = cells_of(read_benchmark(path), tmp_path)
    before = replace(cell, directory=tmp_path / "cells" / "s" / "eac-new" / "seed-42")
    write_result(before, CellResult(cell.arguments, "", 1.0, None))
    assert cells_of(read_benchmark(path), tmp_path) == [before]
    write_result(before, CellResult(("--seed_everything=7",), "", 1.0, None))
    assert cells_of(read_benchmark(path), tmp_path) == [cell]


def test_names_that_differ_by_capitals_alone_are_refused(tmp_path):
    text = "streams: [{name: S, path: s}]\nstrategies: [{name: EAC}, {name: eac}]\n"
    with pytest.raises(ConfigError, match="'EAC' and 'eac' would share a folder"):
        read_benchmark(_write(tmp_path, text))


def test_every_benchmark_that_ships_names_configurations_that_exist(repository):
    paths = sorted((repository / "configs" / "benchmarks").glob("*.yaml"))
    for path in paths:
        benchmark = read_benchmark(path)
        for choice in (*benchmark.strategies, *benchmark.backbones):
            for config in choice.config:
                assert config.is_file(), f"{path.name}: {choice.name} needs {config}"
        assert cells_of(benchmark, Path("out"))
