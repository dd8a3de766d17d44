"""Reader of a table folder: per period a wide series, a list of nodes and a list of edges."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import torch

from eac.data.core.calendar import Calendar
from eac.data.core.period import Period
from eac.data.core.pieces import pieces
from eac.data.core.stream import GraphStream
from eac.data.readers import columns, files, tabular
from eac.data.readers.covariate_table import read_covariates
from eac.data.readers.npy import (
    open_series,
    parquet_clock,
    parquet_parts,
    read_stamps,
    write_series,
)
from eac.errors import StreamError
from eac.typing import NodeSeries, StrPath

Reader: TypeAlias = Callable[[Path, tuple[str, ...], str], tuple[NodeSeries, pd.DatetimeIndex]]

KNOWN_KEYS = (
    "name",
    "frequency",
    "unit",
    "source",
    "periods",
    "steps_per_day",
    "days_per_week",
)
EDGES = (
    "Add it, with columns source, target, weight (the header alone means no edges), or make it "
    "from the coordinates in nodes.csv: eac data connect PATH"
)


class TableStream(GraphStream):
    """A folder with one sub-folder per period.

    ``stream.yaml`` holds ``name``, ``frequency``, ``unit``, ``source``, ``periods`` and
    ``days_per_week``, all optional. A period folder holds ``series.parquet`` (or ``series.csv``:
    first column time stamps, then one column per node), ``nodes.csv`` (``node_id`` and, when
    known, ``latitude``, ``longitude``) and ``edges.csv`` (``source``, ``target``, ``weight``);
    and, when wanted, ``covariates.parquet`` (see ``read_covariates``). A series that does not fit
    into memory is ``series.npy``, float32 ``[time node]`` in the order of ``nodes.csv``, with
    ``start`` and ``frequency`` in ``clock.yaml``.
    Nodes are listed in the order of ``nodes.csv``; columns are matched to them by id.

    Periods come in the order of ``periods``; folders it does not name but which hold a series
    follow in natural order (2 before 10). The folder is looked at afresh whenever the names are
    asked for, so a period may be added while a run is going on.

    Raises:
        StreamError: If a file is missing or anything in it does not fit; the message names
            period, node and row.
    """

    def __init__(self, path: StrPath):
        self.path = Path(path)
        if not self.path.is_dir():
            raise StreamError(f"{self.path} is not a folder. Give the folder of a stream.")
        settings = self._settings()
        self.name = str(settings.get("name") or self.path.resolve().name)
        self.unit = str(settings.get("unit") or "")
        self.source = str(settings.get("source") or "")
        if not self.period_names:
            raise StreamError(
                f"stream {self.name!r}: {self.path} has no period. Add a folder with "
                "series.parquet (or series.csv), nodes.csv and edges.csv."
            )

    @property
    def period_names(self) -> Sequence[str]:
        """Names of the period folders, in order of time, looked up now."""
        listed = [str(name) for name in files.list_of(self._yaml, self._settings(), "periods")]
        files.check_unique_names(self._yaml, listed)
        for name in listed:
            if not (self.path / name).is_dir():
                raise StreamError(
                    f"period {name!r} is listed in {self._yaml}, but there is no folder "
                    f"{self.path / name}. Add the folder or remove the name."
                )
        found = [
            entry.name
            for entry in self.path.iterdir()
            if not entry.name.startswith((".", "_")) and files.find_series(entry)
        ]
        return listed + sorted(set(found) - set(listed), key=files.natural_key)

    def load(self, index: int) -> Period:
        """Reads and validates one period; a series in ``series.npy`` is mapped into memory."""
        mapped = (self.path / self.period_names[index] / files.MAPPED_SERIES).is_file()
        return self._load(index, _map if mapped else _read, mapped=mapped)

    def load_mapped(self, index: int, path: Path) -> Period:
        """The same, its series written to ``path`` a few rows at a time, and mapped from there."""
        return self._load(index, partial(_write, path), mapped=True)

    def _load(self, index: int, read: Reader, *, mapped: bool) -> Period:
        name = self.period_names[index]
        what, folder = f"period {name!r}", self.path / name
        nodes = tabular.read_nodes(folder / "nodes.csv", what)
        node_ids = tuple(nodes["node_id"])
        series, stamps = read(folder, node_ids, what)
        ahead = files.find_table(folder, "covariates")
        edges = tabular.read_text(files.require_file(folder / "edges.csv", what, EDGES), what)
        tabular.require_columns(edges, ("source", "target", "weight"), what, folder / "edges.csv")
        return Period(
            name=name,
            series=series,
            node_ids=node_ids,
            graph=columns.edge_graph(edges, node_ids, what),
            calendar=self._calendar(stamps, what),
            coordinates=columns.coordinates(nodes, node_ids, what),
            covariates=ahead and read_covariates(ahead, stamps, node_ids, what),
            mapped=mapped,
        )

    @property
    def _yaml(self) -> Path:
        return self.path / files.STREAM_FILE

    def _settings(self) -> dict[str, Any]:
        return files.read_settings(self._yaml, KNOWN_KEYS)

    def _calendar(self, stamps: pd.DatetimeIndex, what: str) -> Calendar:
        settings = self._settings()
        declared = settings.get("frequency")
        step = None if declared is None else columns.parse_frequency(declared, str(self._yaml))
        days = files.whole_number(self._yaml, settings, "days_per_week", 7)
        step = columns.regular_step(stamps, step, what, days_per_week=days)
        calendar = columns.calendar_of(stamps[0], step, days)
        wanted = files.whole_number(self._yaml, settings, "steps_per_day", calendar.steps_per_day)
        if wanted != calendar.steps_per_day:
            raise StreamError(
                f"{what}: {self._yaml} says steps_per_day: {wanted}, but rows are {step} apart, "
                f"which makes {calendar.steps_per_day}. Correct one of them."
            )
        return calendar


def _read(
    folder: Path, node_ids: tuple[str, ...], what: str
) -> tuple[NodeSeries, pd.DatetimeIndex]:
    """The series of a period in memory, and its time stamps."""
    path = files.find_table(folder, "series") or folder / "series.parquet"
    frame = columns.by_time(tabular.read_table(path, what), path, what)
    frame = _match_columns(_not_empty(frame, path, what), node_ids, what)
    return torch.from_numpy(columns.readings(frame, what)), pd.DatetimeIndex(frame.index)


def _map(folder: Path, node_ids: tuple[str, ...], what: str) -> tuple[NodeSeries, pd.DatetimeIndex]:
    """A mapped series, one column per row of ``nodes.csv``; the clock lies beside it."""
    series = open_series(folder / files.MAPPED_SERIES, what)
    return series, read_stamps(folder, len(series), what)


def _write(
    path: Path, folder: Path, node_ids: tuple[str, ...], what: str
) -> tuple[NodeSeries, pd.DatetimeIndex]:
    """A series on its way to a file that is mapped from then on; Parquet is never read whole."""
    source = files.find_series(folder)
    if source is None or source.suffix != ".parquet":
        series, stamps = (_map if source and source.suffix == ".npy" else _read)(
            folder, node_ids, what
        )
        parts = (part.numpy() for _, part in pieces(series))
    else:
        clock, names = parquet_clock(source, what)
        frame = pd.DataFrame(columns=pd.Index(names), index=clock)
        _match_columns(_not_empty(frame, source, what), node_ids, what)
        stamps, parts = clock, parquet_parts(source, node_ids, what)
    write_series(path, len(stamps), len(node_ids), parts)
    return open_series(path, what), stamps


def _not_empty(frame: pd.DataFrame, path: Path, what: str) -> pd.DataFrame:
    if len(frame) == 0 or frame.shape[1] == 0:
        raise StreamError(
            f"{what} is empty: {path} has {len(frame)} rows of {frame.shape[1]} nodes. "
            "Fill it or remove the period."
        )
    return frame


def _match_columns(frame: pd.DataFrame, node_ids: tuple[str, ...], what: str) -> pd.DataFrame:
    if tuple(frame.columns) == node_ids:
        return frame
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise StreamError(f"{what}: the series has column {twice[0]!r} twice. Give it once.")
    unlisted = [column for column in frame.columns if column not in set(node_ids)]
    if unlisted:
        raise StreamError(
            f"{what}: {len(unlisted)} columns of the series are not in nodes.csv, first "
            f"{unlisted[0]!r}. List the node or remove the column."
        )
    silent = [node for node in node_ids if node not in frame.columns]
    if silent:
        raise StreamError(
            f"{what}: {len(silent)} nodes of nodes.csv have no column in the series, first "
            f"{silent[0]!r}. Add the column (empty when there are no readings) or drop the node."
        )
    return frame[list(node_ids)]
