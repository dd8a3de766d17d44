"""The monitor of a server: what it finds, what it does about it, and what it asks for."""

import threading
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from eac.files import make_folder, write_text
from eac.monitoring.policy import Policy
from eac.rundir import requests as of_run
from eac.server.board import Board
from eac.server.events import Events
from eac.server.forecast import GenerationName, NetworkForecast
from eac.server.readings import Readings
from eac.server.requested import Requests
from eac.server.watching import Watcher, Watching

NODES, WEEK = 12, 168
IDS = [f"s{i}" for i in range(NODES)]
START = 168 * 1000


class Network:
    """A board that is filled step by step, and watched."""

    def __init__(self, place: Path, **policy: str):
        self.place = place
        self.board = Board(timedelta(hours=1), 22 * 24, IDS)
        self.events = Events()
        self.requests = Requests(place, Path("runs/x"))
        watching = Watching(Policy.of({k.replace("_", " "): v for k, v in policy.items()}))
        self.watcher = Watcher(24, self.events, self.requests, watching)
        self.step = START
        self._generator = np.random.default_rng(0)

    def readings(self, steps: int) -> np.ndarray:
        hours = np.arange(self.step, self.step + steps)[:, None]
        wave = 100 + 40 * np.sin(2 * np.pi * hours / 24)
        return wave + self._generator.normal(0, 6, (steps, NODES))

    def feed(self, values: np.ndarray) -> None:
        for row in values:
            steps = np.full(NODES, self.step)
            self.board.put(Readings(IDS, steps, row))
            self.step += 1
            self.watcher.look(self.board, threading.RLock())

    def kinds(self) -> list[tuple[str, str | None]]:
        return [(event.kind, event.unique_id) for event in self.events.after(0)]


@pytest.fixture
def network(tmp_path) -> Network:
    made = Network(tmp_path)
    made.feed(made.readings(2 * WEEK + 2))
    return made


def test_nothing_is_said_of_usual_readings(network):
    network.feed(network.readings(60))
    assert network.kinds() == []


def test_a_stuck_sensor_is_masked_from_its_first_equal_reading_until_it_is_usual_again(network):
    began = network.step
    values = network.readings(12)
    values[:, 3] = 87.5
    network.feed(values)
    assert network.kinds() == [("stuck", "s3")]
    assert network.watcher.masked == {"s3": began + 1}
    network.feed(network.readings(20))
    assert network.watcher.masked.keys() == {"s3"}  # a day has not passed
    network.feed(network.readings(10))
    assert network.watcher.masked == {}
    assert network.kinds()[-1] == ("usual again", "s3")


def test_what_a_server_cannot_do_is_asked_for_once_and_kept(network):
    values = network.readings(8)
    values[:, 5] *= 3.6
    network.feed(values)
    assert ("unit change", "s5") in network.kinds()
    asked = [one for one in network.requests.open() if one.kind == "unit change"]
    assert [(one.action, one.unique_id) for one in asked] == [("ask", "s5")]
    assert network.watcher.masked == {}
    assert network.requests.watched()[0].keys() == {"s5"}
    again = Requests(network.place, Path("runs/x"))
    assert [one.number for one in again.open()] == [one.number for one in network.requests.open()]
    assert again.watched()[0].keys() == {"s5"}
    assert again.finish(asked[0].number)
    assert not again.finish(asked[0].number)
    assert asked[0].number not in [one.number for one in again.open()]


def test_masks_and_marks_survive_a_restart(network):
    values = network.readings(12)
    values[:, 3] = 87.5
    network.feed(values)
    again = Network(network.place)
    assert again.watcher.masked == network.watcher.masked
    assert again.watcher.unmask("s3")
    assert not again.watcher.unmask("s3")


def test_a_policy_says_what_is_done(tmp_path):
    network = Network(tmp_path, stuck="mark")
    network.feed(network.readings(2 * WEEK + 2))
    values = network.readings(12)
    values[:, 3] = 87.5
    network.feed(values)
    assert network.watcher.masked == {}
    assert network.watcher.marked == {"s3": "stuck"}


def test_readings_that_leave_their_intervals_are_an_event(network):
    for _ in range(60):
        row = network.readings(1)
        bounds = np.repeat(row.T[:, :, None], 2, axis=2).astype(np.float32)
        off = (np.arange(NODES) == 4) * 500.0
        forecast = NetworkForecast(
            GenerationName(1, "a", "p"),
            network.board.time_of(network.step - 1),
            timedelta(hours=1),
            tuple(IDS),
            ("",) * NODES,
            row.T.astype(np.float32),
            (80, 90),
            bounds - 20 + off[:, None, None].astype(np.float32),
            bounds + 20 + off[:, None, None].astype(np.float32),
        )
        network.watcher.issued(network.step - 1, forecast)
        network.feed(row)
    assert network.kinds() == [("forecast error", "s4")]
    assert network.requests.open()[0].action == "tune prompts"


def test_what_the_run_can_do_is_asked_of_it_until_a_period_has_done_it(tmp_path):
    run, requests = tmp_path / "run", Requests(tmp_path / "state", tmp_path / "run")
    make_folder(run)
    for _ in range(2):
        requests.add("refresh everything", "network drift", "all rose", ds=None, unique_id=None)
    requests.add("ask", "unit change", "odd", ds=None, unique_id="c")
    assert [one.words for one in of_run.waiting(run)] == ["network drift"]
    assert "eac run --watch" in requests.open()[0].advice
    of_run.take_up(run, run / "period-01-b", "b")
    assert requests.open()[0].advice == "taken up: period b is being trained"
    write_text(run / "period-01-b" / "metrics.json", "{}")
    assert [one.kind for one in requests.open()] == ["unit change"]
    requests.add("refresh everything", "network drift", "rose again", ds=None, unique_id=None)
    assert requests.finish(requests.open()[-1].number)  # somebody has done it
    assert of_run.waiting(run) == []
