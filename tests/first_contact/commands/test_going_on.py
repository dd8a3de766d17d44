"""A run goes on from wherever it is asked to, and writes nothing that a terminal obeys."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from eac.data.manage.convert import convert
from eac.errors import StreamError
from eac.serving.intake import ids_of_run
from tests.first_contact.commands.conftest import SMALL, counts
from tests.streams import tiny_stream


@pytest.mark.parametrize("gained", [False, True])
def test_a_run_goes_on_with_a_stream_that_moved(ask, tmp_path, monkeypatch, gained):
    convert(tiny_stream(["abcd", "abcde"]), tmp_path / "here" / "stream", "npz")
    monkeypatch.chdir(tmp_path / "here")
    assert ask("run", "-c", "eac", "--stream", "stream", "--run.dir", "r", *SMALL).status == 0
    moved = tmp_path / "there" / "deep"
    moved.mkdir(parents=True)
    if gained:
        shutil.rmtree("stream")
        convert(tiny_stream(["abcd", "abcde", "bcdef"]), moved / "readings", "npz")
    else:
        shutil.move("stream", moved / "readings")
    monkeypatch.chdir(moved)
    there = ask("run", "--resume", "../../here/r", "--stream", "readings")

    assert there.status == 0, there.err
    assert len(list(Path("../../here/r").glob("period-*/metrics.json"))) == 2 + gained
    monkeypatch.chdir(tmp_path)
    again = ask("run", "--resume", "here/r")
    assert again.status == 0, again.err


def test_counted_steps_of_18_slots_run_and_are_forecast(ask):
    frame = counts(18 * 40).assign(ds=list(range(18 * 40)) * 3)
    frame.to_csv("steps.csv", index=False)
    said = ["--steps-per-day", "18"]
    run = ask("run", "-c", "eac", "--stream", "steps.csv", *said, "--run.dir", "r", *SMALL)
    assert run.status == 0, run.err
    told = ask("predict", "--run", "r", "--input", "steps.csv", "--output", "f.csv", *said)
    assert told.status == 0, told.err
    forecasts = pd.read_csv("f.csv")
    assert forecasts["ds"].tolist() == [*range(720, 732)] * 3
    assert forecasts["y_hat"].notna().all()


def test_no_line_of_a_run_holds_what_a_terminal_obeys(ask):
    names = {"a": "\x1b[31mred", "b": "b\u202eell", "c": "c"}
    frame = counts(24 * 14).astype({"y": float})
    frame.loc[(frame["unique_id"] == "a"), "y"] = float("nan")
    frame.assign(unique_id=frame["unique_id"].map(names)).to_csv("evil.csv", index=False)
    run = ask("run", "-c", "eac", "--stream", "evil.csv", "--run.dir", "r", *SMALL)
    told = ask("predict", "--run", "r", "--input", "evil.csv", "--output", "f.csv")

    assert (run.status, told.status) == (0, 0), run.err
    written = run.out + run.err + told.out + told.err
    assert "\x1b" not in written
    assert "\u202e" not in written


def test_readings_that_stand_for_none_are_named_with_the_forecast(ask):
    frame = counts()
    frame.loc[[490, 495], "y"] = -999
    frame.to_csv("in.csv", index=False)
    told = ask("predict", "--run", "runs/counts", "--input", "in.csv", "--output", "f.csv")

    assert "1 node with 2 readings of -999, which often stands for a missing one" in told.err
    said = ["--missing-values", "-999"]
    told = ask("predict", "--run", "runs/counts", "--input", "in.csv", "--output", "f.csv", *said)
    assert told.err == ""


BLANKS = "3 nodes with blanks around the id"


def said(answer):
    """All that a command printed, in one line."""
    return " ".join((answer.out + answer.err).split())


def test_a_sensor_is_known_in_every_layout_whatever_blanks_are_around_its_id(ask):
    frame = counts(24 * 14).astype({"y": float})
    blank = frame.assign(unique_id=frame["unique_id"] + " ")
    tables = {"long": blank, "plain": frame}
    tables["wide"] = blank.pivot(index="ds", columns="unique_id", values="y").reset_index()
    for name, table in tables.items():
        table.to_csv(f"{name}.csv", index=False)
    warned = {name: BLANKS in said(ask("data", "check", f"{name}.csv")) for name in tables}
    assert warned == {"long": True, "plain": False, "wide": False}
    for trained in ("long", "wide"):
        run = ask("run", "-c", "eac", "--stream", f"{trained}.csv", "--run.dir", trained, *SMALL)
        assert run.status == 0, run.err
        for name in tables:
            out = f"{trained}-{name}.csv"
            told = ask("predict", "--run", trained, "--input", f"{name}.csv", "--output", out)
            assert told.status == 0, told.err
            forecasts = pd.read_csv(out)
            ids = ["a", "b", "c"] if trained == "wide" else ["a ", "b ", "c "]
            assert forecasts["unique_id"].unique().tolist() == ids
            assert forecasts["note"].isna().all(), out


@pytest.mark.parametrize(
    ("given", "known"), [(["a "], ["a", " a"]), (["a ", " a"], ["a"]), (["a", "b"], ["a ", " a"])]
)
def test_an_id_that_may_be_one_of_two_is_refused(given, known):
    with pytest.raises(StreamError, match="differ only by blanks around them"):
        ids_of_run(given, known)
    assert ids_of_run(known, known) == tuple(known)


def test_sensors_that_the_run_knows_apart_stay_apart():
    odd = (" a", "a ", "a")
    assert ids_of_run(odd, odd[::-1]) == odd
    assert ids_of_run(["a", "a "], ["a"]) == ("a", "a ")
