"""Names from data are harmless in every form: terminal, HTML, LaTeX, CSV, Markdown, JSON."""

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from eac.cli.commands.compare import main as compare
from eac.cli.commands.report import main as report
from eac.errors import StreamError
from eac.records.details import write_details
from eac.records.record import SensorErrors, read_run, write_period, write_run
from eac.report.common.escapes import latex
from tests.report.runs import details, period, write_example

ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\x08\u202e"
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`"
TEX = r"\input{/etc/passwd} $x^2_i$ #1 %~& [b]* {"
SHEET = ("=HYPERLINK(1)", "+1+1", "-1+1", "@SUM(A1)")
LINK = "[bold]z[/] [x](javascript:1) 東京 \U0001f600"
NAMES = (
    f"a{ESCAPES}",
    f"b{MARKUP}",
    f"c{TEX}",
    *SHEET,
    "[bold]z[/] [x](javascript:1) 東京 \U0001f600",
)
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def pack(tmp_path) -> Path:
    """A run in which every name is an attack."""
    run = write_example(tmp_path / "run")
    everything = "".join(NAMES)
    write_run(run, replace(read_run(run), stream=everything, unit=everything, source=everything))
    for index, name in enumerate(("0", "1")):
        folder = run / f"period-{index:02d}-{name}"
        told = f"{everything}{index}"
        errors = SensorErrors(NAMES, tuple(float(i + 1) for i in range(len(NAMES))))
        record = replace(period(name, 8.0, "a" * len(NAMES)), name=told, sensors=errors)
        write_period(folder, replace(record, strategy=told, backbone=told, notes=(told,)))
        known = details(name, "a" * len(NAMES))
        traced = replace(known.traces.worst[0], node_id=NAMES[1])
        write_details(
            folder,
            replace(
                known,
                name=told,
                map=replace(known.map, node_ids=NAMES),
                traces=replace(known.traces, worst=(traced,), best=(traced,)),
                quality=replace(known.quality, warnings=(told,), first=told, last=told),
            ),
        )
    return run


@pytest.mark.parametrize("form", ["", "--all", "--json", "--markdown", "--latex", "--csv"])
def test_no_name_of_a_run_steers_a_terminal(pack, capsys, form):
    assert report([str(pack), *form.split()]) == 0
    shown = capsys.readouterr().out
    assert len(shown) > 500
    assert not FORBIDDEN.search(shown)


@pytest.mark.parametrize("form", [[], ["--markdown"], ["--latex"], ["--csv"]])
def test_no_name_of_a_comparison_steers_a_terminal(pack, capsys, form):
    assert compare([str(pack), str(pack), *form]) == 0
    assert not FORBIDDEN.search(capsys.readouterr().out)


def test_no_message_steers_a_terminal():
    assert str(StreamError(f"period {ESCAPES}: a\nb")) == (
        "period \\x1b[2J\\x1b]0;owned\\x07\\x9b31m\\x0d\\x08\\u202e: a\nb"
    )


def test_json_holds_the_names_as_they_are(pack, capsys):
    report([str(pack), "--json"])
    assert json.loads(capsys.readouterr().out)["periods"][0]["name"] == "".join(NAMES) + "0"


@pytest.mark.parametrize("command", ["report", "compare"])
def test_no_cell_of_a_csv_is_a_formula(pack, capsys, command):
    for name in SHEET:  # as the name of a period, at the beginning of its cell
        write_period(pack / "period-00-0", replace(period(name, 8.0), strategy=name))
        other = ["--csv"] if command == "report" else [str(pack), "--csv"]
        assert (report if command == "report" else compare)([str(pack), *other]) == 0
        cells = [c for row in csv.reader(io.StringIO(capsys.readouterr().out)) for c in row]
        assert f"'{name}" in cells
        for cell in cells:
            assert (
                not cell.startswith(("=", "@", "+", "-")) or cell == "-" or float(cell) is not None
            )


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


@pytest.mark.parametrize("command", ["report", "compare"])
def test_no_name_becomes_markup_of_a_page(pack, tmp_path, command):
    page = tmp_path / "page.html"
    given = [str(pack)] if command == "report" else [str(pack), str(pack)]
    assert (report if command == "report" else compare)([*given, "--html", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert not FORBIDDEN.search(text)
    parser = _Tags()
    parser.feed(text)
    assert not [tag for tag, _ in parser.seen if tag == "img"]
    assert not [a for _, known in parser.seen for a in known if a.startswith("on")]


def test_names_in_markdown_are_no_links_and_no_html(pack, capsys):
    report([str(pack), "--markdown"])
    text = capsys.readouterr().out
    assert "<script" not in text
    assert "<img" not in text
    assert not re.search(r"(?<!\\)\]\(", text)


def _compiles(text: str, folder: Path) -> None:
    document = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{text}\ref{{x}}"
    (folder / "t.tex").write_text(document + r"\end{document}", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "t.pdf").stat().st_size > 1000


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex and booktabs")
def test_the_tables_compile(pack, tmp_path, capsys):
    report([str(pack), "--latex"])
    compare([str(pack), str(pack), "--latex"])
    _compiles(capsys.readouterr().out, tmp_path)


def test_latex_holds_no_command_of_a_name_and_nothing_that_a_plain_document_lacks():
    shown = latex("".join(map(chr, range(1, 0x3100))) + ESCAPES + TEX)
    commands = set(re.findall(r"\\([A-Za-z]+)", shown))
    assert commands <= {
        *("textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater"),
        *("textbar", "textasciigrave", "pm", "leq", "geq", "times", "cdot", "circ", "mu", "ldots"),
    }
    assert shown.isprintable()
    assert shown.count("{") - shown.count(r"\{") == shown.count("}") - shown.count(r"\}")
    assert not re.search(r"(?<!\\)[#&%_]", shown)
    assert max(map(ord, shown)) < 0x180


def test_labels_of_tables_differ_and_are_plain(pack, capsys):
    report([str(pack), "--latex"])
    labels = re.findall(r"\\label\{(.*?)\}", capsys.readouterr().out)
    assert len(labels) == len(set(labels)) == 5
    assert all(re.fullmatch(r"[a-z0-9-]+:[a-z0-9-]+", label) for label in labels)
