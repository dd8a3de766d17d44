"""Covariates in tables. A module of its own, so that who reads none need not import pandas."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from eac.data.core.covariates import Covariates
from eac.data.parsing import columns
from eac.data.parsing.form import Form
from eac.errors import StreamError


def read_covariates(
    path: Path,
    stamps: pd.DatetimeIndex,
    node_ids: tuple[str, ...],
    what: str,
    form: Form | None = None,
) -> Covariates:
    """The covariates of a period, from a table with the time stamps of its series.

    A column ``rain`` holds for all nodes; ``rain@north`` for the node ``north`` and no other, and
    wins over ``rain`` there.

    Raises:
        StreamError: If rows do not match the series, or a column names an unknown node.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> stamps = pd.date_range("2024-01-01", periods=2, freq="h")
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "covariates.csv"
        ...     pd.DataFrame({"ds": stamps, "rain": [0.0, 1.5]}).to_csv(path, index=False)
        ...     print(read_covariates(path, stamps, ("a", "b"), "period '0'").values.tolist())
        [[[0.0]], [[1.5]]]
    """
    form = form or Form()
    frame, given = columns.by_time(columns.read_readings(path, what, form), path, what, form)
    if not given.wall.equals(stamps):
        raise StreamError(
            f"{what}: {path} has {len(frame)} rows from {given.wall.min()} on, its series "
            f"{len(stamps)} from {stamps[0]} on. Give both the same time stamps."
        )
    parts = [name.partition("@") for name in frame.columns]
    unknown = [node for _, at, node in parts if at and node not in set(node_ids)]
    if unknown:
        raise StreamError(
            f"{what}: {path} has covariates of {unknown[0]!r}, which is not in nodes.csv. List the "
            "node or remove the column."
        )
    names = tuple(dict.fromkeys(name for name, _, _ in parts))
    values = columns.readings(frame, what)
    by_node = any(at for _, at, _ in parts)
    table = np.full((len(frame), len(node_ids) if by_node else 1, len(names)), np.nan, np.float32)
    for position, (name, at, node) in sorted(enumerate(parts), key=lambda part: bool(part[1][1])):
        where = node_ids.index(node) if at else slice(None)
        column = values[:, position] if at else values[:, position, None]
        table[:, where, names.index(name)] = column
    return Covariates(names, torch.from_numpy(table))


def covariate_table(given: Covariates, node_ids: tuple[str, ...]) -> pd.DataFrame:
    """The columns that ``read_covariates`` reads.

    Example:
        >>> rain = Covariates(("rain",), torch.tensor([[[0.0]], [[1.5]]]))
        >>> covariate_table(rain, ("a", "b"))["rain"].tolist()
        [0.0, 1.5]
    """
    ends = [f"@{node}" for node in node_ids] if given.values.shape[1] > 1 else [""]
    names = [name + end for end in ends for name in given.names]
    return pd.DataFrame(given.values.flatten(1).numpy(), columns=names)
