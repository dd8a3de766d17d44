"""Runs of other horizons, windows and targets compared, with numbers by hand."""

from pathlib import Path

import pytest

from eac.cli.commands.compare import main
from eac.report.compare.comparison import Compared, read_runs, tables
from eac.report.compare.verdicts import charts, verdicts
from tests.report.runs import rewrite, stepped, table, write_example


@pytest.fixture
def runs(tmp_path) -> list[Path]:
    return [write_example(tmp_path / name, (8.0,)) for name in "ab"]


@pytest.fixture
def horizons(runs) -> list[Path]:
    """a forecasts 4 steps with an error of 8 at each; b 6, with 6 at the first 4 and 18 beyond."""
    naive = stepped(9.0, 9.0, 9.0, 9.0, 50.0, 50.0)
    rewrite(runs[1], groups={"all": stepped(6, 6, 6, 6, 18, 18)}, baselines={"week": naive})
    return runs


def _compared(runs: list[Path]) -> Compared:
    return read_runs([str(run) for run in runs])


def _text(compared: Compared, position: int) -> list[list[str]]:
    shown = list(tables(compared, "MAE"))[position]
    return [list(shown.header), *([entry.text for entry in row] for row in shown.rows)]


@pytest.mark.parametrize("turned", [False, True])
def test_runs_of_other_horizons_are_compared_over_the_steps_they_share(horizons, turned):
    compared = _compared(horizons[::-1] if turned else horizons)
    order = slice(None, None, -1 if turned else 1)
    # over all 6 steps b has a mean of 10 and an avg of 7.6
    assert _text(compared, 0)[1][1:3] == ["8.00", "6.00"][order]
    by_horizon = {row[0]: row[1:] for row in _text(compared, 1)[1:]}
    assert by_horizon == {key: ["8.00", "6.00"][order] for key in ("@3", "@4", "mean", "avg")}
    how = "a (EAC) is worse than b (EAC)" if turned else "b (EAC) is better than a (EAC)"
    assert verdicts(compared, "MAE")[0].startswith(how)
    assert [len(mark.y) for mark in charts(compared, "MAE")[1].marks] == [4, 4]


def test_errors_of_sensors_over_other_horizons_are_not_compared(horizons, tmp_path):
    compared = _compared([*horizons, write_example(tmp_path / "c", (7.0,))])
    paired = [row[:3] for row in _text(compared, 2)[1:]]
    assert paired == [
        ["b (EAC)", "periods x steps", "4"],
        ["c (EAC)", "periods x steps", "4"],
        ["c (EAC)", "sensors x periods (MAE)", "3"],
    ]


@pytest.mark.parametrize("form", ["--markdown", "--latex", "--csv", "--brief"])
def test_other_horizons_are_named_in_every_form(horizons, capsys, form):
    assert main([*map(str, horizons), form]) == 0
    said = " ".join("".join(capsys.readouterr()).split())
    assert "Mind: The runs differ in their horizon: 4, 6." in said
    assert "over the first 4 steps" in said


def test_each_run_is_judged_by_the_naive_forecasts_on_its_own_targets(runs):
    rewrite(runs[1], baselines={"last": table(20.0), "week": table(5.0)})
    compared = _compared(runs)
    naive = verdicts(compared, "MAE")[1:]
    assert "against 10.00 (20.0 % lower), lower in 1 of 1 period" in naive[0]
    assert "against 5.00 (60.0 % higher), lower in 0 of 1 period" in naive[1]
    by_period = _text(compared, 0)
    assert by_period[0][3:] == ["best naive of a (EAC)", "best naive of b (EAC)"]
    assert [row[3:] for row in by_period[1:]] == [["10.00", "5.00"]] * 2
    assert [[mark.name for mark in c.marks] for c in charts(compared, "MAE")] == [
        ["a (EAC)", "b (EAC)"]
    ] * 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("window: {}\nhorizon: 12\n", "window: 12, 24"),  # of a run started from Python
        ("data:\n  window: {}\n", "window: 12, 24"),
        ("window: 12\nfractions: [0.6, 0.{}]\n", "fractions: [0.6, 0.12], [0.6, 0.24]"),
        ("data:\n  train_fraction: 0.{}\n", "train_fraction: 0.12, 0.24"),
    ],
)
def test_runs_whose_test_targets_differ_are_named(runs, settings, said):
    for run, value in zip(runs, (12, 24), strict=True):
        (run / "config.yaml").write_text(settings.format(value))
    (remark,) = _compared(runs).remarks
    assert remark.startswith(f"The runs differ in their {said}. Their test targets")


@pytest.mark.parametrize("settings", ["", "window: [", "data: 3", "- 1", None])
def test_a_window_that_a_run_does_not_say_is_not_compared(runs, settings):
    (runs[0] / "config.yaml").write_text("data:\n  window: 12\n")
    path = runs[1] / "config.yaml"
    path.unlink() if settings is None else path.write_text(settings)
    assert _compared(runs).remarks == ()
