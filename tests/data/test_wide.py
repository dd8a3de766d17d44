"""Wide tables: what an empty cell means, and which cells are no numbers."""

import pandas as pd
import pytest

from eac.data.readers.open import open_stream

HOURS = pd.date_range("2024-01-01", "2024-03-31 23:00", freq="h")


def table():
    """Sensor b joins in February and rests in March, c is never read."""
    frame = pd.DataFrame({"time": HOURS, "a": range(len(HOURS)), "b": 5.0, "c": None})
    return frame.assign(b=frame["b"].where(HOURS.month == 2))


def cut(folder, frame):
    (folder / "x.yaml").write_text("period: MS\n")
    frame.to_csv(folder / "x.csv", index=False)
    return open_stream(folder / "x.csv")


@pytest.mark.parametrize("turned", [False, True])
def test_a_sensor_belongs_to_the_periods_in_which_it_is_read(tmp_path, turned):
    frame = table()
    if turned:
        frame = frame.set_index("time").T.set_axis(HOURS.astype(str), axis=1)
        frame = frame.rename_axis("sensor").reset_index()
    stream = cut(tmp_path, frame)
    assert [period.node_ids for period in stream] == [("a", "c"), ("a", "b", "c"), ("a", "c")]


def test_a_wide_table_is_the_stream_of_the_same_long_one(tmp_path):
    frame = table().drop(columns="c")
    (tmp_path / "long").mkdir()
    long = frame.melt("time", var_name="unique_id", value_name="y").rename(columns={"time": "ds"})
    pairs = zip(cut(tmp_path, frame), cut(tmp_path / "long", long.dropna()), strict=True)
    assert all(one.fingerprint() == other.fingerprint() for one, other in pairs)


def test_a_new_column_leaves_earlier_periods_as_they_were(tmp_path):
    frame = table()[["time", "a", "b"]]
    before = cut(tmp_path, frame[HOURS.month == 1][["time", "a"]])[0].fingerprint()
    assert cut(tmp_path, frame)[0].fingerprint() == before


def test_a_period_in_which_nothing_is_read_keeps_its_sensors(tmp_path):
    frame = table()[["time", "a", "b"]]
    frame["a"] = frame["a"].where(HOURS.month == 2)
    assert [period.node_ids for period in cut(tmp_path, frame)] == [("a", "b")] * 3
