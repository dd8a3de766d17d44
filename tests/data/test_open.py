"""Which layout a path is in, and that no layout loses anything on the way to another."""

import os
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream
from eac.data.manage.convert import convert
from eac.data.parsing.form import Form
from eac.data.readers.frame import FrameStream
from eac.data.readers.frame_files import read_frame
from eac.data.readers.npz import NpzStream
from eac.data.readers.open import open_stream
from eac.data.readers.table import TableStream
from eac.errors import StreamError

LAYOUTS = {"table": TableStream, "npz": NpzStream, "frame": FrameStream}


def test_each_layout_is_recognised(table_folder, npz_folder, long_frame, edge_frame, tmp_path):
    long_frame.to_parquet(tmp_path / "long.parquet")
    edge_frame.to_csv(tmp_path / "edges.csv", index=False)

    assert isinstance(open_stream(table_folder), TableStream)
    assert isinstance(open_stream(str(npz_folder)), NpzStream)
    assert isinstance(open_stream(tmp_path / "long.parquet"), FrameStream)


def test_a_path_in_no_layout_gets_a_list_of_them(tmp_path):
    for path in (tmp_path, tmp_path / "absent", __file__):
        with pytest.raises(StreamError, match=r"table folder(.|\n)*published(.|\n)*long frame"):
            open_stream(path)


def test_the_folder_of_one_period_points_to_the_folder_above(table_folder):
    with pytest.raises(StreamError, match="looks like one period"):
        open_stream(table_folder / "2")


ids = st.lists(
    st.text("aZ09-é ", min_size=1).filter(lambda text: text == text.strip()),
    min_size=1,
    max_size=5,
    unique=True,
)
reading = st.just(np.nan) | st.floats(width=32, allow_infinity=False, allow_nan=False)
weight = st.floats(min_value=2**-20, max_value=2**20, width=32)


@st.composite
def parts(draw):
    """Ids, readings and weighted edges of up to 5 nodes over 2 to 6 hours."""
    nodes = draw(ids)
    node = st.integers(0, len(nodes) - 1)
    row = st.lists(reading, min_size=len(nodes), max_size=len(nodes))
    rows = draw(st.lists(row, min_size=2, max_size=6))
    edges = draw(st.dictionaries(st.tuples(node, node), weight, max_size=8))
    return nodes, rows, edges


def build(name: str, start: str, drawn) -> Period:
    nodes, rows, edges = drawn
    index = torch.tensor(list(edges), dtype=torch.long).reshape(-1, 2).T.contiguous()
    return Period(
        name=name,
        series=torch.tensor(rows),
        node_ids=tuple(nodes),
        graph=Graph(len(nodes), index, torch.tensor(list(edges.values()))),
        calendar=Calendar.from_timestamps(pd.Timestamp(start), pd.Timedelta("1h")),
    )


def assert_same(period: Period, other: Period) -> None:
    order = torch.tensor([other.node_ids.index(node) for node in period.node_ids])
    assert other.permute(order).fingerprint() == period.fingerprint()


@pytest.mark.parametrize("path", [("table", "npz", "frame"), ("frame", "table"), ("npz", "table")])
@settings(max_examples=10)
@given(one=parts(), two=parts())
def test_a_stream_survives_any_chain_of_layouts(path, one, two):
    first, second = build("2", "2024-01-02 03:00", one), build("10", "2024-02-01", two)
    stream = MemoryStream([first, second])
    with TemporaryDirectory() as folder:
        for position, layout in enumerate(path):
            stream = open_stream(convert(stream, f"{folder}/{position}", layout))
            assert isinstance(stream, LAYOUTS[layout])
        for before, after in zip((first, second), stream, strict=True):
            assert_same(before, after)


ODD_IDS = [" a", "a ", "a", "A", "x\ry", "007", "NA", "a,b", "a;b", '"q"', "1.10", "x\ny"]


@pytest.mark.parametrize("layout", ["table", "npy", "npz", "frame"])
def test_ids_survive_as_they_are_written(tmp_path, layout):
    rows, edges = [[float(i) for i in range(len(ODD_IDS))]] * 2, {(0, 1): 2.0, (4, 2): 3.0}
    period = build("0", "2024-01-02", (ODD_IDS, rows, edges))
    after = open_stream(convert(MemoryStream([period]), tmp_path / "out", layout))

    assert_same(period, after[0])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_names_and_units_survive(table_folder, tmp_path, layout):
    stream = open_stream(convert(TableStream(table_folder), tmp_path / "out", layout))

    assert (stream.name, stream.unit, stream.source) == ("small", "veh/h", "here")
    assert list(stream.period_names) == ["2", "10"]


@pytest.mark.parametrize("layout", ["table", "frame"])
def test_coordinates_survive(table_folder, tmp_path, layout):
    (table_folder / "2" / "nodes.csv").write_text("node_id,latitude,longitude\na,60.5,5\nb,,\n")
    stream = open_stream(convert(TableStream(table_folder), tmp_path / "out", layout))

    np.testing.assert_array_equal(stream[0].coordinates, [[60.5, 5], [np.nan, np.nan]])


def test_tables_beside_a_frame_hold_the_columns_that_are_named_and_no_others(
    table_folder, tmp_path
):
    (table_folder / "2" / "nodes.csv").write_text("node_id,latitude,longitude\na,60.5,5\nb,,\n")
    folder = convert(TableStream(table_folder), tmp_path / "out", "frame")

    nodes = (folder / "nodes.csv").read_text().splitlines()
    assert nodes == ["node_id,latitude,longitude", "a,60.5,5.0", "b,,", "c,,", "007,,"]
    edges = (folder / "edges.csv").read_text().splitlines()
    assert edges == ["source,target,weight,period", "a,b,0.5,2", "c,007,2.0,10", "007,b,1.0,10"]


@pytest.mark.parametrize("days", [5, 7])
def test_slots_survive_as_invented_time_stamps(npz_folder, tmp_path, days):
    (npz_folder / "stream.yaml").write_text(
        f"steps_per_day: 2\ndays_per_week: {days}\nperiods: [{{name: 9, start_slot: 8}}, 10]\n"
    )
    first, second = open_stream(convert(NpzStream(npz_folder), tmp_path / "out", "table"))

    assert first.calendar.days_per_week == days
    assert [p.calendar.start_slot for p in (first, second)] == [8, 12 % (2 * days)]


def test_an_existing_destination_is_never_touched(table_folder, npz_folder):
    with pytest.raises(StreamError, match="exists"):
        convert(TableStream(table_folder), npz_folder, "npz")

    assert isinstance(open_stream(npz_folder), NpzStream)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_conversion_that_fails_leaves_nothing_behind(table_folder, tmp_path, layout):
    (table_folder / "10" / "edges.csv").unlink()
    with pytest.raises(StreamError):
        convert(TableStream(table_folder), tmp_path / "new" / "out", layout)

    assert list((tmp_path / "new").iterdir()) == []


def test_a_period_name_that_leaves_the_folder_is_refused(npz_folder, tmp_path):
    make = partial(Period, series=torch.ones(2, 1), node_ids=("a",), graph=Graph.empty(1))
    stream = MemoryStream([make(name="../up", calendar=Calendar(24))])

    with pytest.raises(StreamError, match="cannot be the name of a file"):
        convert(stream, tmp_path / "out", "npz")


def test_what_is_no_ordinary_file_is_refused_without_waiting_for_it(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with pytest.raises(StreamError, match="is no ordinary file"):
        open_stream(pipe)
    with pytest.raises(StreamError, match="is no ordinary file"):
        read_frame(pipe, Form(), "input")


def test_parts_may_order_their_columns_each_in_its_way_and_others_are_named(tmp_path):
    parts = tmp_path / "parts"
    parts.mkdir()
    rows = [f"a,2024-01-{1 + i // 24:02d} {i % 24:02d}:00,{i}" for i in range(96)]
    turned = [",".join(row.split(",")[::-1]) for row in rows]
    (parts / "jan.csv").write_text("\n".join(["unique_id,ds,y", *rows[:48]]) + "\n")
    (parts / "feb.csv").write_text("\n".join(["y,ds,unique_id", *turned[48:]]) + "\n")
    assert open_stream(parts)[0].series.flatten().tolist() == list(range(96))

    (parts / "readme.txt").write_text("counts of a bridge\n")
    with pytest.raises(StreamError, match=r"'readme\.txt' has other columns") as refused:
        open_stream(parts)
    assert "move what is no part elsewhere" in str(refused.value)
