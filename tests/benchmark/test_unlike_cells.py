"""Tables of strategies whose test targets differ, and of peers that some cells measured."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from eac.benchmark.config import Benchmark, Choice, StreamChoice, TableSettings
from eac.benchmark.grid import CellResult, cells_of, write_result
from eac.benchmark.page import page_of
from eac.benchmark.results import collect
from eac.report.benchmark.benchmark_page import Page, write_html, write_page, write_tables
from eac.report.common.markup import MarkedTable
from tests.benchmark.fake_runs import fake_run


def _benchmark(options: dict[str, dict[str, object]]) -> Benchmark:
    strategies = tuple(Choice(name, options=chosen) for name, chosen in options.items())
    stream = StreamChoice("fake", Path("nowhere"))
    tables = TableSettings(steps=("3",))
    return Benchmark("fakes", (1, 2), (stream,), strategies, tables=tables)


def _page(out: Path, benchmark: Benchmark, reference: str = "") -> Page:
    cells = cells_of(benchmark, out)
    out.mkdir(exist_ok=True)
    for cell in cells:
        fake_run([*cell.arguments, f"--run.dir={cell.directory}"])
        write_result(cell, CellResult(cell.arguments, "", 1.0, None))
    return page_of(benchmark, collect(cells), cells, [], reference)


def _rows(table: MarkedTable) -> dict[str, dict[str, tuple[str, str]]]:
    return {
        row[0].text: {k: (e.text, e.mark) for k, e in zip(table.header, row, strict=True)}
        for row in table.rows
    }


LONG: dict[str, object] = {"error": 8.0}
SHORT: dict[str, object] = {"error": 4.0, "data.horizon": 6}
PEERED: dict[str, object] = {"error": 9.0, "run.peers": ["lightgbm"]}
OTHERS = {"EAC12": LONG, "EAC6": SHORT}
SAID = "EAC6 on Net has other test targets (horizon 6, not horizon 12): it has no rank and no p."


@pytest.mark.parametrize("names", [("EAC12", "EAC6"), ("EAC6", "EAC12")])
@pytest.mark.parametrize("second", [False, True])
def test_other_targets_are_named_and_neither_ranked_nor_tested(tmp_path, names, second):
    options = {name: OTHERS[name] for name in names} | ({"More": PEERED} if second else {})
    errors, transfer = _page(tmp_path, _benchmark(options)).tables()
    rows = _rows(errors)
    # over periods 8 + 0, 1, 2 and seeds 1, 2
    assert rows["EAC12"]["mean"] == ("10.50 ± 0.71", "best" if not second else "second")
    assert rows["EAC6"]["mean"] == ("6.50 ± 0.71", "")
    assert rows["EAC6"]["p"] == ("-", "")
    assert rows["EAC12"]["p"] == ("reference", "")
    assert any("EAC12 on Net, the best trained model that is ranked," in n for n in errors.notes)
    assert rows["same slot a week ago"]["mean"][0] == "12.50"
    assert errors.notes[0] == transfer.notes[0] == SAID
    assert all(entry.mark == "" for row in transfer.rows if row[0].text == "EAC6" for entry in row)


def test_naive_rows_are_on_the_targets_of_the_reference(tmp_path):
    errors = next(_page(tmp_path, _benchmark(OTHERS), reference="EAC6").tables())
    rows = _rows(errors)
    assert rows["EAC6"]["p"][0] == "reference"
    assert rows["EAC6"]["mean"][1] == "best"
    assert rows["same slot a week ago"]["mean"][0] == "6.50"
    assert rows["EAC12"]["mean"][1] == ""
    assert errors.notes[0].startswith("EAC12 on Net has other test targets (horizon 12, not")


@pytest.mark.parametrize(
    ("key", "values", "differs"),
    [
        ("data.window", (12, 24), "window 24, not window 12"),
        ("metrics.null_value", (None, 0), "null_value 0.0, not null_value none"),
        ("protocol", ("strict", "published"), "protocol published, not protocol strict"),
    ],
)
def test_every_setting_that_changes_targets_is_named(tmp_path, key, values, differs):
    options: dict[str, dict[str, object]] = {
        name: {"error": 8.0} | ({} if value is None else {key: value})
        for name, value in zip("ab", values, strict=True)
    }
    errors = next(_page(tmp_path, _benchmark(options), reference="a").tables())
    assert errors.notes[0].startswith(f"b on Net has other test targets ({differs})")


@pytest.mark.parametrize("write", [write_tables, write_page, write_html])
def test_other_targets_are_said_in_every_form(tmp_path, write):
    page = _page(tmp_path / "runs", _benchmark(OTHERS))
    path = tmp_path / "page"
    if write is write_tables:
        path.mkdir()
    write(page, path)
    for file in (path / "tables.md", path / "tables.tex") if path.is_dir() else (path,):
        assert "other test targets (horizon 6, not horizon 12)" in file.read_text(encoding="utf-8")


def test_a_peer_that_some_cells_measured_is_shown_whatever_their_order(tmp_path):
    shown = []
    for folder, names in (("one", ("Plain", "Peered")), ("two", ("Peered", "Plain"))):
        options = {name: {"Plain": LONG, "Peered": PEERED}[name] for name in names}
        errors = next(_page(tmp_path / folder, _benchmark(options)).tables())
        shown.append(_rows(errors))
        assert [row[0].text for row in errors.rows][2:] == [
            "last value",
            "same slot a week ago",
            "LightGBM",
        ]
    assert shown[0] == shown[1]
    assert shown[0]["LightGBM"]["mean"][0] == "8.00"  # of the lowest seed


def test_a_peer_on_other_targets_alone_is_shown_without_rank(tmp_path):
    options = {"EAC12": LONG, "EAC6": SHORT | {"run.peers": ["lightgbm"]}}
    errors = next(_page(tmp_path, _benchmark(options)).tables())
    assert _rows(errors)["LightGBM"]["mean"] == ("8.00", "")
    assert errors.notes[1].startswith("LightGBM has other test targets")


def test_results_are_the_same_in_any_order_of_cells(tmp_path):
    benchmark = _benchmark({"Plain": LONG, "Peered": PEERED, "EAC6": SHORT})
    _page(tmp_path, benchmark)
    turned = replace(benchmark, strategies=benchmark.strategies[::-1], seeds=(2, 1))
    frames = [
        f[f.strategy.astype(str).str.startswith("naive")].reset_index(drop=True)
        for f in (collect(cells_of(b, tmp_path)) for b in (benchmark, turned))
    ]
    assert len(frames[0])
    pd.testing.assert_frame_equal(frames[0], frames[1], check_categorical=False)
