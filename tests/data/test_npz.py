"""The published layout: arrays, clocks, ids, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch

from eac.data.readers.npz import NpzStream
from eac.data.readers.table import TableStream
from eac.errors import StreamError


def write(folder, name, array):
    np.savez(folder / f"{name}.npz", x=array)


def settings(folder, text):
    (folder / "stream.yaml").write_text(text)


def complaint(folder, period=0):
    with pytest.raises(StreamError) as caught:
        NpzStream(folder).load(period)
    return str(caught.value)


def test_a_period_is_read_as_written(npz_folder):
    period = NpzStream(npz_folder)[1]

    assert period.name == "10"
    assert period.node_ids == ("0", "1", "2")
    assert period.series.dtype == torch.float32
    np.testing.assert_array_equal(period.series, np.arange(15).reshape(5, 3))


def test_a_row_of_the_adjacency_listens_to_its_columns(npz_folder):
    graph = NpzStream(npz_folder)[0].graph

    assert graph.edge_index.tolist() == [[1], [0]]
    assert graph.edge_weight.tolist() == [2.0]


@pytest.mark.parametrize("dtype", [np.bool_, np.int64, np.float16])
def test_an_adjacency_of_any_kind_of_number_is_read(npz_folder, dtype):
    write(npz_folder / "graph", "9_adj", np.array([[0, 1], [0, 0]], dtype=dtype))

    assert NpzStream(npz_folder)[0].graph.edge_weight.tolist() == [1.0]


def test_files_follow_in_natural_order(npz_folder):
    assert list(NpzStream(npz_folder).period_names) == ["9", "10"]


def test_a_trailing_axis_of_one_feature_is_dropped(npz_folder):
    plain = NpzStream(npz_folder)[0]
    write(npz_folder / "RawData", "9", np.arange(8.0).reshape(4, 2, 1))

    assert NpzStream(npz_folder)[0].fingerprint() == plain.fingerprint()


def test_without_settings_steps_are_five_minutes_and_slots_count_on(npz_folder):
    first, second = (period.calendar for period in NpzStream(npz_folder))

    assert (first.steps_per_day, first.days_per_week, first.start_slot) == (288, 7, 0)
    assert (second.steps_per_day, second.start_slot, second.start) == (288, 4, None)


def test_settings_give_slots_names_and_order(npz_folder):
    settings(
        npz_folder,
        "name: mine\nsteps_per_day: 24\ndays_per_week: 5\n"
        "periods:\n  - {name: 10, start_slot: 7}\n  - 9\n",
    )
    stream = NpzStream(npz_folder)
    first, second = (period.calendar for period in stream)

    assert (stream.name, list(stream.period_names)) == ("mine", ["10", "9"])
    assert (first.steps_per_day, first.days_per_week, first.start_slot) == (24, 5, 7)
    assert second.start_slot == 7 + 5


def test_a_start_and_a_frequency_give_real_time_that_counts_on(npz_folder):
    settings(npz_folder, "start: 2024-01-02 03:00\nfrequency: 1h\n")
    first, second = (period.calendar for period in NpzStream(npz_folder))

    assert first.start == pd.Timestamp("2024-01-02 03:00")
    assert first.start_slot == 27
    assert second.start == pd.Timestamp("2024-01-02 07:00")


def test_a_period_may_have_its_own_start(npz_folder):
    settings(
        npz_folder,
        "frequency: 1D\nperiods:\n  - {name: 9, start: 2024-01-01}\n"
        "  - {name: 10, start: 2025-01-01}\n",
    )

    assert NpzStream(npz_folder)[1].calendar.start == pd.Timestamp("2025-01-01")


def test_declared_ids_name_the_first_columns(npz_folder):
    settings(npz_folder, "node_ids: [north, south, 7]\n")
    first, second = NpzStream(npz_folder)

    assert first.node_ids == ("north", "south")
    assert second.node_ids == ("north", "south", "7")


def test_ids_of_a_period_win_over_those_of_the_stream(npz_folder):
    settings(npz_folder, "node_ids: [a, b, c]\nperiods: [{name: 10, node_ids: [c, d, a]}, 9]\n")

    assert NpzStream(npz_folder)[0].node_ids == ("c", "d", "a")


def test_a_file_that_appears_later_becomes_a_period(npz_folder):
    stream = NpzStream(npz_folder)
    write(npz_folder / "RawData", "11", np.ones((4, 3)))

    assert list(stream.period_names) == ["9", "10", "11"]


def test_a_reading_may_be_missing(npz_folder):
    write(npz_folder / "RawData", "9", np.array([[1.0, np.nan], [2.0, 3.0]]))

    assert NpzStream(npz_folder)[0].missing_share == 0.25


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (np.ones((4, 2, 2)), "period '9': x has shape (4, 2, 2). Give [time node]"),
        (np.ones(4), "period '9': x has shape (4,)"),
        (np.ones((2, 9)), "has 9 nodes, but"),
        (np.ones((2, 5)), "The series looks transposed: give [time node]."),
        (np.ones((0, 2)), "period '9' is empty"),
        (np.array([[1.0, np.inf]]), "1 readings are infinite, first of node '1' in row 0"),
        (np.array([[1.0, 1e300]]), "1 readings are infinite, first of node '1' in row 0"),
        (np.array([["a", "b"]]), "holds <U1. Give numbers."),
    ],
)
def test_a_bad_series_gets_one_clear_message(npz_folder, series, message):
    size = series.shape[0] if "transposed" in message else 2
    write(npz_folder / "graph", "9_adj", np.eye(size))
    write(npz_folder / "RawData", "9", series)

    assert message in complaint(npz_folder)


@pytest.mark.parametrize(
    ("adjacency", "message"),
    [
        (np.eye(3), "period '9': the series has 2 nodes, but"),
        (np.array([[0, -1.0], [0, 0]]), "edge '1' -> '0' (row 0) has weight -1.0"),
        (np.array([[0, np.nan], [0, 0]]), "edge '1' -> '0' (row 0) has weight nan"),
    ],
)
def test_a_bad_adjacency_gets_one_clear_message(npz_folder, adjacency, message):
    write(npz_folder / "graph", "9_adj", adjacency)

    assert message in complaint(npz_folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("periods: [2011]", "period '2011' is listed in"),
        ("periods: [9, '9']", "period '9' is listed twice"),
        ("periods: [{start_slot: 2}]", "has no name"),
        ("periods: [{name: 9, start_slots: 2}]", "Did you mean 'start_slot'?"),
        ("periods: [{name: 9, start_slot: -1}]", "start_slot=-1"),
        ("periods: [{name: 9, start_slot: noon}]", "start_slot is 'noon'. Give a whole number"),
        ("step_per_day: 24", "Did you mean 'steps_per_day'?"),
        ("steps_per_day: 0", "steps_per_day is 0"),
        ("frequency: 1h", "gives a frequency but no start"),
        ("frequency: 1h\nstart: soon", "start 'soon' is not a time stamp"),
        ("start: 2024-01-01", "gives start '2024-01-01' but no frequency. Give frequency"),
        ("periods: [{name: 9, start: 2024-01-01}]", "but no frequency. Give frequency"),
        (
            "frequency: 1h\nstart: 2024-01-01\nsteps_per_day: 48",
            "steps_per_day is 48, but steps are 1 h apart, which makes 24",
        ),
        ("node_ids: [a]", "period '9': 2 nodes, but"),
        ("node_ids: [a, a]", "node id 'a' is listed 2 times"),
    ],
)
def test_a_bad_setting_is_named(npz_folder, text, message):
    settings(npz_folder, text + "\n")

    assert message in complaint(npz_folder)


def test_a_missing_graph_is_named(npz_folder):
    (npz_folder / "graph" / "9_adj.npz").unlink()

    assert "9_adj.npz is missing" in complaint(npz_folder)


def test_an_archive_without_key_x_is_named(npz_folder):
    np.savez(npz_folder / "RawData" / "9.npz", data=np.ones((2, 2)))

    assert "has no array 'x'. It has: data." in complaint(npz_folder)


def test_a_damaged_archive_is_named(npz_folder):
    (npz_folder / "RawData" / "9.npz").write_bytes(b"PK not really")

    assert "cannot be read as .npz" in complaint(npz_folder)


def test_a_folder_without_arrays_is_refused(tmp_path):
    with pytest.raises(StreamError, match="has no folder RawData"):
        NpzStream(tmp_path)
    (tmp_path / "RawData").mkdir()
    with pytest.raises(StreamError, match="is empty"):
        NpzStream(tmp_path)


def test_both_layouts_of_one_source_agree(shared_path):
    npz, table = NpzStream(shared_path("layout/bergen")), TableStream(shared_path("streams/bergen"))
    for filled, raw in zip(npz, table, strict=True):
        present = ~raw.series.isnan()
        assert torch.equal(filled.series[present], raw.series[present])
        assert torch.equal(filled.graph.to_dense(), raw.graph.to_dense())
        assert filled.missing_share == 0


def test_only_the_first_steps_are_used_when_the_description_says_so(npz_folder):
    whole = NpzStream(npz_folder)[1].series
    settings(npz_folder, "first_steps: 3\n")
    assert torch.equal(NpzStream(npz_folder)[1].series, whole[:3])

    settings(npz_folder, "first_steps: some\n")
    assert "first_steps is 'some'. Give a positive whole number" in complaint(npz_folder)
