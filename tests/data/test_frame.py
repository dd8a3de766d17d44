"""Long frames: the grid, the cuts into periods, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eac.data.readers.frame import FrameStream
from eac.data.readers.frame_files import read_frame_stream
from eac.errors import StreamError


def test_missing_pairs_are_missing_readings_on_a_regular_grid(long_frame, edge_frame):
    period = FrameStream(long_frame, edge_frame)[0]

    assert period.node_ids == ("b", "a")
    nan = np.nan
    np.testing.assert_array_equal(period.series[:, 0], [nan, nan, nan, nan, 10, 11])
    np.testing.assert_array_equal(period.series[:, 1], [0, 1, 2, 3, 4, 5])
    assert period.graph.edge_index.tolist() == [[1], [0]]


def test_a_time_stamp_absent_for_every_node_is_a_missing_row(edge_frame, long_frame):
    frame = long_frame[long_frame["ds"] != "2024-01-01 02:00"]
    series = FrameStream(frame, edge_frame)[0].series

    assert series.isnan().all(dim=1).tolist() == [False, False, True, False, False, False]


def test_the_frame_is_not_changed(long_frame, edge_frame):
    before = long_frame.copy(deep=True)
    list(FrameStream(long_frame, edge_frame, period="3h"))

    pd.testing.assert_frame_equal(long_frame, before)


def test_a_node_belongs_to_the_periods_in_which_it_has_rows(long_frame, edge_frame):
    first, second = FrameStream(long_frame, edge_frame, period=["2024-01-01 04:00"])

    assert (first.name, first.node_ids, first.num_steps) == ("2024-01-01", ("a",), 4)
    assert (second.name, second.node_ids, second.num_steps) == ("2024-01-01T0400", ("b", "a"), 2)
    assert first.graph.num_edges == 0
    assert second.calendar.start_slot == 4


def test_a_fixed_offset_cuts_from_the_first_time_stamp_on(long_frame, edge_frame):
    periods = list(FrameStream(long_frame, edge_frame, period="4h"))

    assert [period.num_steps for period in periods] == [4, 2]


def test_a_calendar_offset_cuts_at_its_anchors():
    days = pd.date_range("2022-12-30", "2024-01-02", freq="D")
    frame = pd.DataFrame({"unique_id": 7, "ds": days, "y": 1.0})
    edges = pd.DataFrame({"source": [], "target": [], "weight": []})
    periods = list(FrameStream(frame, edges, period="YS"))

    assert [period.name for period in periods] == ["2022-01-01", "2023-01-01", "2024-01-01"]
    assert [period.num_steps for period in periods] == [2, 365, 2]
    assert periods[0].node_ids == ("7",)


def test_a_column_names_the_periods_which_follow_in_order_of_time(long_frame, edge_frame):
    early = long_frame["ds"] < "2024-01-01 03:00"
    frame = long_frame.assign(phase=np.where(early, "z-first", "a-second"))
    stream = FrameStream(frame, edge_frame, period="phase")

    assert list(stream.period_names) == ["z-first", "a-second"]
    assert stream[0].num_steps == 3


def test_edges_with_the_column_of_the_periods_belong_to_theirs(long_frame):
    frame = pd.concat(
        [
            long_frame.assign(phase=p, ds=long_frame["ds"] + pd.Timedelta(days=d))
            for p, d in (("one", 0), ("two", 1))
        ]
    )
    edges = pd.DataFrame(
        {"source": ["a", "b"], "target": ["b", "a"], "weight": [1.0, 2.0], "phase": ["one", "two"]}
    )
    first, second = FrameStream(frame, edges, period="phase")

    assert first.graph.edge_weight.tolist() == [1.0]
    assert second.graph.edge_weight.tolist() == [2.0]


def test_a_node_frame_gives_order_and_coordinates(long_frame, edge_frame):
    nodes = pd.DataFrame({"node_id": ["x", "a", "b"], "latitude": [0, 1, 2], "longitude": 5})
    period = FrameStream(long_frame, edge_frame, nodes=nodes)[0]

    assert period.node_ids == ("a", "b")
    np.testing.assert_array_equal(period.coordinates, [[1, 5], [2, 5]])


@given(st.permutations(range(8)))
def test_the_order_of_the_rows_does_not_matter(order):
    hours = pd.date_range("2024-01-01", periods=4, freq="h")
    pairs = pd.DataFrame({"unique_id": ["a"] * 4 + ["b"] * 4, "ds": [*hours, *hours]})
    frame = pairs.assign(y=np.arange(8.0))
    edges = pd.DataFrame({"source": ["a"], "target": ["b"], "weight": [1.0]})
    nodes = pd.DataFrame({"node_id": ["a", "b"]})
    shuffled = FrameStream(frame.iloc[order], edges, nodes=nodes)[0]

    np.testing.assert_array_equal(shuffled.series, np.arange(8.0).reshape(2, 4).T)


def refused(frame, edges, message, **settings):
    with pytest.raises(StreamError, match=message):
        list(FrameStream(frame, edges, **settings))


def test_a_repeated_pair_is_named(long_frame, edge_frame):
    frame = pd.concat([long_frame, long_frame.iloc[[3]]], ignore_index=True)

    refused(frame, edge_frame, "node 'a' has time stamp 2024-01-01 04:00:00 again in row 8")


def test_a_time_stamp_off_the_grid_is_named(long_frame, edge_frame):
    frame = long_frame.copy()
    frame.loc[3, "ds"] = pd.Timestamp("2024-01-01 03:20")

    refused(frame, edge_frame, "03:20:00 in row 3, which is not a multiple of 1 h, the most")


def test_text_in_the_readings_is_named(long_frame, edge_frame):
    frame = long_frame.astype({"y": object})
    frame.loc[3, "y"] = "high"

    refused(frame, edge_frame, r"1 values of 'y' are text, first 'high' in row 3 \(node a\)")


def test_an_infinite_reading_is_named(long_frame, edge_frame):
    frame = long_frame.copy()
    frame.loc[1, "y"] = -np.inf

    refused(frame, edge_frame, "1 readings are infinite, first of node 'b' in row 5")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("source", "z", "edge in row 0 names node 'z'"),
        ("weight", -2.0, "edge 'a' -> 'b' .* has weight -2"),
        ("weight", np.nan, "edge 'a' -> 'b' in row 0 has no weight"),
    ],
)
def test_a_bad_edge_is_named(long_frame, edge_frame, column, value, message):
    refused(long_frame, edge_frame.assign(**{column: value}), message)


def test_missing_columns_are_named(long_frame, edge_frame):
    refused(long_frame.drop(columns="y"), edge_frame, "the frame has no column 'y'")
    refused(long_frame, edge_frame[["source", "target"]], "edge frame has no column 'weight'")


def test_an_empty_frame_is_refused(long_frame, edge_frame):
    refused(long_frame.iloc[:0], edge_frame, "is empty: the frame has no row")


def test_an_empty_id_is_named(long_frame, edge_frame):
    refused(long_frame.assign(unique_id=[None, *"aaaaaaa"]), edge_frame, "empty in row 0")
    refused(long_frame.assign(unique_id=None), edge_frame, "empty in row 0")


def test_a_period_that_is_neither_column_nor_offset_is_refused(long_frame, edge_frame):
    refused(long_frame, edge_frame, "'phase' is neither a column", period="phase")


def test_a_node_outside_the_node_frame_is_named(long_frame, edge_frame):
    nodes = pd.DataFrame({"node_id": ["a"]})

    refused(long_frame, edge_frame, "node 'b' is not in the list", nodes=nodes)


def test_edges_of_an_unknown_period_are_named(long_frame, edge_frame):
    frame, edges = long_frame.assign(p="1"), edge_frame.assign(p="2")

    refused(frame, edges, "edges name period '2', which has no readings. It has: 1", period="p")


def write(folder, frame, edges, edge_file="edges.csv"):
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "series.csv", index=False)
    edges.to_csv(folder / edge_file, index=False)
    return folder


def test_a_folder_is_read_with_its_settings(tmp_path, long_frame, edge_frame):
    folder = write(tmp_path / "long", long_frame, edge_frame)
    (folder / "stream.yaml").write_text("name: mine\nunit: m\nperiod: 4h\nfrequency: 1h\n")
    stream = read_frame_stream(folder)

    assert (stream.name, stream.unit, len(stream)) == ("mine", "m", 2)
    assert stream[1].series[:, 0].tolist() == [10.0, 11.0]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("steps_per_day: 48", "steps_per_day is 48, but steps are 1 h apart, which makes 24"),
        ("days_per_week: 9", "days_per_week is 9"),
        ("days_per_week: 5", "days_per_week is 5, but the time stamps"),
    ],
)
def test_a_clock_that_the_time_stamps_do_not_make_is_refused(tmp_path, said, message):
    hours = pd.date_range("2024-01-01", periods=24 * 8, freq="h")
    frame = pd.DataFrame({"unique_id": "a", "ds": hours, "y": 1.0})
    edges = pd.DataFrame({"source": [], "target": [], "weight": []})
    folder = write(tmp_path / "long", frame, edges)
    (folder / "stream.yaml").write_text(said + "\n")

    with pytest.raises(StreamError, match=message):
        read_frame_stream(folder)
    frame.assign(ds=range(len(frame))).to_csv(folder / "series.csv", index=False)
    (folder / "stream.yaml").write_text("steps_per_day: 48\ndays_per_week: 5\n")
    assert read_frame_stream(folder)[0].calendar.steps_per_week == 48 * 5  # counted steps


def test_cut_time_stamps_may_stand_in_the_settings(tmp_path, long_frame, edge_frame):
    folder = write(tmp_path / "long", long_frame, edge_frame)
    (folder / "stream.yaml").write_text("period: [2024-01-01 02:00:00]\n")

    assert [period.num_steps for period in read_frame_stream(folder)] == [2, 4]


@pytest.mark.parametrize("said", ["dayfirst: true", "date_format: '%d/%m/%Y %H:%M'"])
def test_the_order_of_day_and_month_that_is_said_holds_for_cuts(tmp_path, edge_frame, said):
    hours = pd.date_range("2024-01-31", periods=48, freq="h").strftime("%d/%m/%Y %H:%M")
    frame = pd.DataFrame({"unique_id": [*"abc"] * 16, "ds": hours, "y": 1.0})
    folder = write(tmp_path / "long", frame, edge_frame)
    (folder / "stream.yaml").write_text(f"period: ['01/02/2024']\n{said}\n")

    assert read_frame_stream(folder).period_names == ["2024-01-31", "2024-02-01"]


@pytest.mark.parametrize("period", ["0D", "-1D", "-1MS"])
def test_a_period_that_does_not_go_forward_is_refused(long_frame, edge_frame, period):
    with pytest.raises(StreamError, match=f"period '{period}' does not go forward"):
        FrameStream(long_frame, edge_frame, period=period)


def test_ids_and_missing_readings_survive_csv(tmp_path):
    hours = ["2024-01-01 00:00", "2024-01-01 01:00"]
    frame = pd.DataFrame({"unique_id": ["007", "NA"], "ds": hours, "y": [1.0, np.nan]})
    edges = pd.DataFrame({"source": ["NA"], "target": ["007"], "weight": [1]})
    period = read_frame_stream(write(tmp_path / "long", frame, edges))[0]

    assert period.node_ids == ("007", "NA")
    np.testing.assert_array_equal(period.series, [[1, np.nan], [np.nan, np.nan]])


@pytest.mark.parametrize("edge_file", ["edges.csv", "series_edges.csv"])
def test_a_single_file_finds_its_edges_beside_it(tmp_path, long_frame, edge_frame, edge_file):
    folder = write(tmp_path / "long", long_frame, edge_frame, edge_file)

    assert read_frame_stream(folder / "series.csv")[0].graph.num_edges == 1


def test_a_file_without_edges_beside_it_is_a_stream_without_edges(tmp_path, long_frame):
    long_frame.to_parquet(tmp_path / "counts.parquet")

    period = read_frame_stream(tmp_path / "counts.parquet")[0]
    assert period.num_nodes == len(set(long_frame["unique_id"]))
    assert period.graph.num_edges == 0
