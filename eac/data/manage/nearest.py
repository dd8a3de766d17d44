"""Edges from coordinates, for sensors whose network nobody has drawn."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from eac.data.parsing import columns, tabular
from eac.errors import StreamError
from eac.files import write_frame
from eac.typing import StrPath

EARTH_RADIUS = 6371.0
"""In kilometres."""
_ROWS_AT_ONCE = 1024


def nearest_edges(
    node_ids: Sequence[str], coordinates: Float[Tensor, "node 2"], count: int
) -> pd.DataFrame:
    """Edges in both directions between each node and its ``count`` nearest ones.

    An edge over a distance d weighs exp(-(d / m)^2), with m the mean length of the edges.

    Args:
        node_ids: Names of the nodes.
        coordinates: Latitude and longitude in degrees; nodes where one is NaN get no edge.
        count: Neighbours that each node asks for; others may ask for it besides.

    Returns:
        A frame ``source, target, weight``, sorted by the order of the nodes.

    Example:
        >>> nearest_edges(["a", "b"], torch.tensor([[48.0, 11.0], [48.1, 11.0]]), 1).round(3)
          source target  weight
        0      a      b   0.368
        1      b      a   0.368
    """
    placed = (~coordinates.isnan().any(dim=1)).nonzero().flatten()
    points = _on_sphere(coordinates[placed].double())
    count = min(count, len(placed) - 1)
    pairs: set[tuple[int, int]] = set()
    for first, rows in enumerate(points.split(_ROWS_AT_ONCE)):
        chords = torch.cdist(rows, points)
        own = torch.arange(len(rows)) + first * _ROWS_AT_ONCE
        chords[torch.arange(len(rows)), own] = torch.inf
        for row, near in zip(own.tolist(), chords.topk(count, largest=False)[1], strict=True):
            pairs |= {pair for other in near.tolist() for pair in ((row, other), (other, row))}
    ends = torch.tensor(sorted(pairs), dtype=torch.long).reshape(-1, 2)
    length = EARTH_RADIUS * (points[ends[:, 0]] - points[ends[:, 1]]).norm(dim=1)
    weight = torch.exp(-((length / length.mean().clamp(min=1e-9)) ** 2))
    names = [[node_ids[i] for i in placed[side].tolist()] for side in ends.T]
    return pd.DataFrame({"source": names[0], "target": names[1], "weight": weight.numpy()})


def connect(path: StrPath, count: int) -> list[Path]:
    r"""Writes ``edges.csv`` beside each ``nodes.csv`` of a stream, and returns what was written.

    Raises:
        StreamError: If there are no coordinates, or there are edges already.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     table = "node_id,latitude,longitude\na,60.0,5.0\nb,60.1,5.0\n"
        ...     _ = Path(folder, "nodes.csv").write_text(table)
        ...     print([path.name for path in connect(folder, 1)])
        ['edges.csv']
    """
    path = Path(path)
    if count < 1:
        raise StreamError(f"--nearest is {count}. Give the number of neighbours, at least 1.")
    lists = sorted({*path.glob("nodes.csv"), *path.glob("*/nodes.csv")})
    if not lists:
        raise StreamError(
            f"{path} holds no nodes.csv. Write one line per sensor under the header "
            "node_id,latitude,longitude."
        )
    for file in lists:
        if file.with_name("edges.csv").exists():
            raise StreamError(
                f"{file.with_name('edges.csv')} is there already. Remove it to make it anew."
            )
    made = {file.with_name("edges.csv"): _edges_of(file, count) for file in lists}
    for target, edges in made.items():
        write_frame(target, edges, index=False, float_format="%.4g")
    return list(made)


def _edges_of(file: Path, count: int) -> pd.DataFrame:
    nodes = tabular.read_nodes(file, str(file))
    node_ids = tuple(nodes["node_id"])
    where = columns.coordinates(nodes, node_ids, str(file))
    if where is None or int((~where.isnan().any(dim=1)).sum()) < 2:
        raise StreamError(
            f"{file} does not say where two sensors are. Give latitude and longitude in degrees."
        )
    wrong = (where.abs() > torch.tensor([90.0, 180.0])).any(dim=1).nonzero().flatten()
    if len(wrong):
        first = int(wrong[0])
        latitude, longitude = where[first].tolist()
        more = f" ({len(wrong) - 1:,} more are like it)" if len(wrong) > 1 else ""
        raise StreamError(
            f"{file}: node {node_ids[first]!r} has latitude {latitude:g} and longitude "
            f"{longitude:g}{more}; latitude is from -90 to 90 and longitude from -180 to 180 "
            "degrees. Correct them; other coordinates, such as metres, have to be turned into "
            "degrees first."
        )
    return nearest_edges(node_ids, where, count)


def _on_sphere(coordinates: Float[Tensor, "node 2"]) -> Float[Tensor, "node 3"]:
    latitude, longitude = torch.deg2rad(coordinates).T
    flat = latitude.cos()
    return torch.stack([flat * longitude.cos(), flat * longitude.sin(), latitude.sin()], dim=1)
