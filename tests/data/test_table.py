"""The table folder: what is read, and what is refused with which message."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from eac.data.core.stream import node_changes
from eac.data.parsing.form import Form
from eac.data.readers.table import TableStream
from eac.errors import StreamError


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def complaint(folder: Path, period: int = 0) -> str:
    with pytest.raises(StreamError) as caught:
        TableStream(folder).load(period)
    return str(caught.value)


def test_a_period_is_read_as_written(table_folder):
    period = TableStream(table_folder)[0]

    assert period.name == "2"
    assert period.node_ids == ("a", "b")
    assert period.series.dtype == torch.float32
    assert period.series.is_contiguous()
    np.testing.assert_array_equal(period.series, [[1, 4], [2, np.nan], [3, 6]])
    assert period.graph.edge_index.tolist() == [[0], [1]]
    assert period.graph.edge_weight.tolist() == [0.5]
    assert period.coordinates is None


def test_the_clock_starts_in_the_week_of_the_first_time_stamp(table_folder):
    calendar = TableStream(table_folder)[0].calendar

    assert calendar.steps_per_day == 24
    assert calendar.start_slot == 24 + 3
    assert calendar.start == pd.Timestamp("2024-01-02 03:00")


def test_name_unit_and_source_come_from_the_settings(table_folder):
    stream = TableStream(table_folder)

    assert (stream.name, stream.unit, stream.source) == ("small", "veh/h", "here")


def test_without_settings_the_folder_names_the_stream_and_the_step_is_inferred(table_folder):
    (table_folder / "stream.yaml").unlink()
    stream = TableStream(table_folder)

    assert stream.name == "table"
    assert stream[0].calendar.step == pd.Timedelta("1h")


def test_folders_follow_in_natural_order(table_folder):
    assert list(TableStream(table_folder).period_names) == ["2", "10"]


def test_listed_periods_come_first_and_in_the_order_of_the_list(table_folder):
    with (table_folder / "stream.yaml").open("a") as settings:
        settings.write("periods: [10]\n")

    assert list(TableStream(table_folder).period_names) == ["10", "2"]


def test_a_folder_that_appears_later_becomes_a_period(table_folder):
    stream = TableStream(table_folder)
    (table_folder / "2").rename(table_folder / "11")

    assert list(stream.period_names) == ["10", "11"]


def test_a_listed_folder_that_is_absent_is_named(table_folder):
    with (table_folder / "stream.yaml").open("a") as settings:
        settings.write("periods: [2, 2026]\n")

    with pytest.raises(StreamError, match=r"period '2026' is listed in .*no folder"):
        TableStream(table_folder)


def test_a_period_listed_twice_is_refused(table_folder):
    with (table_folder / "stream.yaml").open("a") as settings:
        settings.write("periods: [2, '2']\n")

    with pytest.raises(StreamError, match="period '2' is listed twice"):
        TableStream(table_folder)


def test_columns_are_matched_to_nodes_by_id(table_folder):
    (table_folder / "2" / "nodes.csv").write_text("node_id,latitude,longitude\nb,60,5\na,61,\n")
    period = TableStream(table_folder)[0]

    assert period.node_ids == ("b", "a")
    np.testing.assert_array_equal(period.series[0], [4, 1])
    assert period.graph.edge_index.tolist() == [[1], [0]]
    np.testing.assert_array_equal(period.coordinates, [[60, 5], [61, np.nan]])


def test_ids_that_look_like_numbers_or_missing_values_stay_text(table_folder):
    for file in ("series.csv", "nodes.csv", "edges.csv"):
        spoil(table_folder / "10" / file, "c", "NA") if file != "edges.csv" else None
    (table_folder / "10" / "edges.csv").write_text("source,target,weight\nNA,007,1\n")

    assert TableStream(table_folder)[1].node_ids == ("NA", "b", "007")


def test_parquet_and_csv_give_the_same_period(table_folder):
    from_csv = TableStream(table_folder)[0]
    file = table_folder / "2" / "series.csv"
    pd.read_csv(file, index_col=0, parse_dates=True).to_parquet(file.with_suffix(".parquet"))
    file.unlink()

    assert TableStream(table_folder)[0].fingerprint() == from_csv.fingerprint()


def test_parquet_with_the_time_in_its_first_column_is_read(table_folder):
    from_csv = TableStream(table_folder)[0]
    file = table_folder / "2" / "series.csv"
    pd.read_csv(file).to_parquet(file.with_suffix(".parquet"))
    file.unlink()

    assert TableStream(table_folder)[0].fingerprint() == from_csv.fingerprint()


def test_a_week_without_weekends_is_regular_when_declared(table_folder):
    days = "2024-01-05,1,1\n2024-01-08,2,2\n2024-01-09,3,3\n"
    (table_folder / "2" / "series.csv").write_text("time,a,b\n" + days)
    (table_folder / "stream.yaml").write_text("days_per_week: 5\nfrequency: 1D\n")
    calendar = TableStream(table_folder)[0].calendar

    assert (calendar.steps_per_day, calendar.days_per_week, calendar.start_slot) == (1, 5, 4)
    assert calendar.day_of_week(torch.arange(3)).tolist() == [4, 0, 1]


def test_time_stamps_with_a_zone_follow_its_clock_across_a_change(table_folder):
    index = pd.date_range("2024-03-31 00:00", periods=4, freq="h", tz="Europe/Oslo")
    frame = pd.DataFrame({"a": np.arange(4.0), "b": np.arange(4.0)}, index=index)
    frame.to_parquet(table_folder / "2" / "series.parquet")
    period = TableStream(table_folder)[0]

    assert period.series[:, 0].isnan().tolist() == [False, False, True, False, False]
    assert period.calendar.time_of(3) == index[2]


def test_the_hour_that_a_clock_change_repeats_holds_the_mean(table_folder):
    index = pd.date_range("2024-10-27 00:00", periods=6, freq="h", tz="Europe/Oslo")
    frame = pd.DataFrame({"a": np.arange(6.0), "b": np.arange(6.0)}, index=index)
    frame.to_parquet(table_folder / "2" / "series.parquet")

    assert TableStream(table_folder)[0].series[:, 0].tolist() == [0, 1, 2.5, 4, 5]


def test_steps_that_no_clock_change_keeps_follow_a_fixed_offset(table_folder):
    index = pd.date_range("2024-10-01", freq="6h", periods=240, tz="UTC", name="time")
    frame = pd.DataFrame(0.0, index=index.tz_convert("Europe/Oslo"), columns=["a", "b"])
    frame.to_parquet(table_folder / "2" / "series.parquet")
    (table_folder / "stream.yaml").write_text("name: six\n")
    clock = TableStream(table_folder)[0].calendar

    assert [clock.time_of(step) for step in (0, 239)] == [index[0], index[239]]


SIGNS = [
    ("1.100;2,5", None, [1100, 2.5]),
    ("2,125;2,5", None, [2.125, 2.5]),
    ("1.100;7", ",", [1100, 7]),
    ("1.100;7", ".", [1.1, 7]),
    ("1,100;7", ",", [1.1, 7]),
    ("1,100;7", ".", [1100, 7]),
    ("1.234,5;-1,1e2", None, [1234.5, -110]),
]


@pytest.mark.parametrize(("cells", "decimal", "expected"), SIGNS)
@pytest.mark.parametrize("mapped", [False, True])
def test_decimal_signs_are_those_that_are_proven_or_said(
    table_folder, cells, decimal, expected, mapped
):
    rows = f"time;a;b\n2024-01-02 03:00;{cells}\n2024-01-02 04:00;;NaN\n"
    (table_folder / "2" / "series.csv").write_text(rows)
    (table_folder / "2" / "covariates.csv").write_text(rows)
    stream = TableStream(table_folder, Form(decimal=decimal))
    period = stream.load_mapped(0, table_folder / "m.npy") if mapped else stream.load(0)

    np.testing.assert_allclose(period.series, [expected, [np.nan] * 2], rtol=1e-6)
    assert period.covariates is not None
    np.testing.assert_allclose(period.covariates.values[0, 0], expected, rtol=1e-6)


def test_text_in_parquet_has_the_sign_that_is_said_mapped_or_not(table_folder):
    frame = pd.DataFrame({"time": ["2024-01-02 03:00"], "a": ["1.100"], "b": ["2,5"]})
    frame.to_parquet(table_folder / "2" / "series.parquet")
    stream = TableStream(table_folder, Form(decimal=","))

    assert stream.load(0).series.tolist() == [[1100, 2.5]]
    assert stream.load_mapped(0, table_folder / "m.npy").series.tolist() == [[1100, 2.5]]


def test_a_sign_that_nothing_decides_is_asked_for(table_folder):
    (table_folder / "2" / "series.csv").write_text("time;a;b\n2024-01-02 03:00;1.100;7\n")
    assert "1.100 may be 1.1 or 1100, and no reading decides it. Say" in complaint(table_folder)


def test_weights_and_degrees_may_have_a_decimal_comma(table_folder):
    (table_folder / "2" / "edges.csv").write_text("source;target;weight\na;b;0,5\n")
    (table_folder / "2" / "nodes.csv").write_text("node_id;latitude;longitude\na;59,123;5\nb;;\n")
    period = TableStream(table_folder)[0]

    assert period.graph.edge_weight.tolist() == [0.5]
    np.testing.assert_allclose(period.coordinates, [[59.123, 5], [np.nan] * 2], rtol=1e-6)

    (table_folder / "2" / "edges.csv").write_text("source;target;weight\na;b;1.125\n")
    assert "1.125 may be 1.125 or 1125" in complaint(table_folder)
    assert TableStream(table_folder, Form(decimal="."))[0].graph.edge_weight.tolist() == [1.125]


SPOILED = [
    (
        "series.csv",
        "3.0,6.0",
        "3.0,six",
        r"period '2': 1 values of node 'b' are text, first 'six' "
        r"in row 2 \(2024-01-02 05:00:00\)",
    ),
    ("series.csv", "3.0,6.0", "3.0,inf", r"period '2': 1 readings are infinite.*'b' in row 2"),
    ("series.csv", "3.0,6.0", "3.0,1e39", r"period '2': 1 readings are infinite.*'b' in row 2"),
    ("series.csv", "05:00", "04:00", r"2024-01-02 04:00:00 in row 2 repeats .* row 1"),
    ("series.csv", "05:00", "01:00", r"01:00:00 in row 2 comes before 2024-01-02 04:00:00"),
    (
        "series.csv",
        "05:00",
        "06:00",
        r"2024-01-02 04:00:00 and 2024-01-02 06:00:00 in two rows that follow each other are 2 h "
        r"apart, but the usual step is 1 h",
    ),
    ("series.csv", "2024-01-02 05:00", "noon", r"1 time stamps cannot be read, first 'noon.*row 2"),
    ("series.csv", "2024-01-02 05:00", "2024-01-02 24:00", "Write 24:00 as 00:00 of the next day"),
    ("series.csv", "time,a,b", "time,a,a", r"column 'a' twice"),
    ("series.csv", "time,a,b", "time,a,z", r"1 columns .* not in nodes.csv, first 'z'"),
    ("nodes.csv", "a\nb", "a\nb\nz", r"1 nodes of nodes.csv have no column .* first 'z'"),
    ("nodes.csv", "a\nb", "a\nb\na", r"period '2': node 'a' is listed again in row 2"),
    ("nodes.csv", "a\nb", 'a\n""\nb', r"empty node_id in row 1"),
    ("nodes.csv", "node_id", "id", r"no column 'node_id'. It has: id"),
    (
        "nodes.csv",
        "node_id\na\nb",
        "node_id,latitude,longitude\na,north,1\nb,2,2",
        r"values of 'latitude' are text, first 'north' in row 0 \(a\)",
    ),
    ("edges.csv", "a,b,0.5", "a,z,0.5", r"period '2': edge in row 0 names node 'z'"),
    ("edges.csv", "a,b,0.5", "a,b,-1", r"edge 'a' -> 'b' in row 0 has weight -1"),
    ("edges.csv", "a,b,0.5", "a,b,", r"edge 'a' -> 'b' in row 0 has no weight"),
    ("edges.csv", "a,b,0.5", "a,b,nan", r"edge 'a' -> 'b' in row 0 has no weight"),
    ("edges.csv", "a,b,0.5", "a,b,inf", r"edge 'a' -> 'b' in row 0 has weight inf"),
    ("edges.csv", "a,b,0.5", "a,b,far", r"are text, first 'far' in row 0 .* Give weights as numb"),
    ("nodes.csv", "id\na\nb", "id,latitude,longitude\na,N,5\nb,,", r"'N' in row 0 .* Give degrees"),
    ("series.csv", "1.0,4.0", "1.0,4.0,", r"names 3 columns, but its first row has 4 cells"),
    ("edges.csv", "a,b,0.5", "a,b,0.5\na,b,1", r"edge 'a' -> 'b' is listed again in row 1"),
    ("edges.csv", "weight", "w", r"no column 'weight'. It has: source, target, w"),
]


@pytest.mark.parametrize(("file", "old", "new", "message"), SPOILED)
def test_bad_input_gets_one_clear_message(table_folder, file, old, new, message):
    spoil(table_folder / "2" / file, old, new)

    with pytest.raises(StreamError, match=message):
        TableStream(table_folder).load(0)


@pytest.mark.parametrize("file", ["nodes.csv", "edges.csv"])
def test_a_missing_file_is_named(table_folder, file):
    (table_folder / "2" / file).unlink()

    assert complaint(table_folder).startswith("period '2': the file")
    assert file in complaint(table_folder)


def test_a_listed_folder_without_a_series_is_an_error(table_folder):
    with (table_folder / "stream.yaml").open("a") as settings:
        settings.write("periods: [2, 10]\n")
    (table_folder / "2" / "series.csv").unlink()

    assert "period '2': the file" in complaint(table_folder)


def test_an_empty_file_is_named(table_folder):
    (table_folder / "2" / "edges.csv").write_text("")

    assert "edges.csv is empty" in complaint(table_folder)


@pytest.mark.parametrize("text", ["time,a,b\n", "time\n2024-01-02 03:00\n"])
def test_an_empty_period_is_refused(table_folder, text):
    (table_folder / "2" / "series.csv").write_text(text)

    assert complaint(table_folder).startswith("period '2' is empty")


def test_a_damaged_parquet_file_is_named(table_folder):
    (table_folder / "2" / "series.parquet").write_bytes(b"PAR1 not really")

    assert "series.parquet cannot be read" in complaint(table_folder)


def test_numbers_in_place_of_time_stamps_are_refused(table_folder):
    (table_folder / "2" / "series.csv").write_text("step,a,b\n0,1,2\n1,3,4\n")

    assert "the time column 'step' holds numbers, first" in complaint(table_folder)


def test_one_step_without_a_frequency_is_refused(table_folder):
    (table_folder / "stream.yaml").unlink()
    (table_folder / "2" / "series.csv").write_text("time,a,b\n2024-01-02,1,2\n")

    assert "Declare the frequency" in complaint(table_folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("frequency: monthly", "frequency 'monthly' is not a fixed time step"),
        ("frequency: MS", "is not a step of 1 months"),
        ("frequency: -1h", "frequency '-1h' is not positive"),
        ("frequncy: 1h", "unknown key 'frequncy'. Did you mean 'frequency'?"),
        ("steps_per_day: 48", "steps_per_day is 48, but steps are 1 h apart"),
        ("steps_per_day: many", "steps_per_day is 'many'. Give a whole number"),
        ("days_per_week: 6", "days_per_week is 6"),
        ("periods: 2", "periods is 2. Give a list"),
        ("just text", "must hold `key: value` lines, got str"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_a_bad_setting_is_named(table_folder, settings, message):
    (table_folder / "stream.yaml").write_text(settings + "\n")

    assert message in complaint(table_folder)


def test_a_weekend_in_a_week_of_five_days_is_refused(table_folder):
    (table_folder / "2" / "series.csv").write_text("time,a,b\n2024-01-05,1,1\n2024-01-06,2,2\n")
    (table_folder / "stream.yaml").write_text("days_per_week: 5\nfrequency: 1D\n")

    assert "row 1 is 2024-01-06" in complaint(table_folder)


def test_a_folder_without_a_period_is_refused(tmp_path):
    with pytest.raises(StreamError, match="has no period"):
        TableStream(tmp_path)


def test_nodes_that_join_leave_and_return_are_counted_as_they_did(
    shared_path: Callable[[str], Path],
):
    changes = [change for _, change in node_changes(TableStream(shared_path("streams/pl-pm10")))]

    assert [len(change.returned) for change in changes] == [0, 0, 0, 6, 0, 2, 1]
    assert [len(change.gone) for change in changes] == [0, 7, 8, 5, 8, 6, 13]
