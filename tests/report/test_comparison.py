"""Runs side by side, with numbers by hand."""

from dataclasses import replace

import pytest

from eac.errors import CheckpointError, RunError
from eac.records.record import read_period, write_period
from eac.report.compare.comparison import read_runs, tables
from eac.report.compare.verdicts import charts, verdicts
from tests.report.runs import write_example


@pytest.fixture
def runs(tmp_path) -> list[str]:
    write_example(tmp_path / "a", (8.0, 12.0))
    write_example(tmp_path / "b", (7.0, 11.0))
    return [str(tmp_path / "a"), str(tmp_path / "b")]


def test_the_lower_error_of_each_period_is_marked(runs):
    by_period = next(tables(read_runs(runs), "MAE"))
    assert by_period.header == ("period", "a (EAC)", "b (EAC)", "best naive")
    shown = [[(entry.text, entry.mark) for entry in row] for row in by_period.rows]
    assert shown[0] == [("0", ""), ("8.00", "second"), ("7.00", "best"), ("10.00", "")]
    assert [text for text, _ in shown[2]] == ["all periods", "10.00", "9.00", "10.00"]


def test_pairs_are_the_same_step_and_the_same_sensor(runs):
    pytest.importorskip("scipy")
    significance = list(tables(read_runs(runs), "MAE"))[2]
    rows = [[entry.text for entry in row] for row in significance.rows]
    # 8 equal differences: p = 2 / 2^8; 6 sensors: 2 / 2^6
    assert rows[0] == ["b (EAC)", "periods x steps", "8", "8", "-1", "0.008"]
    assert rows[1] == ["b (EAC)", "sensors x periods (MAE)", "6", "6", "-1", "0.031"]
    assert "not independent" in significance.notes[0]


def test_the_verdict_is_one_plain_sentence(runs):
    sentence = verdicts(read_runs(runs), "MAE")[0]
    assert sentence.startswith(
        "b (EAC) is better than a (EAC): mean MAE 9.00 against 10.00 (10.0 % lower)"
    )
    assert "p " not in sentence


@pytest.mark.parametrize("errors", [(5.94803182, 5.94803184), (5.94803184, 5.94803182)])
def test_errors_that_differ_by_rounding_are_equal(tmp_path, errors):
    runs = [str(write_example(tmp_path / n, (e,))) for n, e in zip("ab", errors, strict=True)]
    assert verdicts(read_runs(runs), "MAE")[0] == (
        "b (EAC) is as good as a (EAC): mean MAE 5.95 against 5.95 (the same), lower in 0 of 1 "
        "period."
    )


def test_runs_of_one_name_are_told_apart_by_the_folders_that_differ(tmp_path):
    for recipe in ("eac", "practical"):
        write_example(tmp_path / recipe / "seed-42", (8.0,))
    write_example(tmp_path / "practical" / "seed-43", (8.0,))
    folders = [str(tmp_path / name) for name in ("eac/seed-42", "practical/seed-42")]
    assert read_runs(folders).names == ("eac (EAC)", "practical (EAC)")
    folders.append(str(tmp_path / "practical" / "seed-43"))
    assert read_runs(folders).names[2] == "practical/seed-43 (EAC)"


def test_only_shared_periods_are_compared_and_other_data_are_told(runs, tmp_path):
    folder = tmp_path / "b" / "period-01-1"
    write_period(folder, replace(read_period(folder), fingerprint="other"))
    write_example(tmp_path / "a", (8.0, 12.0, 9.0))
    compared = read_runs(runs)
    assert compared.periods == ("0", "1")
    assert any("same data" in remark for remark in compared.remarks)
    assert any("Only the 2 periods" in remark for remark in compared.remarks)


def test_a_comparison_needs_two_runs_that_share_a_period(runs, tmp_path):
    with pytest.raises(RunError, match="at least two"):
        read_runs(runs[:1])
    folder = tmp_path / "c" / "period-00-z"
    write_example(tmp_path / "c", ())
    write_period(folder, replace(read_period(tmp_path / "a" / "period-00-0"), name="z"))
    with pytest.raises(RunError, match="share no period"):
        read_runs([*runs, str(tmp_path / "c")])


def test_the_best_naive_forecast_is_drawn_beside_the_runs(runs):
    by_period, by_horizon = charts(read_runs(runs), "MAE")
    assert [mark.name for mark in by_period.marks] == [
        "best naive forecast",
        "a (EAC)",
        "b (EAC)",
    ]
    assert by_period.marks[0].y == (10.0, 10.0)
    assert by_horizon.marks[0].y == (10.0,) * 4


def test_each_run_is_also_set_beside_the_best_naive_forecast(runs):
    naive = verdicts(read_runs(runs), "MAE")[1:]
    assert naive == [
        "a (EAC) compared with the best naive forecast: mean MAE 10.00 against 10.00 (the same), "
        "lower in 1 of 2 periods.",
        "b (EAC) compared with the best naive forecast: mean MAE 9.00 against 10.00 (10.0 % "
        "lower), lower in 1 of 2 periods.",
    ]


def test_a_run_with_a_lost_record_is_refused(runs, tmp_path):
    write_example(tmp_path / "a", (8.0, 12.0, 9.0))
    (tmp_path / "a" / "period-01-1" / "metrics.json").unlink()
    with pytest.raises(CheckpointError, match="period 1 is not done"):
        read_runs(runs)
