"""A run that was trained on one offset, and readings from after the clock has changed."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import torch

from eac.artifacts.saved_data import load_data
from eac.calibration.clock import moment_step
from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.stream import MemoryStream
from eac.data.parsing.form import Form
from eac.data.parsing.stamps import parse_stamps
from eac.errors import RunError, StreamError
from eac.server.board import Board
from eac.server.engine import Engine
from eac.server.generation import Loading
from eac.server.readings import Readings
from eac.server.start import open_engine
from eac.serving.intake import read_input
from eac.serving.run_clock import on_clock
from tests.streams import tiny_stream
from tests.training.test_predictor import build, trained

HOUR = timedelta(hours=1)
SUMMER = timezone(2 * HOUR)
END = datetime(2024, 10, 1, tzinfo=SUMMER)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    run_dir = tmp_path_factory.mktemp("run")
    forecaster, _ = build()
    [period] = tiny_stream(["abcd"])
    start = END - (period.num_steps - 1) * HOUR
    period = replace(period, calendar=Calendar.from_timestamps(start, HOUR))
    trained(run_dir, forecaster, PeriodData(MemoryStream([period]), batch_size=32))
    return run_dir


def readings(zone: str, first: str = "2024-10-20") -> pd.DataFrame:
    """Two weeks across the end of summer time, each with the offset of its moment."""
    stamps = pd.date_range(first, periods=14 * 24, freq="h", tz=zone)
    frame = pd.DataFrame({"ds": [stamp.isoformat() for stamp in stamps]})
    return frame.assign(unique_id="a", y=[float(stamp.hour) for stamp in stamps])


def test_a_clock_that_changed_must_be_named_and_hours_then_keep_their_place(run):
    data = load_data([run / "period-00-p0"])
    assert data.clock is not None
    assert data.clock.zone == "+02:00"
    frame = readings("Europe/Oslo")
    with pytest.raises(StreamError, match=r"offset \+01:00 .* --time-zone Europe/Oslo"):
        read_input(frame, data, ())
    named = read_input(frame, data, (), Form(time_zone="Europe/Oslo"))
    slots = named.calendar.slot_of_day(torch.arange(named.num_steps))
    seen = ~named.series[:, 0].isnan()
    assert torch.equal(named.series[:, 0][seen], slots[seen].float())
    steady = read_input(frame, data, (), Form(time_zone="+02:00"))
    slots = steady.calendar.slot_of_day(torch.arange(steady.num_steps))
    assert (steady.series[:, 0] - slots).abs().max() > 0


def test_readings_of_the_one_offset_need_no_name(run):
    data = load_data([run / "period-00-p0"])
    frame = readings("Europe/Oslo", "2024-10-01")
    assert read_input(frame, data, ()).num_steps == 14 * 24


@pytest.mark.parametrize("zone", ["Europe/Helsinki", "UTC", "+01:00"])
def test_another_clock_than_the_runs_is_refused(run, zone):
    data = load_data([run / "period-00-p0"])
    with pytest.raises(StreamError, match="differs from it on 2024-"):
        on_clock(data, zone)
    with pytest.raises(StreamError, match="differs"):
        read_input(readings("Europe/Oslo"), data, (), Form(time_zone=zone))


def test_zones_with_the_same_clock_are_one(run):
    data = on_clock(load_data([run / "period-00-p0"]), "Europe/Berlin")
    assert on_clock(data, "Europe/Oslo").clock != data.clock
    with pytest.raises(StreamError, match="Europe/London"):
        on_clock(data, "Europe/London")


def test_a_board_refuses_another_offset_until_the_zone_is_named():
    late = "2024-11-01T08:00:00+01:00"
    with pytest.raises(StreamError, match="not \\+02:00, the only one"):
        Board(HOUR, 40, zone=SUMMER, ended=END).step_of(late)
    steady = Board(HOUR, 40, zone=SUMMER, ended=END, named=True)
    assert steady.time_of(steady.step_of(late)).hour == 9
    oslo = Board(HOUR, 40, zone=ZoneInfo("Europe/Oslo"), ended=END, named=True)
    assert oslo.time_of(oslo.step_of(late)).hour == 8


def test_steps_that_a_change_moves_off_their_grid_have_a_clock_that_never_changes():
    board = Board(6 * HOUR, 40, zone=SUMMER, ended=datetime(2024, 10, 1, tzinfo=SUMMER))
    assert board.time_of(board.step_of("2024-11-01T05:00:00+01:00")).hour == 6


def test_one_offset_over_a_summer_is_said_and_over_a_year_is_not():
    def notes(days: int, zone: str = "+02:00") -> tuple[str, ...]:
        stamps = pd.date_range("2024-04-01", periods=days, freq="D")
        return parse_stamps(pd.Index([f"{stamp.isoformat()}{zone}" for stamp in stamps]), "x").notes

    [said] = notes(90)
    assert "offset UTC+02:00" in said
    assert notes(300) == notes(90, "+00:00") == ()


def test_an_artifact_of_another_clock_is_not_taken_up(run, tmp_path):
    engine = open_engine(run, state_dir=tmp_path / "state")
    try:
        engine.board.zone = ZoneInfo("Europe/Oslo")
        with pytest.raises(RunError, match=r"clock of UTC\+02:00, this server that of Europe/Oslo"):
            engine.activate(None)
    finally:
        engine.stop()


def test_what_a_server_kept_keeps_its_moments_when_the_clock_gets_a_name(run, tmp_path):
    def at(zone: str | None) -> Engine:
        return open_engine(run, state_dir=tmp_path / "state", loading=Loading(time_zone=zone))

    stamps = [f"2024-11-01T{hour:02}:00:00+01:00" for hour in range(9, 12)]
    first = at("+02:00")
    readings = Readings.of(("a", first.board.step_of(ds), float(i)) for i, ds in enumerate(stamps))
    first.begin_with(readings)
    first.stop()
    for zone in ("Europe/Oslo", None, "Europe/Oslo"):
        engine = at(zone)
        try:
            assert engine.board.now is not None
            assert engine.board.time_of(engine.board.now) == datetime.fromisoformat(stamps[-1])
            row = engine.board.node_ids.index("a")
            assert engine.board.series(3)[:, row].tolist() == [0, 1, 2]
        finally:
            engine.stop()


@pytest.mark.parametrize("zone", [None, "+01:00", "Europe/Oslo"])
def test_a_kept_board_is_laid_out_by_its_own_clock(zone):
    winter = datetime(2024, 12, 1, tzinfo=timezone(HOUR))
    told = None if zone is None else timezone(HOUR) if zone == "+01:00" else ZoneInfo(zone)
    before = Board(HOUR, 30, ["a"], told, winter if told else winter.replace(tzinfo=None))
    begin = moment_step(datetime(2024, 12, 2), HOUR)
    before.put(Readings.of([("a", begin + i, float(i)) for i in range(24)]))
    after = Board(HOUR, 30, ["a"], told and SUMMER, before.time_of(begin), named=True)
    assert after.take(before.arrays()) == 24
    moment = before.time_of(begin + 23)
    assert after.time_of(after.now) == moment
    assert after.series(24)[:, 0].tolist() == list(range(24))


def test_steps_of_six_hours_stay_where_they_are_whatever_zone_is_named(tmp_path):
    forecaster, _ = build()
    [period] = tiny_stream(["abcd"])
    clock = Calendar.from_timestamps(datetime(2024, 6, 1, 2, tzinfo=SUMMER), 6 * HOUR)
    stream = MemoryStream([replace(period, calendar=clock)])
    trained(tmp_path, forecaster, PeriodData(stream, batch_size=32))
    data = load_data([tmp_path / "period-00-p0"])
    assert on_clock(data, "Europe/Oslo") == data
