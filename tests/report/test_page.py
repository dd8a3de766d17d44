"""What the page of a run says, and that it needs nothing from outside."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from eac.errors import CheckpointError, RunError
from eac.records.details import SensorMap, SensorTrace, read_details, write_details
from eac.records.intervals import Fan, Intervals
from eac.records.newcomers import Newcomers
from eac.records.record import read_period, read_run, write_period
from eac.records.update import UpdateRecord
from eac.report.common import page_parts
from eac.report.common.summary import report_json
from eac.report.run.page import read_all_details, read_view, run_figures, sections_of, write_page
from tests.report.runs import write_example


def _page(tmp_path, **settings) -> str:
    path = tmp_path / "out" / "report.html"
    write_page(write_example(tmp_path / "run", **settings), path)
    return path.read_text(encoding="utf-8")


def _own(html: str) -> str:
    """The page without its styles and scripts."""
    return re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)


def test_the_headline_says_plainly_that_a_naive_forecast_is_better(tmp_path):
    html = _page(tmp_path)
    assert "EAC does not beat the best naive forecast, the same slot a week ago" in html
    assert "12.00 veh/h" in html
    assert "Worse than the best naive forecast in 1 of 2 periods: 1." in html
    assert "error 50.0 % higher, best naive forecast the same" in html  # 12 after 8, 10 after 10
    assert "-20.0 %" in html  # 12 against 10, the same slot a week ago


def test_a_run_of_one_period_is_shown_without_what_compares_periods(tmp_path):
    path = tmp_path / "report.html"
    write_page(write_example(tmp_path / "run", (8.0,), placed=False), path)
    html = _own(path.read_text(encoding="utf-8"))
    assert "Joining and leaving" not in html
    assert "Mean over" not in html
    assert "Period 0: 3 nodes" in html


def test_the_page_asks_nothing_of_a_network(tmp_path):
    own = _own(_page(tmp_path))
    assert len(own) < 120_000
    assert not re.findall(r"(?:src|href)=\"(?!#|data:)", own)
    assert "default-src 'none'" in own


def test_text_from_the_data_cannot_become_markup(tmp_path):
    html = _page(tmp_path)
    assert "</script><b>" not in html
    assert "model: &lt;made&gt;" in html


def test_every_figure_has_words_and_every_table_a_caption(tmp_path):
    own = _own(_page(tmp_path))
    assert own.count("<table") == own.count("<caption>")
    plots = re.findall(r'<div class="plot" role="img" aria-label="([^"]*)"', own)
    assert len(plots) == 14
    assert all(len(words) > 20 for words in plots)
    assert own.count("<h1>") == own.count("<main") == own.count("<nav") == 1


def test_embedded_figures_are_data_that_the_script_draws(tmp_path):
    found = re.search(r'id="data-figures">(.*?)</script>', _page(tmp_path), re.DOTALL)
    assert found is not None
    figures = json.loads(found.group(1))
    assert {"skill", "error-by-period", "map", "spectrum"} <= set(figures)
    assert {drawn["kind"] for variants in figures.values() for drawn in variants} == {
        "series",
        "map",
        "heat",
    }


def test_the_order_is_errors_then_sensors_then_data_then_prompts(tmp_path):
    keys = re.findall(r'<section id="(.*?)"', _page(tmp_path))
    assert keys == ["errors", "sensors", "data", "nodes", "transfer", "prompts", "cost", "settings"]


def test_the_page_of_a_hundred_sensors_and_of_many_periods_stays_small(tmp_path):
    names = [f"sensor {i}" for i in range(100)]
    run = write_example(tmp_path / "run", tuple(8.0 + i % 3 for i in range(30)))
    numbers = tuple(tuple(100.123 + o + lead for lead in range(24)) for o in range(288))
    series = tuple(float(i) + 0.123 for i in range(312))
    for folder in run.glob("period-*"):
        known = read_details(folder)
        assert known is not None
        trace = SensorTrace("a", series, series, numbers)
        traces = replace(
            known.traces, leads=tuple(range(1, 25)), worst=(trace,) * 4, best=(trace,) * 4
        )
        places = tuple((5.0 + i / 100, 60.0 + i % 7) for i in range(100))
        edges = tuple((i, (7 * i + 1) % 100) for i in range(100))
        drawn = SensorMap(tuple(names), places, edges, 100)
        write_details(folder, replace(known, traces=traces, map=drawn))
    write_page(run, tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size < 1_500_000


def test_a_run_without_details_is_still_shown(tmp_path):
    run = write_example(tmp_path / "run")
    for path in [*run.glob("period-*/report.json"), *run.glob("period-*/manifest.json")]:
        path.unlink()
    write_page(run, tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "kept no details" in html
    assert 'id="trace"' not in html


def test_damaged_details_are_named(tmp_path):
    run = write_example(tmp_path / "run")
    (run / "period-01-1" / "report.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="period-01-1"):
        read_all_details(run)


def test_details_are_read_as_they_were_written(tmp_path):
    from tests.report.runs import details

    run = write_example(tmp_path / "run")
    assert read_all_details(run) == (details("0"), details("1"))


def test_without_the_extra_one_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(page_parts, "has_page_libraries", lambda: False)
    with pytest.raises(RunError, match=r"pip install 'eac\[report\]'"):
        write_page(write_example(tmp_path), tmp_path / "page.html")


def test_writing_a_page_imports_neither_torch_nor_lightning(tmp_path, repository):
    run = write_example(tmp_path / "run")
    code = (
        "import sys\nfrom eac.cli.commands.report import main\n"
        f"assert main([{str(run)!r}, '--html', {str(tmp_path / 'a.html')!r}]) == 0\n"
        f"assert main([{str(run)!r}, '--figures', {str(tmp_path / 'f')!r}]) == 0\n"
        "from eac.cli.commands.compare import main\n"
        f"assert main([{str(run)!r}] * 2 + ['--html', {str(tmp_path / 'b.html')!r}]) == 0\n"
        "print({'torch', 'lightning', 'pandas', 'plotly'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "set()"


def test_figures_of_a_paper_have_one_name_each(tmp_path):
    keys = [chart.key for chart in run_figures(write_example(tmp_path))]
    assert len(keys) == len(set(keys)) == 13


def test_no_page_is_made_of_a_run_that_lost_a_record(tmp_path):
    run = write_example(tmp_path / "run", (8.0, 9.0, 8.0, 9.0))
    (run / "period-01-1" / "metrics.json").unlink()
    with pytest.raises(CheckpointError, match="period 1 is not done, but period-02-2 is"):
        write_page(run, tmp_path / "page.html")


def test_updates_and_intervals_are_shown_where_a_run_has_them(tmp_path):
    run = write_example(tmp_path / "run")
    levels = {"80": 78.5, "90": 97.0}
    fan = Fan("a", 3, (1.0, None, 3.0, 4.0), (3.0, 5.0), {"80": (2.5, 4.5)}, {"80": (3.5, 6.0)})
    made = Intervals(
        "Rolling",
        "validation",
        levels,
        levels,
        levels,
        levels,
        levels,
        1.0,
        steps={"width": {"80": (1.0, 2.0)}},
        fans=(fan,),
    )
    for index, lost in enumerate((1.0, 0.85)):
        folder = run / f"period-{index:02d}-{index}"
        update = UpdateRecord(8, 4, 100, 50, lost, rung="everything" if index else "")
        write_period(folder, replace(read_period(folder), intervals=made, update=update))
    view = read_view(run, "MAE")
    found = {section.key: section for section in sections_of(view)}
    charts = {slot.key: slot.charts[0] for slot in found["intervals"].slots}
    assert charts["coverage"].marks[0].y == (78.5, 78.5)
    assert charts["fan"].alt.endswith(" 1 of 2 readings are inside the 80 % interval.")
    cells = found["intervals"].tables[0].rows
    assert [(row[2].text, row[2].mark) for row in cells[:2]] == [("78.5 %", ""), ("97.0 %", "bad")]
    energy = found["updates"].slots[0].charts[0].marks[0]
    assert energy.y == pytest.approx((0.0, 15.0))
    assert energy.marked == (1,)
    trained = [row[1].text for row in found["updates"].folded[0].rows]
    assert trained == ["prompts and update", "everything"]
    write_page(run, tmp_path / "page.html")


def test_new_sensors_are_shown_beside_what_is_simpler(tmp_path):
    run = write_example(tmp_path / "run")
    first = {
        "before": {"day": 4.0, "week": 3.0, "month": None},
        "after": {"day": 1.0, "week": 1.0, "month": 1.0},
        "last": {"day": 5.0, "week": 6.0, "month": 7.0},
    }
    made = Newcomers(2, first, {"after": 2.0, "last": 9.0})
    folder = run / "period-01-1"
    write_period(folder, replace(read_period(folder), newcomers=made))

    assert read_period(folder).newcomers == made
    found = {section.key: section for section in sections_of(read_view(run, "MAE"))}
    table = found["newcomers"].tables[0]
    assert table.title.endswith("of 2 new sensors, period 1")
    cells = {row[0].text: [(entry.text, entry.mark) for entry in row[1:]] for row in table.rows}
    assert [text for text, _ in cells["EAC, before training"]] == ["4.00", "3.00", "-", "-"]
    assert cells["EAC, before training"][0][1] == "best"
    assert cells["EAC, after training"] == [
        ("1.00", ""),  # trained on these readings
        ("1.00", ""),
        ("1.00", ""),
        ("2.00", "best"),
    ]
    assert [text for text, _ in cells["last value"]] == ["5.00", "6.00", "7.00", "9.00"]
    write_page(run, tmp_path / "page.html")
    told = report_json(read_run(run))
    assert told["periods"][1]["newcomers"]["first"]["before"]["week"] == 3.0
    assert "newcomers" not in told["periods"][0]


def test_a_peer_that_some_periods_lack_has_no_mean_over_all(tmp_path):
    run = write_example(tmp_path / "run")
    kept = {"before": {"day": 4.0, "month": 4.0}, "lightgbm": {"day": 1.0, "month": 1.0}}
    later = {"before": {"day": 6.0, "month": None}}
    for folder, first in (("period-00-0", kept), ("period-01-1", later)):
        made = Newcomers(2, first, {"after": 2.0} | {"lightgbm": 1.0} if first is kept else {})
        write_period(run / folder, replace(read_period(run / folder), newcomers=made))
    found = {section.key: section for section in sections_of(read_view(run, "MAE"))}["newcomers"]
    cells = {row[0].text: [entry.text for entry in row[1:]] for row in found.tables[0].rows}
    assert found.tables[0].title.endswith("of 4 new sensors, mean over 2 periods")
    assert cells["EAC, before training"] == ["5.00", "-", "4.00", "-"]
    assert cells["LightGBM"] == ["-", "-", "1.00", "1.00"]
    notes = " ".join(found.tables[0].notes)
    assert "The first month was measured in 1 period alone" in notes
    assert "The first day was" not in notes
    assert "A forecast that some of these periods lack has no mean" in notes
