"""`eac benchmark` from the command line."""

from pathlib import Path

import pandas as pd
import pytest

from eac.benchmark.checks import check_reference
from eac.benchmark.grid import Cell, EntryPoint
from eac.cli.commands import benchmark
from eac.cli.main import main

FAKE = """
name: fakes
seeds: [1, 2]
streams: [{name: fake, path: data, source: counts of a city}, {name: absent, path: nowhere}]
strategies:
  - {name: Good, set: {error: 10.0}}
  - {name: Odd, set: {error: 20.0, fail: FAIL}}
tables: {kind: cumulative}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fake = EntryPoint("tests.benchmark.fake_runs", "fake_run")
    monkeypatch.setattr(benchmark, "RUN_ENTRY", fake)
    check = EntryPoint("tests.benchmark.fake_runs", "fake_check")
    monkeypatch.setattr(benchmark, "CHECK_ENTRY", check)
    path = tmp_path / "fakes.yaml"
    path.write_text(FAKE)
    (tmp_path / "data" / "RawData").mkdir(parents=True)
    return path


def test_a_grid_leaves_results_tables_and_a_page(config, tmp_path, capsys):
    config.write_text(FAKE.replace(", fail: FAIL", ""))
    out, docs = tmp_path / "out", tmp_path / "docs" / "results.md"
    assert main(["benchmark", "-c", str(config), "--out", str(out), "--docs", str(docs)]) == 0
    assert "4 cells, 0 of them done already" in capsys.readouterr().out
    frame = pd.read_parquet(out / "results.parquet")
    chosen = frame[(frame.strategy == "Good") & (frame.period == "c") & (frame.after == "c")]
    chosen = chosen[(chosen.metric == "MAE") & (chosen.kind == "point") & (chosen.horizon == "6")]
    assert chosen[["seed", "value"]].to_numpy().tolist() == [[1, 13.0], [2, 14.0]]
    page = docs.read_text()
    # errors of Good: 11, 12, 13 and 12, 13, 14
    assert "| Good | Net | 12.50 ± 0.71 | 12.50 ± 0.71 |" in page.replace("**", "")[:2000]
    assert "last value" in page
    assert f"command: `eac benchmark -c {config} --out {out} --docs {docs}`" in page
    assert "seeds: 1, 2" in page
    assert "- fake: counts of a city\n" in page
    assert "wall time: " in page
    # Good, seed 1: R has rows 11 17 -, 13 12 18 and 15 14 13; untrained 100. So backward is the
    # mean of -4 and -2, forward that of 83 and 82, forgetting that of 4 and 2.
    assert "-3.00 ± 0.00" in page
    assert "82.00 ± 0.71" in page
    assert {p.name for p in out.glob("tables.*")} == {"tables.md", "tables.tex", "tables.csv"}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ["--reference", "nix"],
            "reference 'nix' names 0 strategies of the benchmark. Give one of: Good, Odd",
        ),
        (["--seeds", "1", "1"], "seeds: 1 is given 2 times"),
    ],
)
def test_what_the_tables_cannot_show_is_refused_before_anything_is_run(
    config, tmp_path, capsys, flags, words
):
    out = tmp_path / "out"
    assert main(["benchmark", "-c", str(config), "--out", str(out), *flags]) == 1
    assert words in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


@pytest.mark.parametrize("name", ["Good", "Good on Net", "last value"])
def test_rows_of_the_tables_may_be_the_reference(name):
    cells = [Cell("fake", model, "", 1, Path("out"), ()) for model in ("Good", "Odd")]
    check_reference(name, cells)


def test_what_a_person_wrote_above_the_tables_is_kept(config, tmp_path):
    config.write_text(FAKE.replace(", fail: FAIL", ""))
    docs = tmp_path / "results.md"
    command = ["benchmark", "-c", str(config), "--out", str(tmp_path / "out"), "--docs", str(docs)]
    assert main(command) == 0
    title, tables = docs.read_text().split("<!-- tables -->")
    docs.write_text(f"{title}Good wins.\n\n<!-- tables -->\nold tables\n")
    assert main([*command, "--tables-only"]) == 0
    kept, new = docs.read_text().split("<!-- tables -->")
    assert kept.rstrip().endswith("Good wins.")
    assert new.startswith(tables[:200])
    assert "old tables" not in new


def test_failed_cells_are_named_and_the_others_make_a_table(config, tmp_path, capsys):
    config.write_text(FAKE.replace("FAIL", "error"))
    out = tmp_path / "out"
    assert main(["benchmark", "-c", str(config), "--out", str(out)]) == 1
    printed = capsys.readouterr()
    assert "FAILED: RunError: the stream is made of cheese" in printed.out.replace("\n", " ")
    assert "failed: Odd, fake, seed 1" in printed.err
    assert "Good" in (out / "tables.md").read_text()


def test_tables_alone_run_nothing(config, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["benchmark", "-c", str(config), "--out", str(out)]
    assert main([*arguments, "--tables-only"]) == 1
    assert "no cell in" in capsys.readouterr().err
    assert main([*arguments, "--only", "Good", "--seeds", "1"]) == 0
    (out / "tables.md").unlink()
    assert main([*arguments, "--only", "Good", "--tables-only"]) == 0
    assert (out / "tables.md").is_file()
    assert len((out / "calls.txt").read_text().split()) == 1


def test_streams_without_data_are_named_and_left_out(config, tmp_path, capsys):
    arguments = ["benchmark", "-c", str(config), "--out", str(tmp_path / "out"), "--only", "Good"]
    assert main([*arguments, "--seeds", "1"]) == 0
    assert "left out: absent, whose data are not in" in capsys.readouterr().out
    assert main([*arguments, "--on", "absent"]) == 1
    assert "Fetch them as their card says" in capsys.readouterr().err


def test_settings_must_be_pairs(config, tmp_path, capsys):
    assert main(["benchmark", "-c", str(config), "--out", str(tmp_path), "--set", "x"]) == 1
    assert "--set x: give it as NAME=VALUE" in capsys.readouterr().err


def test_a_mistake_is_named_before_the_first_cell(config, tmp_path, capsys):
    config.write_text(FAKE.replace("FAIL", "mistake"))
    out = tmp_path / "out"
    assert main(["benchmark", "-c", str(config), "--out", str(out)]) == 1
    assert "no cell was run. Odd, fake: there is no class 'Od'." in capsys.readouterr().err
    assert not (out / "calls.txt").exists()


@pytest.mark.slow
def test_real_strategies_on_the_sample_stream(tmp_path, repository, capsys):
    config = tmp_path / "real.yaml"
    recipes = repository / "configs" / "recipes"
    config.write_text(
        f"streams: [{{name: sample, path: {repository / 'datasets' / 'sample'}}}]\n"
        "set: {trainer.max_epochs: 1, run.test_past: true}\n"
        "strategies:\n"
        f"  - {{name: EAC, config: {recipes / 'eac.yaml'}}}\n"
        "  - {name: Nothing, config: eac, set: {model.strategy: Nope}}\n"
    )
    command = ["benchmark", "-c", str(config), "--out", str(tmp_path / "out")]
    assert main(command) == 1
    assert "Nothing, sample: model.strategy: there is no class 'Nope'" in capsys.readouterr().err
    assert main([*command, "--only", "EAC"]) == 0
    text = (tmp_path / "out" / "tables.md").read_text()
    assert "| EAC | STGNN |" in text
    assert "historical average by slot" in text
    assert "forgetting, returned" in text
