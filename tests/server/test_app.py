"""The routes of the server, in one process."""

import errno
import gc
import math
import shutil
import socket
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("fastapi", reason="needs eac[serve]")
pytest.importorskip("httpx2", reason="the client of this test")
pytest.importorskip("prometheus_client", reason="needs eac[serve]")

from fastapi.testclient import TestClient

from eac.artifacts.artifact import read_artifact
from eac.artifacts.kept import current_folder
from eac.backbones.seasonal import SeasonalMLP
from eac.cli.main import main
from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.clock_rules import ClockRules
from eac.data.core.covariates import CovariateScale
from eac.data.core.hours import OpenHours
from eac.data.core.stream import MemoryStream
from eac.disk import watched
from eac.errors import ConfigError, RunError, StreamError
from eac.records.tensorfile import read_state, write_state
from eac.server.app import Settings, create_app
from eac.server.follow import Follower
from eac.server.generation import _lacking
from eac.server.readings import Readings
from eac.server.start import open_engine
from eac.server.watching import Watching
from eac.serving.predictor import load_run
from eac.strategies.combined import Combined
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from tests.training.test_predictor import HOUR, long, trained

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
TOKEN = {"Authorization": "Bearer right"}


def build():
    from tests.training.test_predictor import build as built

    return built(SeasonalMLP(hidden=4, num_blocks=1, lags=("1d",)))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    run_dir = tmp_path_factory.mktemp("run")
    trained(run_dir, *build())
    return run_dir


@pytest.fixture
def readings(tmp_path) -> Path:
    frame = long(build()[1], 2, 120)
    frame.to_csv(tmp_path / "readings.csv", index=False)
    return tmp_path / "readings.csv"


@pytest.fixture
def client(run, readings, tmp_path):
    engine = open_engine(run, state_dir=tmp_path / "state", table=readings, watching=Watching())
    settings = Settings(token="right", max_body=20_000, max_rows=50, rate=0)
    with TestClient(create_app(engine, settings), raise_server_exceptions=False) as client:
        client.engine = engine
        yield client


def rows(run: Path, step: int) -> list[dict]:
    frame = long(build()[1], 2, 160)
    stamps = sorted(frame["ds"].unique())
    chosen = frame[frame["ds"] == stamps[step]]
    return [
        {"unique_id": r.unique_id, "ds": r.ds.isoformat(), "y": None if pd.isna(r.y) else r.y}
        for r in chosen.itertuples()
    ]


def wait_for(client, condition) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def test_a_forecast_is_that_of_predict(client, run):
    answer = client.get("/forecast", params={"level": "80,95"}).json()
    expected = load_run(run, build()[0]).predict(long(build()[1], 2, 120), levels=(80, 95))
    assert answer["issued"] == (expected["ds"].min() - pd.Timedelta("1h")).isoformat()
    for given in answer["forecasts"]:
        mine = expected[expected["unique_id"] == given["unique_id"]]
        for column in ("y_hat", "y_hat-lo-95", "y_hat-hi-80"):
            np.testing.assert_allclose(given[column], mine[column], rtol=1e-3, atol=1e-3)


def test_levels_may_be_given_one_by_one(client):
    together = client.get("/forecast", params={"level": "80,95"}).content
    assert client.get("/forecast?level=80&level=95").content == together


def test_a_request_slices_one_forecast_of_the_whole_network(client):
    forwards = client.engine.forwards
    for sensor in ("e", "c", "e,c"):
        answer = client.get("/forecast", params={"sensors": sensor}).json()
        assert [f["unique_id"] for f in answer["forecasts"]] == sensor.split(",")
    assert client.engine.forwards == forwards


def test_observations_make_a_new_forecast_and_repeating_them_changes_nothing(client, run):
    before = client.get("/forecast").json()
    body = {"readings": rows(run, 120)}
    answer = client.post("/observe", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == 4
    wait_for(client, lambda: client.get("/forecast").json()["issued"] > before["issued"])
    again = client.post("/observe", json=body).json()
    assert (again["accepted"], again["duplicate"]) == (0, 4)


@pytest.mark.parametrize("part", ["_place", "refresh"])
def test_a_fault_nobody_expected_is_said_and_the_next_observation_is_served(
    client, run, monkeypatch, part
):
    before = client.get("/forecast").json()["issued"]

    def broken(*args, **kwargs):
        raise KeyError("not foreseen")

    with monkeypatch.context() as patched:
        patched.setattr(client.engine, part, broken)
        status = client.post("/observe", json={"readings": rows(run, 120)}).status_code
        assert status == (500 if part == "_place" else 200)
        wait_for(client, lambda: client.engine.error is not None)
        assert "not foreseen" in client.engine.error
    assert client.post("/observe", json={"readings": rows(run, 121)}).status_code == 200
    wait_for(client, lambda: client.get("/forecast").json()["issued"] > before)
    wait_for(client, lambda: client.engine.error is None)


def test_observations_survive_a_restart(client, run, tmp_path):
    client.post("/observe", json={"readings": rows(run, 120)})
    client.engine.stop()
    again = open_engine(run, state_dir=tmp_path / "state")
    assert again.board.now == client.engine.board.now
    np.testing.assert_array_equal(again.board.series(100), client.engine.board.series(100))
    again.stop()


def test_wrong_readings_are_named_by_row_and_sensor_and_none_is_kept(client, run):
    good, *_ = rows(run, 120)
    observed = client.engine.observed
    bad = {"readings": [good, good | {"ds": "2024-01-14T10:20:00"}]}
    answer = client.post("/observe", json=bad)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["row"], problem["unique_id"], problem["status"]) == (1, good["unique_id"], 422)
    wrong = client.post("/observe", json={"readings": [good, good | {"y": "many"}]}).json()
    assert wrong["row"] == 1
    assert "readings.1.y" in wrong["detail"]
    assert client.engine.observed == observed


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/forecast?sensors=nobody", 404, "'nobody' has no forecast"),
        ("/forecast?level=99", 400, "level 99 is not followed. Ask for one of: 50, 80, 90, 95"),
        ("/forecast?level=a", 400, "give percents"),
        ("/readings?sensor=nobody", 404, "no forecast"),
        ("/nowhere", 404, "Not Found"),
    ],
)
def test_errors_are_problem_details(client, path, status, said):
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]


def test_an_id_that_a_file_would_cut_short_is_refused(client, run):
    wrong = [rows(run, 120)[0] | {"unique_id": name} for name in ("e", "e\0")]
    answer = client.post("/observe", json={"readings": wrong})
    assert (answer.status_code, answer.json()["row"]) == (422, 1)
    assert client.post("/observe", json={"readings": wrong[:1]}).status_code == 200


def test_a_sensor_with_a_slash_in_its_id_is_trusted_again(client):
    client.engine.watcher._watched.marked["p/q r%"] = "stuck"
    answer = client.post("/admin/sensors/p%2Fq%20r%25:unmask", headers=TOKEN)
    assert (answer.status_code, answer.json()) == (200, {"unique_id": "p/q r%"})


def test_bodies_and_rows_are_limited(client, run):
    large = client.post("/observe", content=b"x" * 20_001)
    assert large.status_code == 413
    many = {"readings": rows(run, 120) * 20}
    assert client.post("/observe", json=many).status_code == 413


def test_a_body_of_unknown_length_is_limited_too(client):
    answer = client.post("/observe", content=(b"x" * 9000 for _ in range(3)))
    assert answer.status_code == 413


def test_clients_that_ask_too_often_are_told(run, readings, tmp_path):
    engine = open_engine(run, state_dir=tmp_path / "other", table=readings)
    with TestClient(create_app(engine, Settings(rate=3))) as client:
        answers = [client.get("/livez") for _ in range(6)]
    assert [a.status_code for a in answers[:3]] == [200, 200, 200]
    assert answers[-1].status_code == 429
    assert answers[-1].headers["Retry-After"] == "1"


def test_without_a_token_there_are_no_admin_routes(run, readings, tmp_path):
    engine = open_engine(run, state_dir=tmp_path / "other", table=readings)
    with TestClient(create_app(engine)) as client:
        assert client.get("/admin/artifacts").status_code == 404
        assert "/admin/artifacts" not in client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "ü"}])
def test_admin_routes_need_the_token(client, headers):
    encoded = {key: value.encode("latin-1") for key, value in headers.items()}
    assert client.get("/admin/artifacts", headers=encoded).status_code == 401


def test_artifacts_are_activated_and_rolled_back_and_numbers_are_never_used_twice(client):
    ids = [a["id"] for a in client.get("/admin/artifacts", headers=TOKEN).json()["artifacts"]]
    assert len(ids) == 3
    first = client.get("/forecast").json()
    moved = client.post(f"/admin/artifacts/{ids[1]}:activate", headers=TOKEN).json()
    assert moved["artifact"] == ids[1]
    second = client.get("/forecast").json()
    assert second["generation"] == moved
    assert second["forecasts"] != first["forecasts"]
    back = client.post(f"/admin/artifacts/{ids[1]}:rollback", headers=TOKEN).json()
    third = client.get("/forecast").json()
    assert third["generation"] == back
    assert back["artifact"] == ids[2]
    numbers = [a["generation"]["number"] for a in (first, second, third)]
    assert numbers == sorted(set(numbers))
    by_id = {f["unique_id"]: f["y_hat"] for f in first["forecasts"]}
    assert {f["unique_id"]: f["y_hat"] for f in third["forecasts"]} == by_id
    assert client.post(f"/admin/artifacts/{ids[2]}:rollback", headers=TOKEN).status_code == 409
    assert client.post("/admin/artifacts/none:activate", headers=TOKEN).status_code == 404


def test_the_artifact_in_use_of_the_run_is_followed(client, run):
    follower, number = Follower(client.engine), client.engine.generation.name.number
    follower.look()
    assert client.engine.generation.name.number == number
    ids = [a["id"] for a in client.get("/admin/artifacts", headers=TOKEN).json()["artifacts"]]
    assert main(["artifacts", "rollback", str(run)]) == 0
    follower.look()
    assert client.engine.generation.name.artifact == ids[1]
    assert main(["artifacts", "use", str(run), "newest"]) == 0
    follower.look()
    assert client.get("/forecast").json()["generation"]["artifact"] == ids[2]


def test_what_is_activated_is_what_predict_uses(client, run):
    ids = [a["id"] for a in client.get("/admin/artifacts", headers=TOKEN).json()["artifacts"]]
    client.post(f"/admin/artifacts/{ids[0]}:activate", headers=TOKEN)
    assert read_artifact(current_folder(run)).id == ids[0]
    client.post(f"/admin/artifacts/{ids[2]}:activate", headers=TOKEN)
    assert not (run / "CURRENT").exists()


def test_readings_of_a_masked_sensor_are_not_used(client, run):
    engine = client.engine
    assert engine.watcher is not None
    before = {f["unique_id"]: f for f in client.get("/forecast").json()["forecasts"]}
    engine.watcher._watched.masked["e"] = engine.board.now - 5
    engine.watcher._watched.marked["e"] = "stuck"
    engine.refresh(engine.generation)
    frame = long(build()[1], 2, 120)
    gone = (frame["unique_id"] == "e") & (frame["ds"] > frame["ds"].max() - pd.Timedelta("6h"))
    expected = load_run(run).predict(frame[~gone])
    for given in client.get("/forecast").json()["forecasts"]:
        mine = expected[expected["unique_id"] == given["unique_id"]]["y_hat"]
        np.testing.assert_allclose(given["y_hat"], mine, rtol=1e-3)
        assert (given["note"] == "stuck") == (given["unique_id"] == "e")
    shown = {s["unique_id"]: (s["event"], s["masked"]) for s in client.get("/sensors").json()}
    assert shown["e"] == ("stuck", True)
    assert client.post("/admin/sensors/e:unmask", headers=TOKEN).status_code == 200
    assert client.post("/admin/sensors/e:unmask", headers=TOKEN).status_code == 404
    now = before["e"]["y_hat"]
    wait_for(
        client, lambda: client.get("/forecast?sensors=e").json()["forecasts"][0]["y_hat"] == now
    )


def test_requests_are_open_until_somebody_says_they_are_done(client):
    engine = client.engine
    engine.watcher.requests.add("ask", "unit change", "odd", ds=None, unique_id="e")
    (asked,) = client.get("/requests").json()
    assert (asked["action"], asked["unique_id"]) == ("ask", "e")
    assert client.post("/admin/requests/1:done", headers=TOKEN).status_code == 200
    assert client.post("/admin/requests/1:done", headers=TOKEN).status_code == 404
    assert client.get("/requests").json() == []


def test_a_thousand_new_sensors_are_one_request(client, run):
    ds = rows(run, 120)[0]["ds"]
    for first in range(0, 200, 50):
        given = [{"unique_id": f"n{first + i}", "ds": ds, "y": 1.0} for i in range(50)]
        assert client.post("/observe", json={"readings": given}).status_code == 200
    (asked,) = client.get("/requests").json()
    assert asked["detail"] == "50 sensors were never seen before, such as n0"
    assert len(client.get("/events").json()) == 200


def test_a_new_sensor_is_an_event_and_is_forecast_once_it_has_a_window(client, run):
    times = [rows(run, step)[0]["ds"] for step in range(109, 121)]
    fresh = [{"unique_id": "<b>new", "ds": ds, "y": 40.0} for ds in times]
    client.post("/observe", json={"readings": fresh})
    wait_for(client, lambda: client.get("/forecast?sensors=<b>new").status_code == 200)
    given = client.get("/forecast?sensors=<b>new&level=90").json()["forecasts"][0]
    assert given["note"] == "cold start"
    assert len(given["y_hat-lo-90"]) == 12
    assert client.get("/events").json()[-1]["unique_id"] == "<b>new"
    assert client.get("/events?after=99").json() == []


def test_a_sensor_whose_id_holds_a_comma_is_asked_for_by_a_value_of_its_own(client, run):
    for step in range(120, 132):
        more = [rows(run, step)[0] | {"unique_id": "a,b", "y": 5.0}]
        client.post("/observe", json={"readings": rows(run, step) + more})
    asked = {"params": {"sensors": ["e,c", "a,b"]}}
    wait_for(client, lambda: client.get("/forecast", **asked).status_code == 200)
    given = client.get("/forecast", **asked).json()["forecasts"]
    assert [one["unique_id"] for one in given] == ["e", "c", "a,b"]
    missing = client.get("/forecast", params={"sensors": ["a,b", "none,e"]})
    assert (missing.status_code, missing.json()["unique_id"]) == (404, "none")


@pytest.mark.parametrize("port", [0, 8000])
def test_the_address_that_is_said_is_the_one_listened_on(run, tmp_path, capsys, monkeypatch, port):
    heard = []

    def listened(server, sockets) -> None:
        with socket.create_connection(sockets[0].getsockname()):
            heard.append(sockets[0].getsockname()[1])

    monkeypatch.setattr("uvicorn.Server.run", listened)
    with socket.create_server(("127.0.0.1", 0)) as free:
        given = port and free.getsockname()[1]
    assert main(["serve", str(run), "--port", str(given), "--state", str(tmp_path / "state")]) == 0
    gc.unfreeze()
    assert f"http://127.0.0.1:{heard[0]}\n" in capsys.readouterr().out
    assert heard[0] == given or not port


def test_health_metrics_page_and_schema(client):
    assert client.get("/livez").json() == {"status": "ok"}
    assert client.get("/readyz").json()["generation"]["number"] >= 1
    metrics = client.get("/metrics").text
    assert "eac_forwards " in metrics
    assert 'eac_requests_total{route="/livez",status="200"} 1.0' in metrics
    page = client.get("/")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert client.get("/page.js").status_code == client.get("/page.css").status_code == 200
    assert {"/observe", "/forecast"} <= set(client.get("/openapi.json").json()["paths"])
    sensors = client.get("/sensors").json()
    assert {s["unique_id"] for s in sensors} >= {"e", "c", "x", "a"}
    assert len(client.get("/readings?sensor=e&last=5").json()["y"]) == 5


def test_before_there_are_enough_readings_the_server_is_alive_but_not_ready(run, tmp_path):
    engine = open_engine(run, state_dir=tmp_path / "other")
    with TestClient(create_app(engine)) as client:
        assert client.get("/livez").status_code == 200
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "observe at least 12 steps" in answer.json()["detail"]
        body = {"readings": [row for step in range(12) for row in rows(run, step)]}
        assert client.post("/observe", json=body).status_code == 200
        wait_for(client, lambda: client.get("/readyz").status_code == 200)


def test_bounds_learn_while_the_server_runs(client, run):
    width = []
    for step in range(120, 150):
        learn(client, run, step, step + 1)
        given = client.get("/forecast?level=90").json()["forecasts"][0]
        width.append(given["y_hat-hi-90"][0] - given["y_hat-lo-90"][0])
    assert width[-1] > 2 * width[0]


def learn(client, run: Path, first: int, last: int) -> None:
    """Observes steps that all sensors read higher than usual, one after the other."""
    for step in range(first, last):
        shifted = [row | {"y": row["y"] and row["y"] + 500} for row in rows(run, step)]
        client.post("/observe", json={"readings": shifted})
        now = pd.Timestamp(shifted[0]["ds"])
        wait_for(client, lambda now=now: client.engine.current.issued >= now)


def bounds(engine) -> np.ndarray:
    made = engine.current
    return np.stack([made.low, made.high])


def test_what_intervals_learned_outlasts_a_restart(client, run, tmp_path):
    learn(client, run, 120, 126)
    before, begun = client.engine.current, bounds(client.engine)
    client.engine.stop()
    again = open_engine(run, state_dir=tmp_path / "state")
    again.prepare()
    np.testing.assert_allclose(again.current.y_hat, before.y_hat, rtol=1e-5)
    np.testing.assert_allclose(bounds(again), begun, rtol=1e-4)
    again.stop()
    fresh = open_engine(run, state_dir=tmp_path / "other", table=tmp_path / "readings.csv")
    fresh.begin_with(again.board.readings())
    fresh.prepare()
    assert not np.allclose(bounds(fresh), begun, rtol=0.05)  # as the run left them
    fresh.stop()


def test_a_server_that_is_killed_keeps_what_intervals_learned_up_to_the_last_day(
    client, run, tmp_path
):
    kept = client.engine._calibration.path(client.engine.generation.name.artifact)
    learn(client, run, 120, 130)
    assert not kept.exists()
    learn(client, run, 130, 145)
    wait_for(client, kept.exists)
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / kept.name).write_bytes(kept.read_bytes())
    after = open_engine(run, state_dir=tmp_path / "killed")
    learned = after.generation.calibrator.state()[1]["learned"]
    taught = client.engine.generation.calibrator.state()[1]["learned"]
    assert taught - 24 <= learned <= taught
    after.stop()


def test_a_damaged_calibration_is_left_out_with_a_word(client, run, tmp_path, caplog):
    learn(client, run, 120, 122)
    client.engine.stop()
    kept = client.engine._calibration.path(client.engine.generation.name.artifact)
    kept.write_bytes(kept.read_bytes()[:100])
    again = open_engine(run, state_dir=tmp_path / "state")
    again.prepare()
    assert f"{kept} is damaged: intervals begin as the run left them" in caplog.text
    assert np.isfinite(bounds(again)).any()
    again.stop()


@pytest.fixture(scope="module")
def combined_run(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    backbone, data = SeasonalMLP(hidden=4, num_blocks=1, lags=("1d",)), build()[1]
    run_dir = tmp_path_factory.mktemp("run")
    trained(run_dir, Forecaster(backbone, Combined(EAC(rank=2))), data)
    return run_dir


def observed(engine, run: Path, step: int) -> np.ndarray:
    """The forecast after a step of readings that come in two parts."""
    every = rows(run, step)
    for part in (every[:1], every[1:]):
        steps = [engine.board.step_of(row["ds"]) for row in part]
        y = [math.nan if row["y"] is None else row["y"] for row in part]
        ids = [row["unique_id"] for row in part]
        engine.begin_with(Readings.of(zip(ids, steps, y, strict=True)))
        engine.prepare()
    return engine.current.y_hat


def test_a_server_that_is_killed_forecasts_on_as_if_it_had_not_been(
    combined_run, readings, tmp_path
):
    """At each of these steps a copy of what is on the disk goes on, beside the server itself."""
    engine = open_engine(combined_run, state_dir=tmp_path / "state", table=readings)
    engine.prepare()
    for step in range(120, 126):
        shutil.copytree(tmp_path / "state", tmp_path / f"killed-{step}")
        after = open_engine(combined_run, state_dir=tmp_path / f"killed-{step}")
        expected = observed(engine, combined_run, step)
        np.testing.assert_array_equal(observed(after, combined_run, step), expected)
        after.stop()
    fresh = open_engine(combined_run, state_dir=tmp_path / "fresh", table=readings)
    fresh.begin_with(engine.board.readings())
    fresh.prepare()
    assert not np.array_equal(fresh.current.y_hat, expected)  # it saw the readings, no forecasts
    fresh.stop()
    engine.stop()


@pytest.mark.parametrize("damage", [lambda b: b[:200], lambda b: b[:-400], lambda b: b"", None])
def test_a_damaged_memory_is_left_out_with_a_word(combined_run, readings, tmp_path, caplog, damage):
    engine = open_engine(combined_run, state_dir=tmp_path / "state", table=readings)
    engine.prepare()
    kept = engine._memory.path(engine.generation.name.artifact)
    engine.stop()
    if damage is None:
        tensors, values = read_state(kept)
        write_state(kept, tensors, values | {"node_ids": ["one"]})
    else:
        kept.write_bytes(damage(kept.read_bytes()))
    again = open_engine(combined_run, state_dir=tmp_path / "state")
    again.prepare()
    assert f"{kept} is damaged: forecasts begin as the run left them" in caplog.text
    assert np.isfinite(again.current.y_hat).any()
    again.stop()


def test_the_artifact_in_use_is_not_activated_again(client):
    before = client.engine.generation
    answer = client.post(f"/admin/artifacts/{before.name.artifact}:activate", headers=TOKEN)
    assert answer.json()["number"] == before.name.number
    assert client.engine.generation is before
    assert client.post("/admin/artifacts/x:rollback", headers=TOKEN).status_code == 409


def test_a_run_in_a_time_zone_is_served_by_its_clock(tmp_path):
    zone, start = ZoneInfo("Europe/Oslo"), datetime(2024, 1, 1)
    model, data = build()
    periods = [
        replace(p, calendar=Calendar.from_timestamps(start.replace(tzinfo=zone), HOUR))
        for p in list(data.stream)[:1]
    ]
    trained(tmp_path / "run", model, PeriodData(MemoryStream(periods, name="zoned"), seed=7))
    engine = open_engine(tmp_path / "run")
    with TestClient(create_app(engine)) as client:
        given = [
            {"unique_id": "a", "ds": f"2024-07-0{1 + hour // 24}T{hour % 24:02}:00:00Z", "y": 50.0}
            for hour in range(26)
        ]
        assert client.post("/observe", json={"readings": given}).status_code == 200
        wait_for(client, lambda: client.get("/readyz").status_code == 200)
        answer = client.get("/forecast?sensors=a").json()
        assert answer["issued"] == "2024-07-02T03:00:00+02:00"
        assert answer["forecasts"][0]["ds"][0] == "2024-07-02T04:00:00+02:00"
        naive = {"readings": [given[0] | {"ds": "2024-07-02T05:00:00"}]}
        assert "has no time zone" in client.post("/observe", json=naive).json()["detail"]
        problem = client.get("/events").json()
        assert problem == []
    for offset in ("", "+02:00"):  # readings to begin with are of the clock of the run, or say
        table, state = tmp_path / "input.csv", tmp_path / f"state{offset}"
        stamps = [f"2024-07-02T{hour:02}:00:00{offset}" for hour in range(3)]
        pd.DataFrame({"unique_id": "a", "ds": stamps, "y": 1.0}).to_csv(table, index=False)
        engine = open_engine(tmp_path / "run", state_dir=state, table=table)
        engine.stop()
        assert (
            engine.board.time_of(engine.board.now or 0).isoformat() == "2024-07-02T02:00:00+02:00"
        )


SCALE = CovariateScale(("rain",), (0.0,), (1.0,))
RULES = ClockRules(24, 7, HOUR)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"covariates": SCALE}, "forecasts with rain, known ahead, which observations do not"),
        ({"clock": replace(RULES, counted=True)}, "counts its steps, but observations have time"),
        ({"clock": replace(RULES, months=1)}, "has steps of months, which are not of equal length"),
        (
            {"clock": replace(RULES, steps_per_day=2, hours=OpenHours((8, 9), 24))},
            r"has steps in open hours alone \(08:00 to 10:00\)",
        ),
        (
            {"clock": replace(RULES, days_per_week=5), "days_per_week": 5},
            "has weeks of 5 days, unlike its time stamps",
        ),
        ({"clock": None, "days_per_week": 5}, "has weeks of 5 days, unlike its time stamps"),
    ],
)
def test_a_run_that_observations_alone_cannot_forecast_is_refused_at_the_start(
    run, tmp_path, monkeypatch, changed, said
):
    known = load_run(run)
    known.data = replace(known.data, **changed)
    monkeypatch.setattr("eac.server.generation.load_run", lambda *_, **__: known)
    with pytest.raises(RunError, match=f"{said}.*Forecast with: eac predict --run "):
        open_engine(run, state_dir=tmp_path / "state")


@pytest.mark.parametrize("rules", [RULES, ClockRules(1, 52, 7 * 24 * HOUR)])
def test_clocks_of_time_stamps_are_served(run, rules):
    data = replace(load_run(run).data, clock=rules, days_per_week=rules.days_per_week)
    assert _lacking(data) == _lacking(replace(data, clock=None, days_per_week=7)) == ""


def test_holidays_are_served_as_predict_forecasts_them(tmp_path):
    pytest.importorskip("holidays", reason="needs eac[holidays]")
    torch.manual_seed(0)
    from eac.backbones.seasonal import SeasonalMLP
    from tests.training.test_predictor import build as built

    model, data = built(SeasonalMLP(hidden=4, num_blocks=1, lags=("1d",)), holidays="US")
    trained(tmp_path / "run", model, data)
    frame = long(data, 2, 34)  # into 15 January 2024
    frame.to_csv(tmp_path / "readings.csv", index=False)
    engine = open_engine(tmp_path / "run", table=tmp_path / "readings.csv")
    engine.prepare()
    engine.stop()
    made = engine.current
    assert made is not None
    expected = load_run(tmp_path / "run").predict(frame)
    for node, y_hat in zip(made.node_ids, made.y_hat, strict=True):
        mine = expected[expected["unique_id"] == node]["y_hat"]
        np.testing.assert_allclose(y_hat, mine, rtol=1e-4, atol=1e-4)


def observe(client, *readings: tuple[str, str, float | None]):
    given = [{"unique_id": node, "ds": ds, "y": y} for node, ds, y in readings]
    return client.post("/observe", json={"readings": given})


@pytest.mark.parametrize("operation", ["write", "sync folder"])
def test_a_full_disk_is_said_until_readings_are_kept_again(client, run, monkeypatch, operation):
    monkeypatch.setattr(
        "eac.server.keeping.log.LARGE", 1 if operation == "sync folder" else 1 << 30
    )

    def full(found: str, path: Path) -> None:
        if found == operation:
            raise OSError(errno.ENOSPC, "No space left on device")

    with watched(full):
        answer = client.post("/observe", json={"readings": rows(run, 120)})
        assert answer.status_code == (503 if operation == "write" else 200)
        wait_for(client, lambda: client.get("/readyz").status_code == 503)
        forwards = client.engine.forwards
        client.engine.renew()
        wait_for(client, lambda: client.engine.forwards > forwards)
        said = client.get("/readyz").json()["detail"]
        assert "cannot be written: the disk is full. Free some space" in said
    assert client.post("/observe", json={"readings": rows(run, 121)}).status_code == 200
    wait_for(client, lambda: client.get("/readyz").status_code == 200)


@pytest.mark.parametrize(
    ("ds", "y", "said"),
    [
        ("2024-01-14T10:00:00", 1e39, "y 1e+39 is beyond 3.4e38"),
        ("9999-12-31T23:59:59", 1.0, "no time stamp"),
        ("9999-12-31T23:00:00", 1.0, "steps after the last reading"),
    ],
)
def test_numbers_and_time_stamps_that_cannot_be_kept_are_named_by_row(client, run, ds, y, said):
    good = rows(run, 120)[0]
    body = {"readings": [good, good | {"ds": ds, "y": y}]}
    answer = client.post("/observe", json=body)
    assert (answer.status_code, answer.json()["row"]) == (422, 1)
    assert said in answer.json()["detail"]


def test_a_reading_out_of_all_proportion_costs_its_own_sensor_the_forecast(client, run):
    first, *_ = rows(run, 120)
    observe(client, (first["unique_id"], first["ds"], -1e30))

    def absent() -> list[str]:
        given = client.get("/forecast").json()["forecasts"]
        return [one["unique_id"] for one in given if one["y_hat"][0] is None]

    wait_for(client, lambda: absent() == [first["unique_id"]])
    given = client.get(f"/forecast?sensors={first['unique_id']}").json()["forecasts"][0]
    when = datetime.fromisoformat(first["ds"])
    assert given["note"].startswith(f"its reading -1e+30 of {when} is too large to forecast with")
    assert client.get("/readyz").status_code == 200
    observe(client, (first["unique_id"], first["ds"], None))
    wait_for(client, lambda: absent() == [])


def test_a_silent_sensor_says_since_when(client, run):
    others = [row for step in range(120, 140) for row in rows(run, step) if row["unique_id"] != "e"]
    client.post("/observe", json={"readings": others[:50]})
    client.post("/observe", json={"readings": others[50:]})
    wait_for(client, lambda: client.engine.current.issued >= pd.Timestamp(others[-1]["ds"]))
    note = client.get("/forecast?sensors=e").json()["forecasts"][0]["note"]
    assert note == f"silent since {rows(run, 119)[0]['ds']}"
    assert client.get("/forecast?sensors=c").json()["forecasts"][0]["note"] == ""


def test_forecasts_that_are_no_numbers_name_the_largest_reading(client, run, monkeypatch):
    predictor, (first, *_) = client.engine.generation.predictor, rows(run, 120)
    forecast = predictor.forecast_grid

    def overflowing(series: torch.Tensor, *rest: object) -> tuple[torch.Tensor, dict[str, str]]:
        y_hat, broken = forecast(series, *rest)
        return y_hat / (series.nan_to_num().abs() < 9999).all(), broken

    monkeypatch.setattr(predictor, "forecast_grid", overflowing)
    observe(client, (first["unique_id"], first["ds"], -9999))
    wait_for(client, lambda: client.get("/readyz").status_code == 503)
    said = f"the largest reading is -9999 of sensor {first['unique_id']} at {first['ds']}"
    assert said in client.get("/readyz").json()["detail"]
    assert "eac_ready 0.0" in client.get("/metrics").text
    given = client.get(f"/forecast?sensors={first['unique_id']}").json()["forecasts"][0]
    assert given["y_hat"][0] is None
    assert said in given["note"]
    observe(client, (first["unique_id"], first["ds"], None))
    wait_for(client, lambda: client.get("/readyz").status_code == 200)


def changed(readings: Path, change: str) -> None:
    frame = pd.read_csv(readings, parse_dates=["ds"])
    if change == "half hours":
        frame["ds"] = frame["ds"].min() + (frame["ds"] - frame["ds"].min()) / 2
    elif change == "off":
        frame["ds"] += pd.Timedelta("20min")
    elif change == "future":
        frame["ds"] += pd.Timedelta(days=365 * 75)
    elif change == "empty":
        frame = frame[:0]
    elif change == "twice":
        frame = pd.concat([frame, frame[:1]])
    else:
        frame["y"] = frame["y"].astype(object)
        frame.loc[3, "y"] = change
    frame.to_csv(readings, index=False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("half hours", "readings come every 30 min, but the run was trained on one every 1 h"),
        ("off", "between two steps of 1:00:00"),
        ("future", "cannot be the time of a first reading"),
        ("empty", "holds no readings"),
        ("twice", "Give each pair of unique_id and ds once"),
        ("many", "'many'"),
        ("1e39", "1 readings are infinite, first of node"),
    ],
)
def test_readings_to_begin_with_are_checked_before_they_are_kept(
    run, readings, tmp_path, change, said
):
    changed(readings, change)
    with pytest.raises(StreamError, match=said):
        open_engine(run, state_dir=tmp_path / "state", table=readings)
    again = open_engine(run, state_dir=tmp_path / "state")
    again.stop()
    assert again.observed == 0


def test_readings_to_begin_with_that_are_too_old_are_said(run, readings, tmp_path, caplog):
    engine = open_engine(run, state_dir=tmp_path / "state")
    with TestClient(create_app(engine)) as client:
        assert observe(client, ("e", "2099-01-01T00:00:00", 1.0)).status_code == 422
        assert observe(client, ("e", "0001-01-01T00:00:00", 1.0)).status_code == 422
        assert observe(client, ("e", "2025-01-01T00:00:00", 1.0)).status_code == 200
    again = open_engine(run, state_dir=tmp_path / "state", table=readings)
    again.stop()
    assert "nothing of" in caplog.text
    assert "give another --state, or remove that directory" in caplog.text


@pytest.mark.parametrize("days", [0, -5, float("nan"), float("inf"), 1e9, 36_500])
def test_a_history_that_cannot_be_kept_is_refused_and_nothing_is_dropped(
    run, readings, tmp_path, days, monkeypatch
):
    monkeypatch.setattr("eac.server.start.MOST_BYTES", 1 << 20)
    with pytest.raises(ConfigError, match="--history"):
        open_engine(run, state_dir=tmp_path / "state", days=days, table=readings)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "flags",
    [
        ["--alarms", "0"],
        ["--alarms", "nan"],
        ["--rate", "-1"],
        ["--rate", "nan"],
        ["--max-body", "-1"],
        ["--threads", "0"],
        ["--port", "65536"],
    ],
)
def test_numbers_without_sense_are_refused(run, capsys, flags):
    assert main(["serve", str(run), *flags]) != 0
    assert f"{flags[0]} {flags[1]}: give a number from" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "no.such.host.invalid"])
def test_an_address_that_cannot_be_listened_on_is_said_and_nothing_else(
    run, tmp_path, capsys, host
):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        flags = ["--host", host, "--port", port, "--state", str(tmp_path / "state")]
        assert main(["serve", str(run), *flags]) != 0
    gc.unfreeze()
    said = capsys.readouterr()
    assert said.out == ""
    assert f"--host {host} --port {port} cannot be listened on" in said.err
    assert not (tmp_path / "state" / ".lock").exists()
