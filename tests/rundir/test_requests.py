"""Requests to a run: asked once, taken up by one period, found again by that period alone."""

import pandas as pd
import pytest

from eac.errors import CheckpointError
from eac.files import write_text
from eac.rundir.requests import (
    Request,
    ask,
    asked_of,
    is_done,
    take_up,
    taken_by,
    waiting,
    withdraw,
)
from eac.serving.events import COLUMNS, ask_for

DRIFT = Request("refresh everything", "network drift", "all rose", "2024-03-01T05:00:00")
SHIFT = Request("tune prompts", "level shift", "20 % lower", "2024-03-02T00:00:00", "s3")


def test_a_request_is_asked_once_and_taken_up_by_one_period(tmp_path):
    assert ask(tmp_path, DRIFT)
    assert not ask(tmp_path, DRIFT)
    ask(tmp_path, SHIFT)
    assert waiting(tmp_path) == [DRIFT, SHIFT]
    take_up(tmp_path, tmp_path / "period-01-b", "b")
    assert waiting(tmp_path) == []
    assert asked_of(tmp_path, "b") == (
        "refresh everything",
        "asked to refresh everything: network drift at 2024-03-01T05:00:00; "
        "level shift of s3 at 2024-03-02T00:00:00",
    )
    assert asked_of(tmp_path, "c") == (None, "")
    take_up(tmp_path, tmp_path / "period-02-c", "c")
    assert asked_of(tmp_path, "c") == (None, "")
    assert not ask(tmp_path, DRIFT)  # the same event again
    assert waiting(tmp_path) == []


def test_a_period_that_was_interrupted_takes_up_nothing_new(tmp_path):
    ask(tmp_path, SHIFT)
    directory = tmp_path / "period-01-b"
    take_up(tmp_path, directory, "b")
    write_text(directory / "last.ckpt", "an epoch")
    ask(tmp_path, DRIFT)
    take_up(tmp_path, directory, "b")
    assert asked_of(tmp_path, "b")[0] == "tune prompts"
    assert waiting(tmp_path) == [DRIFT]


def test_a_request_is_done_when_its_period_is(tmp_path):
    ask(tmp_path, SHIFT)
    take_up(tmp_path, tmp_path / "period-01-b%2F1", "b/1")
    assert taken_by(tmp_path, SHIFT.id) == "b/1"
    assert not is_done(tmp_path, SHIFT.id)
    write_text(tmp_path / "period-01-b%2F1" / "metrics.json", "{}")
    assert is_done(tmp_path, SHIFT.id)


def test_a_request_can_be_withdrawn_until_it_is_taken_up(tmp_path):
    ask(tmp_path, SHIFT)
    withdraw(tmp_path, SHIFT.id)
    assert waiting(tmp_path) == []
    ask(tmp_path, SHIFT)
    take_up(tmp_path, tmp_path / "period-01-b", "b")
    withdraw(tmp_path, SHIFT.id)
    assert asked_of(tmp_path, "b")[0] == "tune prompts"


def test_a_request_that_cannot_be_read_is_named_with_advice_that_works(tmp_path):
    path = tmp_path / "requests" / "0123456789abcdef.json"
    write_text(path, '{"format": "eac.request", "format_version": 1, "action": "sleep"}')
    with pytest.raises(CheckpointError, match=r"0123456789abcdef.json: .*Remove it to go on"):
        waiting(tmp_path)
    path.unlink()
    assert waiting(tmp_path) == []


def test_events_ask_for_what_a_run_can_do_and_for_nothing_twice(tmp_path):
    when = pd.Timestamp("2024-03-01 05:00")
    rows = [
        ("network drift", when, None, "all rose", "refresh everything"),
        ("stuck", when, "x", "one reading", "mask"),
        ("level shift", 700, "s3", "20 % lower", "tune prompts"),
    ]
    events = pd.DataFrame(rows, columns=list(COLUMNS))
    assert [ask_for(tmp_path, events) for _ in range(2)] == [2, 0]
    found = {one.kind: (one.action, one.ds, one.unique_id) for one in waiting(tmp_path)}
    assert found == {
        "network drift": ("refresh everything", "2024-03-01T05:00:00", None),
        "level shift": ("tune prompts", "700", "s3"),
    }


def test_a_request_is_not_done_by_a_period_whose_name_ends_alike(tmp_path):
    ask(tmp_path, SHIFT)
    take_up(tmp_path, tmp_path / "period-02-1", "1")
    write_text(tmp_path / "period-01-2024-1" / "metrics.json", "{}")
    assert not is_done(tmp_path, SHIFT.id)
