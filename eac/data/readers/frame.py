"""Reader of a long frame: one row per node and time stamp, with an edge frame beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy import ndarray
from pandas.tseries.frequencies import to_offset

from eac.data.core.covariates import Covariates
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import GraphStream
from eac.data.readers import columns, files, tabular
from eac.data.readers.unfinished import unfinished
from eac.errors import StreamError
from eac.typing import StrPath

KNOWN_KEYS = ("name", "unit", "source", "period", "frequency", "days_per_week", "covariates")
EDGE_COLUMNS = ("source", "target", "weight")
PeriodRule: TypeAlias = str | Sequence[object] | None


class FrameStream(GraphStream):
    """A stream cut out of one long DataFrame ``unique_id, ds, y``.

    A node belongs to a period when it has a row in it; pairs of node and time stamp without a
    row are missing readings. The frame is read once and not changed.

    Args:
        frame: Columns ``unique_id``, ``ds`` (time stamps) and ``y``.
        edges: Columns ``source``, ``target`` and ``weight``; with the column of ``period``, when
            that is one, each period has its own edges. Edges to nodes absent from a period rest.
            None means that there are no edges.
        period: How to cut: the name of a column of ``frame``, a pandas offset such as ``YS`` or
            ``90D``, or the time stamps at which a new period starts. None makes one period.
        frequency: Time between two steps; the most frequent one when None.
        nodes: Column ``node_id`` gives the order of the nodes, and ``latitude`` and
            ``longitude`` where they are; in order of appearance when None.
        covariates: Columns of ``frame`` that are known ahead, such as a weather forecast.
        name: Name of the stream.

    Raises:
        StreamError: If a column is missing, a pair is repeated, a time stamp is off the grid or
            an edge names an unknown node.

    Example:
        >>> frame = pd.DataFrame({
        ...     "unique_id": ["a", "a", "a", "b"],
        ...     "ds": ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 02:00",
        ...            "2024-01-01 01:00"],
        ...     "y": [1.0, 2.0, 3.0, 5.0],
        ... })
        >>> edges = pd.DataFrame({"source": ["a"], "target": ["b"], "weight": [1.0]})
        >>> FrameStream(frame, edges)[0].series.tolist()
        [[1.0, nan], [2.0, 5.0], [3.0, nan]]
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        edges: pd.DataFrame | None = None,
        *,
        period: PeriodRule = None,
        frequency: str | None = None,
        nodes: pd.DataFrame | None = None,
        covariates: Sequence[str] = (),
        name: str = "frame",
    ):
        self.name = name
        what = f"stream {name!r}"
        tabular.require_columns(frame, ("unique_id", "ds", "y", *covariates), what, "the frame")
        edges = pd.DataFrame(columns=list(EDGE_COLUMNS)) if edges is None else edges
        tabular.require_columns(edges, EDGE_COLUMNS, what, "the edge frame")
        if len(frame) == 0:
            raise StreamError(f"{what} is empty: the frame has no row.")
        self._ids, self._node = _factorise(frame["unique_id"], nodes, what)
        self._stamps = columns.parse_stamps(frame["ds"], what)
        self._values = _values(frame, "y", what)
        self._covariates = tuple(covariates)
        ahead = [_values(frame, name, what) for name in self._covariates]
        self._ahead = np.stack(ahead, axis=-1) if ahead else None
        self._names, group = _cut(frame, self._stamps, period, what)
        self._cut_by = None if isinstance(period, str) and period in frame.columns else period
        order = np.argsort(group, kind="stable")
        self._rows = np.split(order, np.searchsorted(group[order], np.arange(1, len(self._names))))
        self._step = self._time_step(frequency, what)
        self._edges = _edges_by_period(edges, period, self._names, what)
        self._nodes = nodes
        for part in self._edges.values():
            columns.edge_graph(part, self._ids, what)

    @property
    def period_names(self) -> Sequence[str]:
        """Names of the periods, in order of time."""
        return self._names

    def unfinished(self, index: int) -> str | None:
        """Why the last period is not over, where an offset such as a month cuts the stream.

        Rows without a reading count, unless covariates are known ahead.
        """
        if index != len(self._names) - 1:
            return None
        rows = self._rows[index]
        rows = rows[~np.isnan(self._values[rows])] if self._covariates else rows
        return unfinished(self._cut_by, self._stamps.min(), self._stamps[rows].max(), self._step)

    def load(self, index: int) -> Period:
        """Lays one period out on its regular grid."""
        name, rows = self._names[index], self._rows[index]
        what = f"period {name!r}"
        stamps = self._stamps[rows]
        start = stamps.min()
        step = self._positions(rows, what)
        present = np.unique(self._node[rows])
        column = np.searchsorted(present, self._node[rows])
        self._check_pairs(rows, step * len(present) + column, what)
        series = np.full((step.max() + 1, len(present)), np.nan, dtype=np.float32)
        series[step, column] = self._values[rows]
        ids = tuple(self._ids[node] for node in present)
        return Period(
            name=name,
            series=torch.from_numpy(series),
            node_ids=ids,
            graph=self._graph(name, ids, present, what),
            calendar=columns.calendar_of(start, self._step, 7),
            coordinates=columns.coordinates(self._nodes, ids, what),
            covariates=self._known_ahead(rows, step, column, series.shape),
        )

    def _known_ahead(
        self, rows: ndarray, step: ndarray, column: ndarray, shape: tuple[int, ...]
    ) -> Covariates | None:
        if self._ahead is None:
            return None
        values = np.full((*shape, len(self._covariates)), np.nan, dtype=np.float32)
        values[step, column] = self._ahead[rows]
        return Covariates(self._covariates, torch.from_numpy(values))

    def _time_step(self, frequency: str | None, what: str) -> pd.Timedelta:
        if frequency is not None:
            return columns.parse_frequency(frequency, what)
        gaps = [np.diff(self._stamps[rows].unique().sort_values()) for rows in self._rows]
        return columns.most_frequent(np.concatenate(gaps), what)

    def _positions(self, rows: ndarray, what: str) -> ndarray:
        since = self._stamps[rows] - self._stamps[rows].min()
        odd = np.flatnonzero(since % self._step != pd.Timedelta(0))
        if len(odd):
            row = rows[odd[0]]
            raise StreamError(
                f"{what}: time stamp {self._stamps[row]} of node {self._ids[self._node[row]]!r} "
                f"in row {row} is not a multiple of {self._step} after "
                f"{self._stamps[rows].min()}. Correct it, or declare the frequency."
            )
        return np.asarray(since // self._step)

    def _check_pairs(self, rows: ndarray, cell: ndarray, what: str) -> None:
        if np.bincount(cell).max() > 1:
            row = rows[np.argmax(pd.Index(cell).duplicated())]
            raise StreamError(
                f"{what}: node {self._ids[self._node[row]]!r} has time stamp "
                f"{self._stamps[row]} again in row {row}. Give each pair of unique_id and ds once."
            )

    def _graph(self, name: str, ids: tuple[str, ...], present: ndarray, what: str) -> Graph:
        edges = self._edges[name]
        inside = edges["source"].isin(ids) & edges["target"].isin(ids)
        return columns.edge_graph(edges[inside], ids, what)


def read_frame_stream(path: StrPath) -> FrameStream:
    """The long frame in a folder or a file.

    A folder holds ``series.csv`` (or ``.parquet``), and when wanted ``edges.csv``, ``nodes.csv``
    and a ``stream.yaml`` with ``name``, ``unit``, ``source``, ``frequency``, ``period`` and
    ``covariates``. A single file ``<stem>.csv`` has its edges in ``<stem>_edges.csv`` or
    ``edges.csv`` beside it. Without such a file there are no edges. A column ``period`` cuts the
    frame unless ``stream.yaml`` says otherwise.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    series = (files.find_table(path, "series") or path) if path.is_dir() else path
    what = f"stream {series}"
    settings = files.read_settings(folder / files.STREAM_FILE, KNOWN_KEYS) if path.is_dir() else {}
    frame = tabular.read_long(series, what)
    edges = _edge_file(series, path.is_dir())
    nodes = folder / "nodes.csv"
    stream = FrameStream(
        frame,
        tabular.read_text(edges, what) if edges.is_file() else None,
        period=settings.get("period", "period" if "period" in frame.columns else None),
        frequency=settings.get("frequency"),
        nodes=tabular.read_nodes(nodes, what) if path.is_dir() and nodes.is_file() else None,
        covariates=[str(column) for column in settings.get("covariates") or ()],
        name=str(settings.get("name") or (path.resolve().name if path.is_dir() else path.stem)),
    )
    stream.unit = str(settings.get("unit") or "")
    stream.source = str(settings.get("source") or "")
    return stream


def _edge_file(series: Path, in_folder: bool) -> Path:
    own = series.with_name(f"{series.stem}_edges.csv")
    shared = series.with_name("edges.csv")
    if in_folder or (shared.is_file() and not own.is_file()):
        return shared
    return own


def _factorise(
    ids: pd.Series, nodes: pd.DataFrame | None, what: str
) -> tuple[tuple[str, ...], ndarray]:
    code, found = _codes(ids, what)
    if nodes is None:
        return tuple(found), code
    tabular.require_columns(nodes, ("node_id",), what, "the node frame")
    listed = pd.Index(nodes["node_id"].astype(str))
    if listed.has_duplicates:
        raise StreamError(f"{what}: node {listed[listed.duplicated()][0]!r} is listed twice.")
    place = listed.get_indexer(pd.Index(found))
    if (place < 0).any():
        unknown = found[int(np.argmax(place < 0))]
        raise StreamError(f"{what}: node {unknown!r} is not in the list of nodes. Add it.")
    return tuple(listed), place[code]


def _values(frame: pd.DataFrame, name: str, what: str) -> ndarray:
    y = frame[name]
    if not pd.api.types.is_numeric_dtype(y.dtype):
        labelled = y.set_axis("node " + frame["unique_id"].astype(str), axis=0)
        y = columns.numeric_column(labelled, what)
    with np.errstate(over="ignore"):
        return y.to_numpy(dtype=np.float32, na_value=np.nan)


def _codes(labels: pd.Series, what: str) -> tuple[ndarray, list[str]]:
    """A number for each row, and the labels the numbers stand for, in order of appearance."""
    code, found = pd.factorize(labels)
    merged, names = pd.factorize(pd.Index(found).astype(str))
    code = np.append(merged, -1)[code]
    empty = np.flatnonzero((code < 0) | np.isin(code, np.flatnonzero(names == "")))
    if len(empty):
        raise StreamError(f"{what}: {labels.name} is empty in row {empty[0]}. Fill it.")
    return code, [str(name) for name in names]


def _cut(
    frame: pd.DataFrame, stamps: pd.DatetimeIndex, period: PeriodRule, what: str
) -> tuple[list[str], ndarray]:
    if period is None:
        return ["0"], np.zeros(len(stamps), dtype=np.int64)
    if isinstance(period, str) and period in frame.columns:
        return _cut_by_column(frame[period], stamps, what)
    starts = _starts(period, stamps, what)
    group = np.searchsorted(starts, stamps, side="right") - 1
    used, group = np.unique(group, return_inverse=True)
    return [_stamp_name(starts[i] if i >= 0 else stamps.min()) for i in used], group


def _cut_by_column(
    labels: pd.Series, stamps: pd.DatetimeIndex, what: str
) -> tuple[list[str], ndarray]:
    code, names = _codes(labels, what)
    first = pd.Series(stamps).groupby(code).min().to_numpy()
    order = np.argsort(first, kind="stable")
    return [names[i] for i in order], np.argsort(order)[code]


def _starts(
    period: str | Sequence[object], stamps: pd.DatetimeIndex, what: str
) -> pd.DatetimeIndex:
    if not isinstance(period, str):
        cuts = columns.parse_stamps(pd.Series([str(cut) for cut in period], name="period"), what)
        return cuts.tz_localize(stamps.tz).sort_values() if cuts.tz is None else cuts.sort_values()
    try:
        offset = to_offset(period)
    except ValueError as error:
        raise StreamError(
            f"{what}: period {period!r} is neither a column of the frame nor a pandas offset "
            "such as YS, MS or 90D."
        ) from error
    first = stamps.min()
    start = first if columns.is_fixed(offset) else offset.rollback(first.normalize())
    return pd.date_range(start, stamps.max(), freq=offset)


def _stamp_name(stamp: pd.Timestamp) -> str:
    return stamp.strftime("%Y-%m-%d" if stamp == stamp.normalize() else "%Y-%m-%dT%H%M")


def _edges_by_period(
    edges: pd.DataFrame, period: PeriodRule, names: list[str], what: str
) -> dict[str, pd.DataFrame]:
    if not isinstance(period, str) or period not in edges.columns:
        return dict.fromkeys(names, edges)
    label = edges[period].astype(str)
    unknown = label[~label.isin(names)]
    if len(unknown):
        raise StreamError(
            f"{what}: the edges name period {unknown.iloc[0]!r}, which has no readings. It has: "
            f"{', '.join(names)}."
        )
    return {name: edges[label == name] for name in names}
