"""Edges made from coordinates."""

import math

import pandas as pd
import pytest
import torch

from eac.data.manage.nearest import connect, nearest_edges
from eac.data.readers.open import open_stream
from eac.errors import StreamError

LINE = torch.tensor([[60.0, 5.0], [60.1, 5.0], [60.3, 5.0], [torch.nan, 5.0]])
"""Degrees of latitude 0.1 and 0.2 apart, and a sensor of which nobody knows where it is."""


def test_each_sensor_listens_to_its_nearest_ones_in_both_directions():
    edges = nearest_edges("abcd", LINE, 1)
    assert [*zip(edges["source"], edges["target"], strict=True)] == [
        *map(tuple, ("ab", "ba", "bc", "cb"))
    ]
    near, far = math.exp(-((2 / 3) ** 2)), math.exp(-((4 / 3) ** 2))  # the mean is 0.15 degrees
    assert edges["weight"].to_list() == pytest.approx([near, near, far, far], rel=1e-4)  # float32


def test_no_sensor_asks_for_more_neighbours_than_there_are():
    assert len(nearest_edges("abcd", LINE, 9)) == 6


def write_counts(folder, nodes="node_id,latitude,longitude\na,60.0,5.0\nb,60.1,5.0\n"):
    folder.mkdir()
    hours = pd.date_range("2024-01-01", periods=3, freq="h")
    rows = [(node, hour, 1.0) for node in "ab" for hour in hours]
    frame = pd.DataFrame(rows, columns=["unique_id", "ds", "y"])
    frame.to_csv(folder / "series.csv", index=False)
    (folder / "nodes.csv").write_text(nodes)
    return folder


def test_a_connected_folder_is_a_stream_with_edges(tmp_path):
    folder = write_counts(tmp_path / "counts")
    assert open_stream(folder)[0].graph.num_edges == 0
    assert connect(folder, 4) == [folder / "edges.csv"]
    assert open_stream(folder)[0].graph.num_edges == 2


def test_every_period_of_a_table_folder_is_connected(table_folder):
    for name in ("2", "10"):
        (table_folder / name / "edges.csv").unlink()
        nodes = pd.read_csv(table_folder / name / "nodes.csv", dtype=str)
        place = {"latitude": 60.0, "longitude": range(len(nodes))}
        nodes.assign(**place).to_csv(table_folder / name / "nodes.csv", index=False)
    connect(table_folder, 1)
    assert [period.graph.num_edges for period in open_stream(table_folder)] == [2, 4]


def test_edges_that_are_there_are_never_overwritten(tmp_path):
    folder = write_counts(tmp_path / "counts")
    (folder / "edges.csv").write_text("source,target,weight\n")
    with pytest.raises(StreamError, match=r"edges.csv is there already"):
        connect(folder, 4)


@pytest.mark.parametrize("nodes", ["node_id\na\nb\n", "node_id,latitude,longitude\na,60,5\nb,,\n"])
def test_sensors_without_coordinates_cannot_be_connected(tmp_path, nodes):
    with pytest.raises(StreamError, match="does not say where two sensors are"):
        connect(write_counts(tmp_path / "counts", nodes), 4)


@pytest.mark.parametrize("where", ["95,5", "-90.5,5", "60,200", "590000,6600000", "inf,5"])
def test_coordinates_that_are_none_are_refused_with_their_node(tmp_path, where):
    folder = write_counts(
        tmp_path / "counts", f"node_id,latitude,longitude\na,-90,180\nb,{where}\n"
    )
    with pytest.raises(StreamError, match=r"node 'b' has latitude .* from -90 to 90 and longitude"):
        connect(folder, 4)
    assert not (folder / "edges.csv").exists()


def test_a_folder_without_a_list_of_sensors_cannot_be_connected(tmp_path):
    with pytest.raises(StreamError, match=r"holds no nodes.csv"):
        connect(tmp_path, 4)
