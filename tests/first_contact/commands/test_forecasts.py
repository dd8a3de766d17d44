"""Forecasts from what a new user gives: a sentence, or forecasts; never a traceback."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.first_contact.commands.conftest import counts


@pytest.fixture
def predict(ask):
    """Calls ``eac predict`` with these readings."""

    def call(frame: pd.DataFrame, *more: str, output: str = "f.csv"):
        frame.to_csv("in.csv", index=False)
        return ask(
            "predict", "--run", "runs/counts", "--input", "in.csv", "--output", output, *more
        )

    return call


def test_recent_readings_are_forecast(predict):
    assert predict(counts()).status == 0
    assert len(pd.read_csv("f.csv")) == 3 * 12


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (5, "no sensor can be forecast: a: the input covers 5 steps; one window needs 12"),
        (1, "one window needs 12"),
        (0, "is empty"),
    ],
)
def test_too_short_an_input(predict, hours, words):
    said = predict(counts(hours))
    assert said.status == 1
    assert words in said.sentence
    assert not Path("f.csv").exists()


@pytest.mark.parametrize("step", ["15min", "2h"])
def test_readings_of_another_step(predict, step):
    stamps = pd.date_range("2024-01-01", periods=400, freq=step)
    said = predict(pd.DataFrame({"unique_id": "a", "ds": stamps, "y": 1.0}))
    shown = {"15min": "15 min", "2h": "2 h"}[step]
    assert f"readings come every {shown}, but the run was trained on one every 1 h" in said.sentence


def test_forecasts_long_after_the_training_say_so(predict):
    frame = counts()
    late = predict(frame.assign(ds=frame["ds"] + pd.Timedelta(days=243)))
    assert late.status == 0
    assert "begin 243 days after the last reading that the run was trained on" in late.err
    assert "eac run --resume runs/counts" in late.err
    assert predict(frame.assign(ds=frame["ds"] + pd.Timedelta(days=7))).err == ""


@pytest.mark.parametrize(
    ("source", "target", "weight", "words"),
    [
        ("a", "b", "-1", "edge 'a' -> 'b' in row 0 has weight -1. Give a finite weight of at"),
        ("a", "b", "inf", "has weight inf. Give a finite weight of at least 0."),
        ("a", "b", "", "has no weight. Give a finite weight of at least 0."),
        ("a", "b", "x", "'weight' are text"),
        ("a", "zz", "1", "name sensor 'zz'"),
    ],
)
def test_edges_that_cannot_be(predict, source, target, weight, words):
    Path("e.csv").write_text(f"source,target,weight\n{source},{target},{weight}\n")
    said = predict(counts(), "--edges", "e.csv")
    assert said.status == 1
    assert words in said.sentence


@pytest.mark.parametrize("output", ["file/f.csv", "folder.csv", "/proc/f.csv"])
def test_an_output_that_cannot_be_written(predict, output):
    Path("file").write_text("x")
    Path("folder.csv").mkdir()
    said = predict(counts(), output=output)
    assert said.status == 1
    assert output.partition("/f.csv")[0] in said.sentence


@pytest.mark.parametrize("where", ["file/x", "/proc/x"])
@pytest.mark.parametrize("form", ["--figures", "--html"])
def test_a_report_that_cannot_be_written(ask, form, where):
    Path("file").write_text("x")
    said = ask("report", "runs/counts", form, where)
    assert said.status == 1
    assert "cannot be written" in said.sentence


@pytest.mark.parametrize("where", ["file", "file/x", "/proc/x"])
def test_a_run_directory_that_cannot_be_written(ask, where):
    Path("file").write_text("x")
    said = ask("run", "-c", "eac", "--stream", "stream", "--run.dir", where)
    assert said.status == 1
    assert where.partition("/x")[0] in said.sentence
    assert Path("file").read_text() == "x"


@pytest.mark.parametrize("path", ["nope.ckpt", "counts.csv"])
def test_a_checkpoint_that_is_none(ask, path):
    said = ask("test", "-c", "eac", "--stream", "stream", "--ckpt_path", path)
    assert said.status == 1
    assert f"--ckpt_path {path}: there is no checkpoint that can be read." in said.sentence


@pytest.mark.parametrize("window", ["0", "-5"])
def test_a_check_with_a_window_that_is_none(ask, window):
    assert "give at least 1" in ask("data", "check", "counts.csv", "--window", window).sentence


CORPUS = 40


def mutated(seed: int) -> pd.DataFrame | bytes:
    """Readings with one to three mistakes that people make, drawn from the seed."""
    rng = np.random.default_rng(seed)
    frame = counts(24 * 3).astype({"y": object, "ds": str})
    for _ in range(rng.integers(1, 4)):
        frame = _mistake(frame, int(rng.integers(14)), rng)
    return frame


def _mistake(frame: pd.DataFrame, kind: int, rng: np.random.Generator) -> pd.DataFrame:
    frame = frame.copy()
    rows = rng.integers(len(frame), size=5) if len(frame) else np.array([], dtype=int)
    odd = ["x", "", "-999", "inf", "1e400", "NaN", "1,5", "\x1b[31m", "-0", "0x10", " 7 "]
    columns = list(frame.columns)
    if kind == 0 and "y" in columns:
        frame.iloc[rows, columns.index("y")] = rng.choice(odd)
    elif kind == 1 and "ds" in columns:
        stamps = ["", "soon", "2024-13-01", "31/12/2024", "2204-01-01", "2024-01-01T00:00Z", "0"]
        frame.iloc[rows, columns.index("ds")] = rng.choice(stamps)
    elif kind == 2 and "unique_id" in columns:
        frame.iloc[rows, columns.index("unique_id")] = rng.choice(
            ["", "NA", "z", "a/b", "\x00", "ä"]
        )
    elif kind == 3:
        frame = frame.drop(columns=rng.choice(columns))
    elif kind == 4:
        frame = frame.rename(columns={rng.choice(columns): rng.choice(["", "value", "DS", "y"])})
    elif kind == 5:
        frame = pd.concat([frame, frame.iloc[rows]])
    elif kind == 6:
        frame = frame.iloc[: int(rng.integers(20))]
    elif kind == 7:
        frame = frame.sample(frac=0.5, random_state=int(rng.integers(99)))
    elif kind == 8 and "ds" in columns:
        frame["ds"] = frame["ds"] + rng.choice(["Z", "+02:00", " ", ".5", "x"])
    elif kind == 9 and "y" in columns:
        frame["y"] = rng.choice(odd)
    elif kind == 10:
        frame["extra"] = rng.choice(odd)
    elif kind == 11:
        frame = frame.iloc[::-1]
    elif kind == 12 and "ds" in columns:
        frame["ds"] = frame["ds"].str[:10]
    elif kind == 13 and columns:
        frame = frame[[*columns, columns[0]]]
    return frame


def check_forecast_or_sentence(predict, seed: int) -> None:
    said = predict(mutated(seed))
    assert said.status in (0, 1, 2)
    assert (said.status == 0) == ("wrote f.csv" in said.out)
    assert said.status == 0 or said.sentence, said


@pytest.mark.parametrize("seed", range(CORPUS))
def test_mutated_readings_end_in_forecasts_or_a_sentence(predict, seed):
    check_forecast_or_sentence(predict, seed)


@pytest.mark.slow
def test_a_thousand_mutated_readings_end_in_forecasts_or_a_sentence(predict):
    for seed in range(CORPUS, CORPUS + 1000):
        check_forecast_or_sentence(predict, seed)
