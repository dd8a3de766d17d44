"""What the page of a run says, and that it needs nothing from outside."""

import json
import re
import subprocess
import sys

import pytest

from eac.errors import CheckpointError, RunError
from eac.report.run import page
from eac.report.run.page import read_all_details, run_figures, write_page
from tests.report.runs import write_example


def _page(tmp_path, **settings) -> str:
    path = tmp_path / "out" / "report.html"
    write_page(write_example(tmp_path / "run", **settings), path)
    return path.read_text(encoding="utf-8")


def _own(html: str) -> str:
    """The page without the library that travels inside it."""
    return re.sub(r"<script>/\*\*.*?</script>", "", html, flags=re.DOTALL)


def test_the_headline_says_plainly_that_a_naive_forecast_is_better(tmp_path):
    html = _page(tmp_path)
    assert "EAC does not beat the best naive forecast, the same slot a week ago" in html
    assert "12.00 veh/h" in html
    assert "50.0 % higher" in html  # 12 against 8 in the period before
    assert "20.0 % higher" in html  # 12 against 10, the same slot a week ago


def test_a_run_of_one_period_is_shown_without_what_compares_periods(tmp_path):
    path = tmp_path / "report.html"
    write_page(write_example(tmp_path / "run", (8.0,), placed=False), path)
    html = _own(path.read_text(encoding="utf-8"))
    assert "Joining and leaving" not in html
    assert "Mean over" not in html
    assert "Period 0: 3 nodes" in html


def test_the_page_asks_nothing_of_a_network(tmp_path):
    own = _own(_page(tmp_path))
    assert len(own) < 100_000
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
    assert len(plots) == 12
    assert all(len(words) > 20 for words in plots)
    assert own.count("<h1>") == own.count("<main") == own.count("<nav") == 1


def test_embedded_figures_are_valid_plotly_figures(tmp_path):
    plotly = pytest.importorskip("plotly.graph_objects")
    found = re.search(r'id="data-figures">(.*?)</script>', _page(tmp_path), re.DOTALL)
    assert found is not None
    figures = json.loads(found.group(1).replace("@", "#000000@"))
    for variants in figures.values():
        for figure in variants:
            plain = json.loads(re.sub(r"#000000@[a-z]+\d?", "#000000", json.dumps(figure)))
            plotly.Figure(data=plain["data"], layout=plain["layout"])


def test_a_run_without_details_is_still_shown(tmp_path):
    run = write_example(tmp_path / "run")
    for path in run.glob("period-*/report.json"):
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
    monkeypatch.setattr(page, "has_page_libraries", lambda: False)
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
        "print({'torch', 'lightning', 'pandas'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "set()"


def test_figures_of_a_paper_have_one_name_each(tmp_path):
    keys = [chart.key for chart in run_figures(write_example(tmp_path))]
    assert len(keys) == len(set(keys)) == 11
