"""Small valid streams on disk, for tests to read and to spoil."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest


def _period(folder: Path, start: str, values: dict[str, list[float]], edges: str) -> None:
    folder.mkdir(parents=True)
    steps = len(next(iter(values.values())))
    index = pd.date_range(start, periods=steps, freq="h", name="time")
    pd.DataFrame(values, index=index).to_csv(folder / "series.csv")
    (folder / "nodes.csv").write_text("node_id\n" + "\n".join(values) + "\n")
    (folder / "edges.csv").write_text("source,target,weight\n" + edges)


@pytest.fixture
def table_folder(tmp_path: Path) -> Path:
    """Period 2 has nodes a and b, period 10 has c, b and 007; b listens to a with weight 0.5."""
    folder = tmp_path / "table"
    _period(
        folder / "2",
        "2024-01-02 03:00",
        {"a": [1.0, 2.0, 3.0], "b": [4.0, np.nan, 6.0]},
        "a,b,0.5\n",
    )
    last = {"c": [1.0, 2.0], "b": [3.0, 4.0], "007": [5.0, 6.0]}
    _period(folder / "10", "2024-01-03 00:00", last, "c,007,2\n007,b,1\n")
    (folder / "stream.yaml").write_text("name: small\nfrequency: 1h\nunit: veh/h\nsource: here\n")
    return folder


@pytest.fixture
def npz_folder(tmp_path: Path) -> Path:
    """Two periods of 2 and 3 nodes over 4 and 5 steps; node 0 listens to node 1 with weight 2."""
    folder = tmp_path / "npz"
    (folder / "RawData").mkdir(parents=True)
    (folder / "graph").mkdir()
    for name, nodes, steps in (("9", 2, 4), ("10", 3, 5)):
        x = np.arange(steps * nodes, dtype=np.float64).reshape(steps, nodes)
        np.savez(folder / "RawData" / f"{name}.npz", x=x)
        adjacency = np.zeros((nodes, nodes))
        adjacency[0, 1] = 2.0
        np.savez(folder / "graph" / f"{name}_adj.npz", x=adjacency)
    return folder


@pytest.fixture
def long_frame() -> pd.DataFrame:
    """Hourly readings of a over six hours and of b over the last two, in no order."""
    hours = pd.date_range("2024-01-01", periods=6, freq="h")
    a = pd.DataFrame({"unique_id": "a", "ds": hours, "y": np.arange(6.0)})
    b = pd.DataFrame({"unique_id": "b", "ds": hours[4:], "y": [10.0, 11.0]})
    return pd.concat([b, a.iloc[::-1]], ignore_index=True)


@pytest.fixture
def edge_frame() -> pd.DataFrame:
    """Node b listens to node a with weight 0.5."""
    return pd.DataFrame({"source": ["a"], "target": ["b"], "weight": [0.5]})
