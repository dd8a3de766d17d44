"""Tables of a benchmark, from a small table of results made by hand."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from eac.errors import ConfigError
from eac.report.benchmark.benchmark_page import Page, write_html
from eac.report.benchmark.benchmark_tables import TableView, error_table
from eac.report.benchmark.error_bars import error_bars
from eac.report.benchmark.published_numbers import published_text, read_published
from eac.report.benchmark.transfer_tables import error_matrix, transfer_table
from eac.report.common.markup import Entry, MarkedTable, marks, to_csv, to_latex, to_markdown
from eac.report.common.significance import wilcoxon_p

VIEW = TableView("s", "MAE", "point", ("3",), "mean", num_seeds=2)
# error on period (column) after training period (row), per strategy; seed adds 0 or 1
MATRICES = {
    "Steady": [[10.0, 13.0], [10.0, 12.0]],
    "Drifting": [[10.0, 14.0], [16.0, 8.0]],
}


def _row(strategy, seed, period, after, value, horizon="mean", **more):
    naive = strategy.startswith("naive")
    row = {
        "strategy": strategy,
        "backbone": "" if naive else "Net",
        "stream": "s",
        "seed": pd.NA if naive else seed,
        "period": period,
        "after": after,
        "group": "all",
        "kind": "point",
        "metric": "MAE",
        "horizon": horizon,
        "value": value,
        "trainable_parameters": pd.NA if naive else (100 if after == "p0" else 10),
        "fit_seconds": np.nan if naive else 2.0,
        "peak_memory_mib": np.nan if naive else 300.0 + (seed or 0),
    }
    return row | more


@pytest.fixture
def frame() -> pd.DataFrame:
    rows = []
    for strategy, matrix in MATRICES.items():
        for seed in (0, 1):
            for i in (0, 1):
                for j in range(2):
                    value = matrix[i][j] + seed
                    rows.append(_row(strategy, seed, f"p{j}", f"p{i}", value))
                    rows.append(_row(strategy, seed, f"p{j}", f"p{i}", value / 2, horizon="3"))
            for j in (0, 1):
                rows.append(_row(strategy, seed, f"p{j}", "(untrained)", 50.0 + seed))
    for j, value in enumerate((9.0, 40.0)):
        rows.append(_row("naive: week", None, f"p{j}", f"p{j}", value))
        rows.append(_row("naive: week", None, f"p{j}", f"p{j}", value, horizon="3"))
    return pd.DataFrame(rows).astype({"seed": "Int64", "trainable_parameters": "Int64"})


def _texts(table: MarkedTable | None) -> dict[str, list[str]]:
    assert table is not None
    return {row[0].text: [entry.text for entry in row[1:]] for row in table.rows}


def test_errors_are_means_over_periods_with_the_deviation_over_seeds(frame):
    table = error_table(frame, VIEW)
    assert table.header[:4] == ("strategy", "backbone", "@3", "mean")
    texts = _texts(table)
    # Steady: (10 + 12) / 2 = 11 and 12 with the other seed; Drifting: (10 + 8) / 2 = 9 and 10
    assert texts["Steady"][:3] == ["Net", "5.75 ± 0.35", "11.50 ± 0.71"]
    assert texts["Drifting"][:3] == ["Net", "4.75 ± 0.35", "9.50 ± 0.71"]
    assert texts["same slot a week ago"][:3] == ["", "24.50", "24.50"]
    assert texts["Drifting"][-4:] == ["100", "10", "4.0", "300"]
    assert [row[3].mark for row in table.rows] == ["second", "best", ""]


def test_significance_pairs_periods_and_seeds(frame):
    # Steady - Drifting: 0, 0, 4, 4: two pairs differ, two signs agree, p = 2 * (1/2)^2
    assert _texts(error_table(frame, VIEW))["Steady"][3] == "0.500"
    assert _texts(error_table(frame, VIEW))["Drifting"][3] == "reference"
    assert wilcoxon_p([1.0] * 6, [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]) == pytest.approx(2 / 64)
    assert wilcoxon_p([1.0, 2.0], [1.0, 2.0]) is None


def test_a_chosen_row_is_what_the_others_are_tested_against(frame):
    for name in ("Steady", "Steady on Net"):
        table = error_table(frame, replace(VIEW, reference=name))
        assert _texts(table)["Steady"][3] == "reference"
        assert _texts(table)["Drifting"][3] == "0.500"
        assert any("against Steady on Net over periods" in note for note in table.notes)
    with pytest.raises(ConfigError, match="Give one of: Steady on Net, Drifting on Net, same slot"):
        error_table(frame, replace(VIEW, reference="Steadfast"))


def test_new_sensors_in_their_first_week_are_a_column_of_its_own(frame):
    assert "new, week 1" not in error_table(frame, VIEW).header
    group = {"group": "new in first week"}
    rows = [_row("Steady", seed, "p1", "p0", 20.0 + 2 * seed, **group) for seed in (0, 1)]
    rows.append(_row("naive: week", None, "p1", "p1", 30.0, **group))
    table = error_table(pd.concat([frame, pd.DataFrame(rows)]), VIEW)
    column = table.header.index("new, week 1")

    found = {row[0].text: row[column].text for row in table.rows}
    assert found == {"Steady": "21.00 ± 1.41", "Drifting": "-", "same slot a week ago": "30.00"}


def test_a_missing_seed_is_said_under_the_table(frame):
    partial = frame[~((frame.strategy == "Steady") & (frame.seed == 1).fillna(False))]
    assert any("Steady on Net: 1 of 2 seeds" in n for n in error_table(partial, VIEW).notes)


def test_published_numbers_stand_beside_the_strategies_they_belong_to(frame, tmp_path):
    path = tmp_path / "published.csv"
    path.write_text(
        "dataset,method,stage,horizon,metric,value,source\n"
        "S-1,steady_x,mean,Avg,MAE_mean5,13.5,x\nS-1,steady_x,mean,Avg,MAE_std5,0.25,x\n"
        "S-1,other,mean,Avg,MAE,1.0,x\nS-1,steady_x,2011,Avg,MAE,7.0,x\n"
    )
    view = TableView(
        "s", "MAE", "point", ("3",), "mean", 2, ("S-1",), {("Steady", ""): ("steady_x", "steady_y")}
    )
    texts = _texts(error_table(frame, view, read_published([path])))
    assert texts["Steady"][3] == "13.50 ± 0.25"
    assert texts["Drifting"][3] == ""
    other = published_text(read_published([path]), ["S-1"], ["other"], metric="MAE", horizon="Avg")
    assert other == "1.00"


def test_missing_published_numbers_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"numbers .*gone.csv are missing"):
        read_published([tmp_path / "gone.csv"])


def test_the_matrix_holds_each_measurement_at_its_place(frame):
    one = frame[(frame.strategy == "Drifting") & (frame.seed == 0).fillna(False)]
    errors, untrained = error_matrix(one[one.horizon == "mean"], ["p0", "p1"])
    assert errors.tolist() == MATRICES["Drifting"]
    assert untrained.tolist() == [50.0, 50.0]


def test_transfer_is_computed_per_seed(frame):
    texts = _texts(transfer_table(frame, VIEW))
    # backward 10 - 16, forward 50 - 14, forgetting 16 - 10; the seed cancels
    assert texts["Drifting"] == ["Net", "-6.00 ± 0.00", "36.00 ± 0.00", "6.00 ± 0.00"]
    assert texts["Steady"] == ["Net", "0.00 ± 0.00", "37.00 ± 0.00", "0.00 ± 0.00"]
    assert transfer_table(frame[frame.period == frame.after], VIEW) is None


TABLE = MarkedTable("a & b", ("name", "≤3"), ((Entry("x_y"), Entry("1.0 ± 0.1", "best")),), ("n",))


def test_marks_are_bold_and_underlined():
    assert marks([2.0, 1.0, 2.0, float("nan")]) == ["second", "best", "second", ""]
    assert marks([2.0, 1.0, 3.0], lowest=False) == ["second", "", "best"]
    assert "| x_y | **1.0 ± 0.1** |" in to_markdown(TABLE)
    assert r"x\_y & \textbf{1.0 $\pm$ 0.1} \\" in to_latex([TABLE])
    assert r"\caption{a \& b}" in to_latex([TABLE])
    assert to_csv([TABLE]).splitlines() == ["table,name,≤3", "a & b,x_y,1.0 ± 0.1"]


def test_the_page_holds_tables_figures_and_how_they_were_made(frame, tmp_path):
    page = Page("ours", frame, [VIEW], facts=["seeds: 0, 1"], failures=["EAC: out of memory"])
    write_html(page, tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.findall(r'<section id="(.*?)"', html) == ["errors", "transfer", "failures", "made"]
    assert "1 cells failed" in html
    assert html.count("<caption>") == 2
    assert '<td class="best">9.50 ± 0.71</td>' in html


def test_bars_are_ranked_and_naive_forecasts_grey(frame):
    chart = error_bars(frame, VIEW)
    assert chart is not None
    trained, naive = chart.marks
    assert chart.title == "s: MAE, mean over steps, periods and seeds"
    assert trained.x == ("Drifting on Net", "Steady on Net", "same slot a week ago")
    assert trained.y == (9.5, 11.5, None)
    assert naive.y == (None, None, 24.5)
    booster = frame.replace({"strategy": {"naive: week": "naive: lightgbm"}})
    chart = error_bars(booster, VIEW)
    assert chart is not None
    assert (chart.marks[0].x[2], chart.marks[0].y[2]) == ("LightGBM", 24.5)
    cumulative = error_bars(frame.assign(kind="cumulative"), replace(VIEW, kind="cumulative"))
    assert cumulative is not None
    assert cumulative.title == "s: MAE, avg, mean over periods and seeds"
    assert error_bars(frame[frame.stream == "other"], VIEW) is None
