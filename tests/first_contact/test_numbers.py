"""Steps, sizes and sums at the edges of what numbers can hold."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch

from eac.data.core.calendar import Calendar
from eac.data.core.windows import Split
from eac.data.manage.convert import convert
from eac.data.manage.suspicious import before_training
from eac.data.parsing.form import Form
from eac.data.readers.frame import FrameStream
from eac.data.readers.open import open_stream
from eac.data.series.scaling import PerNode, Robust, fit_scaler
from eac.errors import StreamError
from eac.metrics.baselines import naive_errors
from eac.metrics.horizon import HorizonErrors
from tests.first_contact.conftest import readings


@pytest.mark.parametrize("layout", ["table", "npy", "npz", "frame"])
@pytest.mark.parametrize("step", ["1500ms", "500ms", "7h"])
def test_conversion_keeps_any_step_exactly(tmp_path, layout, step):
    stream = FrameStream(readings(pd.date_range("2024-01-01", periods=40, freq=step)))
    folder = convert(stream, tmp_path / "out", layout)
    before, after = stream[0].calendar, open_stream(folder)[0].calendar

    assert after.step == before.step == pd.Timedelta(step)
    assert after.time_of(39) == before.time_of(39)
    assert after.start_slot == before.start_slot


@pytest.mark.parametrize("layout", ["table", "frame"])
def test_conversion_keeps_hours_months_and_zones(tmp_path, layout):
    days = pd.date_range("2024-03-20", periods=24 * 24, freq="h", tz="Europe/Oslo")
    open_ones = days[(days.hour >= 6) & (days.hour < 20)]
    for name, stamps in (
        ("hours", open_ones),
        ("months", pd.date_range("2020-01-31", periods=30, freq="ME")),
    ):
        stream = FrameStream(readings(stamps))
        after = open_stream(convert(stream, tmp_path / name, layout))[0]

        assert after.calendar.facts() == stream[0].calendar.facts()
        torch.testing.assert_close(after.series, stream[0].series, equal_nan=True)


def test_a_clock_that_a_mapped_series_cannot_keep_is_refused(tmp_path):
    days = pd.date_range("2024-03-20", periods=24 * 24, freq="h")
    for stamps, words in (
        (days[(days.hour >= 6) & (days.hour < 20)], "steps only from 06:00 to 20:00"),
        (pd.date_range("2020-01-01", periods=30, freq="MS"), "steps of months"),
    ):
        with pytest.raises(StreamError, match=f"{words}.* Convert to table"):
            convert(FrameStream(readings(stamps)), tmp_path / "out", "npy")
        assert not (tmp_path / "out").exists()


def test_a_day_ago_is_only_offered_where_a_day_is_whole_steps():
    def names(step):
        clock = Calendar.from_timestamps(pd.Timestamp("2024-01-01"), pd.Timedelta(step))
        series = torch.arange(400.0)[:, None]
        return list(naive_errors(series, torch.tensor([380]), 3, 2, clock))

    assert names("1h") == ["last", "day", "week", "average"]
    assert names("7h") == ["last", "week", "average"]
    assert names("7D") == ["last", "year", "average"]
    assert names("10D") == ["last", "average"]


def test_slots_of_steps_of_a_millisecond_take_no_more_memory_than_the_readings():
    clock = Calendar.from_timestamps(pd.Timestamp("2024-01-01"), pd.Timedelta("1ms"))
    assert clock.steps_per_week == 604_800_000
    errors = naive_errors(torch.rand(500, 3), torch.arange(400, 480), 12, 6, clock)

    assert errors["average"].summary().point["MAE"]["mean"] is not None


@pytest.mark.parametrize("size", [1e18, 1e30, 1e37])
def test_squares_beyond_float32_are_summed(size):
    errors = HorizonErrors(num_nodes=1, horizon=1)
    y = torch.tensor([[[size]], [[2 * size]]])
    errors.update(torch.zeros_like(y), y)

    assert errors.summary().point["RMSE"]["1"] == pytest.approx(size * 2.5**0.5, rel=1e-6)
    assert errors.summary().point["MAE"]["1"] == pytest.approx(1.5 * size, rel=1e-6)


@pytest.mark.parametrize("size", [1.0, 2e-6, 1e-12, 1e12])
@pytest.mark.parametrize("scaling", [PerNode(), Robust()])
def test_readings_of_any_size_are_scaled_to_about_one(size, scaling):
    series = (5 + torch.randn(500, 3)) * size
    for scaler in (fit_scaler(series, per_node=True), scaling.fit(series)):
        scaled = scaler.transform(series)

        assert 0.7 < float(scaled.std()) < 1.4
        assert float(scaled.mean().abs()) < 0.2


def test_a_constant_sensor_among_tiny_readings_takes_their_scale():
    series = torch.randn(500, 2) * 1e-6
    series[:, 1] = 3e-6
    scale = fit_scaler(series, per_node=True).scale

    assert 0 < float(scale[1]) < 1e-4


def claimed(path, shape):
    """An archive whose header says far more than the file holds."""
    header = io.BytesIO()
    words = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, words)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"\0" * 64)


def test_an_array_that_claims_more_than_it_holds_is_refused(tmp_path):
    (tmp_path / "RawData").mkdir()
    claimed(tmp_path / "RawData" / "0.npz", (1 << 20, 1 << 19))

    with pytest.raises(StreamError, match=r"header says 4,398,046,511,104 bytes .* it holds 64"):
        open_stream(tmp_path)[0]


def test_what_would_take_too_much_memory_is_refused_with_its_size():
    frame = readings(pd.date_range("2024-01-01", periods=2000, freq="h"))
    form = Form(memory_gib=1e-6)

    with pytest.raises(
        StreamError, match=r"would take 0.0229 MiB of memory; the limit is 1e-06 GiB"
    ):
        FrameStream(frame, form=form)[0]
    with pytest.raises(StreamError, match=r"3 columns; the limit is 2 sensors"):
        FrameStream(frame, form=Form(max_nodes=2))


def test_a_training_part_without_readings_is_scaled_by_the_rest_before_the_test():
    from eac.data.batches.datamodule import PeriodData

    stamps = pd.date_range("2024-01-01", periods=600, freq="h")
    frame = readings(stamps).astype({"y": float})
    frame.loc[frame["ds"] < stamps[360], "y"] = np.nan
    scaler = PeriodData(FrameStream(frame)).full.scaler
    wanted = frame[(frame["ds"] >= stamps[360]) & (frame["ds"] < stamps[480])]["y"].mean()

    assert float(scaler.mean.mean()) == pytest.approx(wanted, rel=0.1)


def test_what_is_no_reading_or_loses_its_digits_is_said_before_training():
    frame = readings(pd.date_range("2024-01-01", periods=600, freq="h"), 4).astype({"y": float})
    node = frame["unique_id"]
    frame.loc[frame.index[:600:50], "y"] = -9999.0
    frame.loc[node == "s1", "y"] += 1e9
    frame.loc[node == "s2", "y"] = 7.0
    period = FrameStream(frame)[0]
    said = before_training(period, Split.by_fraction(period.num_steps, (0.6, 0.2)))

    assert said[0].startswith("1 node with 12 readings of -9999, which often stands for a missing")
    assert said[1] == "1 node with one constant reading: s2"
    assert said[2].startswith("1 node whose readings differ by less than single precision can tell")
    assert said[2].endswith(": s1")
    assert len(said) == 3
