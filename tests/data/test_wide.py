"""Wide tables: what an empty cell means, and which cells are no numbers."""

import pandas as pd
import pytest

from eac.data.parsing.form import Form
from eac.data.readers.open import open_stream
from eac.errors import StreamError

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


def written(path, spoilt, rows=40, cell=None):
    """A table of two sensors with one odd cell, in row 30 unless said."""
    frame = pd.DataFrame({"time": HOURS[:rows].astype(str), "a": 1, "b": 2}, dtype=object)
    row, column = cell or (30, "b")
    frame.loc[row, column] = spoilt
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("bad", ["-", "#NV", "?", "<0.1", "12 kWh"])
@pytest.mark.parametrize("rows", [40, 150])
@pytest.mark.parametrize("form", [Form(), Form(time_col="time")])
def test_a_cell_that_is_no_number_is_named_with_its_row_and_column(tmp_path, bad, rows, form):
    row = rows - 10
    path = written(tmp_path / "x.csv", bad, rows, (row, "b"))
    stamp = HOURS[row]
    with pytest.raises(StreamError) as refused:
        open_stream(path, form)
    assert f"x.csv: 1 values of 'b' are text, first '{bad}' in row {row} ({stamp})" in str(
        refused.value
    )
    assert len(open_stream(written(path, "", rows, (row, "b")), form)[0].node_ids) == 2


def test_a_column_that_begins_without_numbers_is_a_sensor(tmp_path):
    path = tmp_path / "x.csv"
    rows = [f"{hour},{'-' if i < 110 else 1},2" for i, hour in enumerate(HOURS[:200])]
    path.write_text("\n".join(["time,a,b", *rows]))
    with pytest.raises(StreamError, match=r"110 values of 'a' are text, first '-' in row 0"):
        open_stream(path)


def test_a_line_of_units_is_named(tmp_path):
    path = tmp_path / "x.csv"
    lines = [f"{hour},1,2" for hour in HOURS[:20]]
    path.write_text("\n".join(["time,a,b", "[UTC],kWh,kWh", *lines]))
    with pytest.raises(StreamError, match=r"'kWh' in row 0 .* Remove a line of units"):
        open_stream(path)
    path.write_text("\n".join(["time,a,b", *lines]))
    assert open_stream(path)[0].num_steps == 20


@pytest.mark.parametrize("rows", [5, 150])
def test_a_sum_below_a_wide_table_is_named(tmp_path, rows):
    path = tmp_path / "x.csv"
    lines = [f"{hour},1,2" for hour in HOURS[:rows]]
    path.write_text("\n".join(["time,a,b", *lines, "Sum,5,10"]))
    said = rf"1 time stamps cannot be read, first 'Sum' in row {rows}\. .* Remove the row"
    with pytest.raises(StreamError, match=said):
        open_stream(path)
    path.write_text("\n".join(["time,a,b", *lines]))
    assert open_stream(path)[0].num_steps == rows


@pytest.mark.parametrize(
    ("header", "row"), [("time,station,value", "{},7,-"), ("time,place,level", "{},Oslo,5")]
)
def test_a_table_that_may_hold_ids_is_asked_about(tmp_path, header, row):
    path = tmp_path / "x.csv"
    path.write_text("\n".join([header, *(row.format(hour) for hour in HOURS[:20])]))
    with pytest.raises(StreamError, match="Say which column is which"):
        open_stream(path)


@pytest.mark.parametrize("word", ["#N/A", "NA", "N/A", "NAN", "null", "<NA>", "1.#QNAN", "None"])
def test_the_same_words_are_missing_in_every_layout(tmp_path, word):
    frame = pd.DataFrame({"time": HOURS[:40].astype(str), "a": 1, "b": 2}, dtype=object)
    frame.loc[30, "b"] = word
    long = frame.melt("time", var_name="unique_id", value_name="y").rename(columns={"time": "ds"})
    turned = frame.set_index("time").T.rename_axis("sensor").reset_index()
    for name, table in {"wide": frame, "long": long, "turned": turned}.items():
        for suffix in ("csv", "xlsx"):
            path = tmp_path / f"{name}.{suffix}"
            (table.to_csv if suffix == "csv" else table.to_excel)(path, index=False)
            series = open_stream(path)[0].series
            assert series.isnan().nonzero().tolist() == [[30, 1]], path
