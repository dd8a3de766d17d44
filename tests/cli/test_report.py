"""`eac report` on run directories written by hand."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from eac.cli.commands.report import main, write_run_page
from eac.records.horizon_table import METRICS, HorizonTable
from eac.records.record import NodeCounts, PeriodRecord, RunRecord, write_period, write_run


def _table(value: float | None) -> HorizonTable:
    steps: dict[str, float | None] = {str(step): value for step in range(1, 13)}
    return HorizonTable(
        {metric: steps | {"mean": value} for metric in METRICS},
        {metric: steps | {"avg": value} for metric in METRICS},
    )


def _period(name: str, value: float | None) -> PeriodRecord:
    return PeriodRecord(
        name=name,
        num_nodes=5,
        nodes=NodeCounts(kept=3, new=2, gone=1),
        trainable_parameters=4321,
        total_parameters=7310,
        fit_seconds=2.5,
        epochs=7,
        best_epoch=None,
        val_metric=None,
        groups={"all": _table(value), "kept": _table(41.5), "new": _table(43.5)},
        baselines={"last": _table(60.0), "day": _table(50.0), "week": _table(30.0)},
        strategy="EAC",
        backbone="STGNN",
        notes=("the [red] note",),
    )


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    run = RunRecord("bergen", "veh/h", "the roads administration", "published", 42, 0.0)
    write_run(tmp_path, run)
    write_period(tmp_path / "period-00-2020", _period("2020", 40.0))
    write_period(tmp_path / "period-01-2021[b]", _period("2021[b]", 44.0))
    (tmp_path / "period-02-2022").mkdir()
    return tmp_path


def test_text_shows_each_finished_period_beside_the_naive_forecasts(run_dir, capsys):
    assert main([str(run_dir), "--all"]) == 0
    text = capsys.readouterr().out
    assert "bergen, EAC on STGNN, protocol published, seed 42, targets of 0 left out" in text
    assert "Data: the roads administration" in text
    assert "Period 2020: 5 nodes (3 kept, 2 new, 1 gone)" in text
    assert "Period 2021[b]" in text
    assert "Period 2022" not in text
    assert "the [red] note" in text
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "MAE [veh/h] @3 @6 @12 mean <=3 <=6 <=12 avg" in rows
    assert "EAC" + " 40.00" * 8 in rows
    assert "new nodes (2)" + " 43.50" * 8 in rows
    assert "same slot a week ago" + " 30.00" * 8 in rows
    assert rows[rows.index("Mean over 2 periods") + 4] == "EAC" + " 42.00" * 8
    assert "2020 5 4,321 7,310 2.5 7 -" in rows
    assert "EAC is better than the last value: MAE 42.00 against 60.00 (30.0 % lower)" in text
    assert "EAC is WORSE than the same slot a week ago: MAE 42.00 against 30.00" in text


def test_periods_stand_in_one_table_that_says_where_a_naive_forecast_is_better(run_dir, capsys):
    assert main([str(run_dir)]) == 0
    text = capsys.readouterr().out
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "2020 5 40.00 30.00 same slot a week ago -33.3 % 2.5" in rows
    assert "mean of 2 42.00 30.00 -40.0 % 2.5" in rows
    assert "note: worse than the best naive forecast in: 2020, 2021[b]" in rows
    assert "Period 2020:" not in text
    assert "Period 2021[b]: 5 nodes" in text


@pytest.mark.parametrize("columns", [80, 60])
def test_numbers_stay_whole_in_a_narrow_terminal(run_dir, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    wide = replace(_period("2020", 12345.678), baselines={"week": _table(98765.432)})
    write_period(run_dir / "period-00-2020", wide)
    assert main([str(run_dir), "--all"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= columns
    assert "…" not in text
    assert {"12345.68", "98765.43"} <= set(text.split())
    assert f"not shown at {columns} columns: <=3" in text


def test_of_many_periods_the_latest_are_printed(run_dir, capsys):
    for index in range(2, 30):
        write_period(run_dir / f"period-{index:02d}-{index}", _period(f"p{index}", 20.0))
    assert main([str(run_dir)]) == 0
    text = capsys.readouterr().out
    assert "the latest 12 of 30 periods" in text
    assert len(text.splitlines()) < 60
    assert "worse than the best naive forecast in: 2020, 2021[b]" in text


def test_no_line_is_wider_than_the_page(run_dir, capsys):
    main([str(run_dir)])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 120


def test_json_is_one_document_with_means_periods_and_baselines(run_dir, capsys):
    assert main([str(run_dir), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["mean"]["cumulative"]["MAE"] == {"3": 42.0, "6": 42.0, "12": 42.0, "avg": 42.0}
    assert [period["num_nodes"] for period in content["periods"]] == [5, 5]
    assert content["baselines"]["day"]["point"]["WAPE"]["mean"] == 50.0


def test_markdown_shows_the_chosen_metric_and_escapes_bars(run_dir, capsys):
    write_period(run_dir / "period-02-x", _period("a|b", 40.0))
    assert main([str(run_dir), "--markdown", "--metric", "MAPE"]) == 0
    text = capsys.readouterr().out
    assert "| MAPE [%] | @3 | @6 | @12 | mean | &lt;=3 | &lt;=6 | &lt;=12 | avg |" in text
    assert "## Period a\\|b: 5 nodes" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in tables} == {10, 8}


def test_csv_holds_every_error_once(run_dir, capsys):
    assert main([str(run_dir), "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    per_table = 2 * len(METRICS) * 13
    assert len(rows) == per_table * (2 * 6 + 4)
    chosen = [
        row["value"]
        for row in rows
        if (row["period"], row["forecast"], row["kind"]) == ("mean", "EAC", "cumulative")
        and (row["metric"], row["horizon"]) == ("MAE", "avg")
    ]
    assert chosen == ["42.0"]


def test_a_run_in_which_nothing_was_observed_is_still_reported(run_dir, capsys):
    for index, name in enumerate(("2020", "2021[b]")):
        empty = replace(_period(name, None), baselines={})
        write_period(run_dir / f"period-{index:02d}-{name}", empty)
    assert main([str(run_dir)]) == 0
    assert "EAC" + " -" * 8 in " ".join(capsys.readouterr().out.split())
    assert main([str(run_dir), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mean"]["point"]["MAE"]["mean"] is None


def test_a_directory_without_a_run_gets_one_sentence_with_what_to_do(tmp_path, capsys):
    for path in (tmp_path, tmp_path / "absent", Path(__file__)):
        assert main([str(path)]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("error: ")
        assert "--run.dir" in captured.err
        assert captured.err.count("\n") == 1


def test_a_damaged_period_is_named(run_dir, capsys):
    (run_dir / "period-01-2021[b]" / "metrics.json").write_text("{", encoding="utf-8")
    assert main([str(run_dir)]) == 1
    assert "period-01-2021[b]" in capsys.readouterr().err


def test_reporting_imports_neither_torch_nor_lightning(run_dir, repository):
    code = (
        "import sys\nfrom eac.cli.commands.report import main\n"
        f"assert main([{str(run_dir)!r}, '--json']) == 0\n"
        "print({'torch', 'lightning', 'pandas'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "set()"


def test_latex_is_one_table_environment_per_table(run_dir, capsys):
    assert main([str(run_dir), "--latex"]) == 0
    text = capsys.readouterr().out
    assert text.count(r"\begin{table}") == text.count(r"\bottomrule") == text.count(r"\label{") == 5
    assert r"EAC & 40.00 & 40.00" in text
    assert r"$\leq$ 3" in text


def test_a_run_that_lost_a_record_in_the_middle_is_refused(run_dir, capsys):
    write_period(run_dir / "period-03-x", _period("2023", 40.0))
    assert main([str(run_dir)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "period 2 is not done, but period-03-x is" in said.err
    assert "eac doctor" in said.err


def test_figures_are_written_as_svg_and_png(run_dir, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "figures"
    assert main([str(run_dir), "--figures", str(out)]) == 0
    names = {path.name for path in out.iterdir()}
    assert {"error-by-horizon.svg", "error-by-horizon.png", "nodes.svg"} <= names
    assert (out / "seconds.png").read_bytes().startswith(b"\x89PNG")


def test_a_page_that_cannot_be_written_does_not_fail_a_run(run_dir, capsys):
    (run_dir / "period-00-2020" / "report.json").write_text("{", encoding="utf-8")
    write_run_page(str(run_dir))
    said = capsys.readouterr().err
    assert said.startswith("no report.html: ")
    assert said.count("\n") == 1
    assert f"eac report {run_dir} --html" in said


def test_a_run_without_the_extra_says_how_to_get_the_page(run_dir, capsys, monkeypatch):
    monkeypatch.setattr("eac.report.common.page_parts.has_page_libraries", lambda: False)
    write_run_page(str(run_dir))
    assert "pip install 'eac[report]'" in capsys.readouterr().err
    assert not (run_dir / "report.html").exists()
