"""Reader of a table folder: per period a wide series, a list of nodes and a list of edges."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy import ndarray

from eac.data.core.blocks import hand_back
from eac.data.core.calendar import in_words
from eac.data.core.graph import Graph
from eac.data.core.hours import OpenHours
from eac.data.core.period import Period
from eac.data.core.pieces import pieces
from eac.data.core.stream import GraphStream
from eac.data.parsing import columns, files, tabular
from eac.data.parsing.form import ALL, AUTO, FORM_KEYS, Form
from eac.data.parsing.hours import hours_of, only_open
from eac.data.parsing.stamps import Stamps
from eac.data.readers.covariate_table import read_covariates
from eac.data.readers.npy import (
    open_by_node,
    open_series,
    parquet_clock,
    parquet_parts,
    read_stamps,
    write_series,
)
from eac.data.readers.rows import lay_rows
from eac.errors import StreamError
from eac.typing import NodeSeries, StrPath

Reader: TypeAlias = Callable[[Path, tuple[str, ...], str, Form], tuple[NodeSeries, Stamps]]
Steps: TypeAlias = ndarray

_OF_LONG_TABLES = ("id_col", "target_col")
KNOWN_KEYS = (
    *("name", "target", "unit", "source", "periods"),
    *(key for key in FORM_KEYS if key not in _OF_LONG_TABLES),
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

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.data.manage.convert import convert
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> with TemporaryDirectory() as folder:
        ...     stream = SyntheticStream(num_nodes=3, num_periods=2, steps_per_period=48)
        ...     print(TableStream(convert(stream, f"{folder}/table", "table"))[1].series.shape)
        torch.Size([48, 3])
    """

    def __init__(self, path: StrPath, form: Form | None = None):
        self.path = Path(path)
        self._said = form or Form()
        self._hours: dict[str, OpenHours | None] = {}
        if not self.path.is_dir():
            raise StreamError(f"{self.path} is not a folder. Give the folder of a stream.")
        settings = self._settings()
        self.name = str(settings.get("name") or self.path.resolve().name)
        self.target = str(settings.get("target") or "")
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

    @property
    def form(self) -> Form:
        """How the tables are to be understood."""
        return Form.of_settings(self._yaml, self._settings()).with_said(self._said)

    def _load(self, index: int, read: Reader, *, mapped: bool) -> Period:
        form = self.form
        period, holes = self._whole(index, read, form, mapped=mapped)
        hours = None if mapped else self._hours_of(period if index == 0 else None, form)
        if mapped and form.hours not in (AUTO, ALL):
            hours = hours_of(period, form)
        if len(holes):
            _check_holes(period, holes, hours)
        return only_open(period, hours)

    def _hours_of(self, first: Period | None, form: Form) -> OpenHours | None:
        """The open hours of the stream, as said or as its first period shows."""
        name = self.period_names[0]
        series = files.find_series(self.path / name)
        key = f"{series}{series.stat().st_mtime_ns if series else ''}{form}"
        if key not in self._hours:
            if first is None:
                mapped = series is not None and series.name == files.MAPPED_SERIES
                first, _ = self._whole(0, _map if mapped else _read, form, mapped=mapped)
            self._hours = {key: hours_of(first, form)}
        return self._hours[key]

    def _whole(self, index: int, read: Reader, form: Form, *, mapped: bool) -> tuple[Period, Steps]:
        """One period with all slots of the day, and the steps that its table does not list."""
        name = self.period_names[index]
        what, folder = f"period {name!r}", self.path / name
        nodes = tabular.read_nodes(folder / "nodes.csv", what)
        node_ids = tuple(nodes["node_id"])
        series, stamps = read(folder, node_ids, what, form)
        ahead = files.find_table(folder, "covariates")
        known = ahead and read_covariates(ahead, stamps.wall, node_ids, what, form)
        graph = _graph(folder, node_ids, what, form)
        rows = lay_rows(stamps, form, self._yaml, what)
        laid, covariates = rows.lay(series, form, what), known and rows.lay_covariates(known)
        period = Period(
            name=name,
            series=laid,
            node_ids=node_ids,
            graph=graph,
            calendar=rows.calendar,
            coordinates=columns.coordinates(nodes, node_ids, what),
            covariates=covariates,
            mapped=mapped and laid is series,
            by_node=open_by_node(folder, series, what) if mapped and laid is series else None,
            notes=(*stamps.notes, *rows.notes),
        )
        return period, rows.holes

    @property
    def _yaml(self) -> Path:
        return self.path / files.STREAM_FILE

    def _settings(self) -> dict[str, Any]:
        return files.read_settings(self._yaml, KNOWN_KEYS)


def _graph(folder: Path, node_ids: tuple[str, ...], what: str, form: Form) -> Graph:
    """The edges; what their table takes is free before the readings are looked at."""
    file = files.require_file(folder / "edges.csv", what, EDGES)
    edges = tabular.read_text(file, what, form)
    tabular.require_columns(edges, ("source", "target", "weight"), what, file)
    graph = columns.edge_graph(edges, node_ids, what)
    del edges
    hand_back()
    return graph


def _check_holes(period: Period, holes: Steps, hours: OpenHours | None) -> None:
    """Refuses rows that are left out at a time when something is read."""
    clock = period.calendar
    times = clock.wall_times(range(period.num_steps))[holes]
    zone = None if clock.start is None else clock.start.tzinfo
    stamps = pd.DatetimeIndex(times)
    if zone is not None:
        local = stamps.tz_localize(zone, ambiguous=True, nonexistent="NaT")
        there = ~np.asarray(local.isna())
        stamps, holes = stamps[there], holes[there]
    if hours is not None:
        step = clock.step or columns.ONE_DAY
        slots = (stamps - stamps.normalize()) // pd.Timedelta(step)
        inside = np.isin(slots, hours.slots) & np.isin(stamps.day_of_week, hours.days)
        pairs = zip(stamps.day_of_week.tolist(), slots.tolist(), strict=True)
        inside &= np.array([pair not in hours.never for pair in pairs], dtype=bool)
        stamps, holes = stamps[inside], holes[inside]
    if len(holes):
        begin, end = int(holes[0]), int(holes[0])
        while end + 1 in set(holes.tolist()):
            end += 1
        step = clock.step or columns.ONE_DAY
        more = f" ({len(holes):,} rows are missing in all)" if len(holes) > 1 else ""
        raise StreamError(
            f"period {period.name!r}: {clock.time_of(begin - 1)} and {clock.time_of(end + 1)} in "
            f"two rows that follow each other are {in_words((end - begin + 2) * step)} apart, but "
            f"the usual step is {in_words(step)}{more}. Insert the missing rows with empty cells, "
            "or give a long table."
        )


def _read(
    folder: Path, node_ids: tuple[str, ...], what: str, form: Form
) -> tuple[NodeSeries, Stamps]:
    """The series of a period in memory, and its time stamps."""
    path = files.find_table(folder, "series") or folder / "series.parquet"
    frame, stamps = columns.by_time(columns.read_readings(path, what, form), path, what, form)
    frame = _match_columns(_not_empty(frame, path, what), node_ids, what)
    values = columns.without(columns.readings(frame, what), form.missing_values)
    return torch.from_numpy(values), stamps


def _map(
    folder: Path, node_ids: tuple[str, ...], what: str, form: Form
) -> tuple[NodeSeries, Stamps]:
    """A mapped series, one column per row of ``nodes.csv``; the clock lies beside it."""
    if form.missing_values:
        raise StreamError(
            f"{what} is mapped from {files.MAPPED_SERIES}, which is read as it is. Write NaN in "
            "place of missing_values, or give it as series.parquet."
        )
    series = open_series(folder / files.MAPPED_SERIES, what)
    return series, read_stamps(folder, len(series), what, form)


def _write(
    path: Path, folder: Path, node_ids: tuple[str, ...], what: str, form: Form
) -> tuple[NodeSeries, Stamps]:
    """A series on its way to a file that is mapped from then on; Parquet is never read whole."""
    source = files.find_series(folder)
    said = form.missing_values or form.decimal
    if source is None or source.suffix != ".parquet" or source.is_dir() or said:
        series, stamps = (_map if source and source.suffix == ".npy" else _read)(
            folder, node_ids, what, form
        )
        parts = (part.numpy() for _, part in pieces(series))
    else:
        stamps, names = parquet_clock(source, what, form)
        frame = pd.DataFrame(columns=pd.Index(names), index=stamps.wall)
        _match_columns(_not_empty(frame, source, what), node_ids, what)
        parts = parquet_parts(source, node_ids, what)
    write_series(path, len(stamps.wall), len(node_ids), parts)
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
