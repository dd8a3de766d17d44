"""The pages in a real browser: every figure drawn, nothing on the console, light, dark, print."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from eac.records.details import read_details, write_details
from eac.records.record import read_period, write_period
from eac.report.compare.compare_page import write_comparison
from eac.report.compare.comparison import read_runs
from eac.report.run.page import write_page
from tests.report.runs import write_example

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FOUND = next((path for name in BROWSERS if (path := shutil.which(name))), None)

pytestmark = pytest.mark.skipif(
    FOUND is None, reason="needs a Chromium browser, such as Debian's package chromium"
)


def browse(page: Path, profile: Path, *options: str) -> tuple[str, list[str]]:
    """What the browser prints, and the lines of its console."""
    command = [str(FOUND), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={profile}", "--enable-logging=stderr"]
    command += ["--virtual-time-budget=20000", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def drawn(dom: str) -> tuple[int, int]:
    """How many figures the page says it drew, and how many it has places for."""
    said = re.search(r'data-drawn="(\d+)"', dom)
    return int(said.group(1)) if said else 0, dom.count('role="img"')


@pytest.mark.parametrize("placed", [True, False])
def test_every_figure_of_a_run_is_drawn_without_a_word_on_the_console(tmp_path, placed):
    page = tmp_path / "report.html"
    write_page(write_example(tmp_path / "run", placed=placed), page)
    dom, console = browse(page, tmp_path / "profile", "--dump-dom")
    done, places = drawn(dom)
    assert console == []
    assert done == places == 14
    assert dom.count("<svg ") == places
    assert "Mean absolute error 1 step ahead on these days: 0.000" not in dom
    assert "Sensor a over the last 9 steps" in dom


def test_every_figure_of_a_comparison_is_drawn(tmp_path):
    runs = [write_example(tmp_path / name, (v, 9.0)) for name, v in (("a", 8.0), ("b", 7.0))]
    page = tmp_path / "compare.html"
    write_comparison(read_runs([str(run) for run in runs]), page)
    dom, console = browse(page, tmp_path / "profile", "--dump-dom")
    assert console == []
    assert drawn(dom) == (2, 2)


def test_dark_mode_is_dark_and_print_gives_a_document(tmp_path):
    from PIL import Image

    page, profile = tmp_path / "report.html", tmp_path / "profile"
    write_page(write_example(tmp_path / "run"), page)
    light, dark, document = (tmp_path / name for name in ("light.png", "dark.png", "page.pdf"))
    browse(page, profile, f"--screenshot={light}", "--window-size=1200,900")
    dim = "--blink-settings=preferredColorScheme=0"
    browse(page, profile, dim, f"--screenshot={dark}", "--window-size=1200,900")
    browse(page, profile, f"--print-to-pdf={document}")
    corners = [Image.open(path).convert("L").crop((0, 0, 4, 4)) for path in (light, dark)]
    assert max(corners[0].tobytes()) > 200
    assert max(corners[1].tobytes()) < 60
    assert document.read_bytes().startswith(b"%PDF")


def test_a_period_without_a_measured_sensor_is_shown(tmp_path):
    run, page = write_example(tmp_path / "run"), tmp_path / "report.html"
    folder = run / "period-01-1"
    known = read_details(folder)
    assert known is not None
    write_details(folder, replace(known, traces=replace(known.traces, worst=(), best=())))
    write_page(run, page)
    dom, console = browse(page, tmp_path / "profile", "--dump-dom")
    assert console == []
    assert "No sensor was measured." in dom


def test_pages_fit_the_width_of_a_telephone(tmp_path):
    runs = [write_example(tmp_path / n, tuple([9.0] * 30)) for n in ("a-long-name", "another-one")]
    run, compared = tmp_path / "run.html", tmp_path / "compare.html"
    write_page(runs[0], run)
    write_comparison(read_runs([str(path) for path in runs]), compared)
    for page in (run, compared):
        dom, console = browse(page, tmp_path / "profile", "--dump-dom", "--window-size=400,900")
        assert console == []
        assert 'data-fits="true"' in dom


def test_names_that_are_attacks_are_shown_without_running(tmp_path):
    bad = "<img src=x onerror=console.log(1)><script>console.log(2)</script>\x1b[2J"
    run, page = write_example(tmp_path / "run"), tmp_path / "report.html"
    for folder in run.glob("period-*"):
        known = read_details(folder)
        assert known is not None
        worst = replace(known.traces.worst[0], node_id=bad)
        names = replace(known.map, node_ids=(bad, "b", "c"))
        traces, record = replace(known.traces, worst=(worst,)), read_period(folder)
        name = bad + record.name
        write_details(folder, replace(known, name=name, map=names, traces=traces))
        assert record.sensors is not None
        sensors = replace(record.sensors, node_ids=(bad, *record.sensors.node_ids[1:]))
        write_period(folder, replace(record, name=name, sensors=sensors))
    write_page(run, page)
    dom, console = browse(page, tmp_path / "profile", "--dump-dom")
    assert console == []
    assert "<img" not in dom
    assert drawn(dom)[0] == drawn(dom)[1] > 8
