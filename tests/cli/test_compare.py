"""`eac compare` on runs written by hand."""

import pytest

from eac.cli.commands.compare import main
from tests.report.runs import write_example


@pytest.fixture
def runs(tmp_path) -> list[str]:
    examples = (("a", 8.0), ("b", 7.0))
    return [str(write_example(tmp_path / name, (value, 12.0))) for name, value in examples]


def test_text_holds_tables_and_a_verdict(runs, capsys):
    assert main(runs) == 0
    text = capsys.readouterr().out
    assert "a (EAC)" in text
    assert "Paired tests" in text
    assert "b (EAC) is better than a (EAC)" in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("--markdown", "| 0 | <u>8.00</u> | **7.00** | 10.00 |"),
        ("--latex", r"0 & \underline{8.00} & \textbf{7.00} & 10.00 \\"),
        ("--csv", '"MAE [veh/h] by period, mean over steps",0,8.00,7.00,10.00'),
    ],
)
def test_tables_come_in_the_forms_of_papers(runs, capsys, form, said):
    assert main([*runs, form]) == 0
    assert said in capsys.readouterr().out


def test_html_is_one_page(runs, tmp_path, capsys):
    page = tmp_path / "compare.html"
    assert main([*runs, "--html", str(page)]) == 0
    assert "wrote" in capsys.readouterr().out
    assert "made: 2 runs compared" in page.read_text(encoding="utf-8")


def test_one_run_gets_one_sentence_with_what_to_do(runs, capsys):
    assert main(runs[:1]) == 1
    assert capsys.readouterr().err == (
        "error: a comparison needs at least two runs: eac compare runs/a runs/b\n"
    )


def test_a_chosen_run_is_what_the_others_are_tested_against(runs, capsys):
    for name in ("b", runs[1]):
        assert main([*runs, "--reference", name]) == 0
        assert "a (EAC) is worse than b (EAC)" in capsys.readouterr().out
    assert main([*runs, "--reference", "EAC"]) == 1
    assert "2 runs of that name. Give one of: " in capsys.readouterr().err
    assert main([*runs, "--reference", "c"]) == 1
    assert "no run of that name" in capsys.readouterr().err


def test_a_brief_comparison_is_the_periods_and_what_they_show(runs, capsys):
    assert main([*runs, "--brief"]) == 0
    text = capsys.readouterr().out
    assert "by period" in text
    assert "Paired tests" not in text
    assert "b (EAC) compared with the best naive forecast" in text
