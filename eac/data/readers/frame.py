"""Reader of a long frame: one row per node and time stamp, with an edge frame beside it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy import ndarray

from eac.data.core.calendar import Calendar
from eac.data.core.covariates import Covariates
from eac.data.core.graph import Graph
from eac.data.core.hours import OpenHours
from eac.data.core.period import Period
from eac.data.core.stream import GraphStream
from eac.data.parsing import columns, tabular
from eac.data.parsing.clock_changes import on_a_steady_clock, seen_twice
from eac.data.parsing.form import Form
from eac.data.parsing.grid import Grid, find_grid
from eac.data.parsing.hours import hours_of, only_open
from eac.data.parsing.stamps import Stamps, parse_stamps
from eac.data.readers import cutting
from eac.data.readers.cutting import PeriodRule, codes
from eac.data.readers.layout import LONG, long_columns
from eac.data.readers.rows import check_days, check_slots
from eac.data.readers.unfinished import unfinished
from eac.errors import StreamError

EDGE_COLUMNS = ("source", "target", "weight")


class FrameStream(GraphStream):
    """A stream cut out of one long DataFrame ``unique_id, ds, y``.

    A node belongs to a period when it has a row in it; pairs of node and time stamp without a
    row are missing readings. The frame is read once and not changed.

    Args:
        frame: Columns ``unique_id``, ``ds`` (time stamps) and ``y``, or those that ``form`` names.
        edges: Columns ``source``, ``target`` and ``weight``; with the column of ``period``, when
            that is one, each period has its own edges. Edges to nodes absent from a period rest.
            None means that there are no edges.
        period: How to cut: the name of a column of ``frame``, a pandas offset such as ``YS`` or
            ``90D``, or the time stamps at which a new period starts. None makes one period.
        frequency: Time between two steps; found when None.
        nodes: Column ``node_id`` gives the order of the nodes, and ``latitude`` and
            ``longitude`` where they are; in order of appearance when None.
        covariates: Columns of ``frame`` that are known ahead, such as a weather forecast.
        name: Name of the stream.
        form: How the columns are to be understood.
        silent: Whether a node belongs to a period in which all its rows are empty. False for what
            was a wide table, where an empty cell is no row; a node that is never read stays.

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
        form: Form | None = None,
        silent: bool = True,
    ):
        self.name = name
        self.form = _with_frequency(form or Form(), frequency)
        what = f"stream {name!r}"
        given = dict(zip(long_columns(self.form), LONG, strict=True))
        if not set(LONG) <= set(frame.columns):
            frame = frame.rename(columns=given)
        tabular.require_columns(frame, (*LONG, *covariates), what, "the frame")
        edges = pd.DataFrame(columns=list(EDGE_COLUMNS)) if edges is None else edges
        tabular.require_columns(edges, EDGE_COLUMNS, what, "the edge frame")
        if len(frame) == 0:
            raise StreamError(f"{what} is empty: the frame has no row.")
        self._ids, self._node = _factorise(frame["unique_id"], nodes, what)
        self.form.check_nodes(len(self._ids), what)
        self._counted = _counts_steps(frame["ds"], self.form)
        stamps = _stamps_of(frame["ds"], self.form, what, counted=self._counted)
        self._stamps = on_a_steady_clock(seen_twice(stamps, self._node), self.form)
        self._values = columns.without(_values(frame, "y", what), self.form.missing_values)
        self._covariates = tuple(covariates)
        ahead = [_values(frame, name, what) for name in self._covariates]
        self._ahead = np.stack(ahead, axis=-1) if ahead else None
        if self._counted and period is not None and period not in frame.columns:
            raise StreamError(f"{what}: period {period!r} needs time stamps. Name a column.")
        self._names, group = cutting.cut(frame, self._stamps, period, what, self.form)
        self._cut_by = None if isinstance(period, str) and period in frame.columns else period
        self._rows = cutting.rows_of(group, len(self._names))
        if not silent:
            read = ~np.isnan(self._values)
            self._rows = cutting.without_silent(self._rows, self._node, read)
        self._grid = self._find_grid(what)
        if not self._counted:
            check_slots(self._calendar(self._rows[0]), self.form, what)
            check_days(self.form, what)
        self._edges = cutting.edges_by_period(edges, period, self._names, what)
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
        rows, wall = self._rows[index], self._grid.wall
        rows = rows[~np.isnan(self._values[rows])] if self._covariates else rows
        return unfinished(self._cut_by, wall.min(), wall[rows].max(), self._grid.step)

    @cached_property
    def hours(self) -> OpenHours | None:
        """The open hours of the stream, as said or as its first period shows."""
        return hours_of(self._whole(0), self.form)

    def load(self, index: int) -> Period:
        """Lays one period out on its regular grid."""
        period = only_open(self._whole(index), self.hours)
        if index:
            return period
        return replace(period, notes=(*self._stamps.notes, *self._grid.notes, *period.notes))

    def _whole(self, index: int) -> Period:
        """One period with all slots of the day."""
        name, rows = self._names[index], self._rows[index]
        what = f"period {name!r}"
        step = self._grid.positions(rows)
        present = np.unique(self._node[rows])
        column = np.searchsorted(present, self._node[rows])
        shape = int(step.max()) + 1, len(present)
        self.form.check_memory(
            4.0 * shape[0] * shape[1] * (1 + 2 * len(self._covariates)),
            what,
            f"It has {shape[0]:,} steps of {shape[1]:,} sensors. Cut it into periods, or correct "
            "its first and last time stamp.",
        )
        first = self._repeated(rows, step * len(present) + column, what)
        series = np.full(shape, np.nan, dtype=np.float32)
        series[step[first], column[first]] = self._values[rows[first]]
        _average(series, step, column, self._values[rows], self._stamps.again[rows])
        ids = tuple(self._ids[node] for node in present)
        return Period(
            name=name,
            series=torch.from_numpy(series),
            node_ids=ids,
            graph=self._graph(name, ids, what),
            calendar=self._calendar(rows),
            coordinates=columns.coordinates(self._nodes, ids, what),
            covariates=self._known_ahead(rows, step, column, shape),
        )

    def _calendar(self, rows: ndarray) -> Calendar:
        start = self._grid.wall[rows].min()
        if self._counted:
            slots, days = self.form.steps_per_day or 1, self.form.days_per_week
            return Calendar(
                slots,
                days,
                int(start.to_numpy().astype("datetime64[us]").astype(np.int64)) % (slots * days),
            )
        return Calendar.from_timestamps(
            self._stamps.localised(start), self._grid.step, months=self._grid.months
        )

    def _known_ahead(
        self, rows: ndarray, step: ndarray, column: ndarray, shape: tuple[int, ...]
    ) -> Covariates | None:
        if self._ahead is None:
            return None
        values = np.full((*shape, len(self._covariates)), np.nan, dtype=np.float32)
        values[step, column] = self._ahead[rows]
        return Covariates(self._covariates, torch.from_numpy(values))

    def _find_grid(self, what: str) -> Grid:
        if not self._counted:
            return find_grid(self._stamps.wall, self._node, self._rows, self.form, what)
        counted = replace(self.form, frequency="1us")
        return find_grid(self._stamps.wall, self._node, self._rows, counted, what)

    def _repeated(self, rows: ndarray, cell: ndarray, what: str) -> ndarray:
        """The first row of each pair of node and step; others are the same hour, once more."""
        again = self._stamps.again[rows]
        twice = np.flatnonzero(pd.Index(cell * 2 + again).duplicated())
        if len(twice):
            row = rows[twice[0]]
            stamp = self._stamps.wall[row]
            rounded = " (after rounding)" if self._grid.wall[row] != stamp else ""
            count = f"{len(twice):,} rows repeat a pair" if len(twice) > 1 else "1 row repeats one"
            hint = (
                f" {columns.HINT_CLOCK}"
                if _looks_like_change(self._stamps.wall[rows[twice]])
                else ""
            )
            raise StreamError(
                f"{what}: node {self._ids[self._node[row]]!r} has time stamp "
                f"{stamp}{rounded} again in row {row}; {count}. Give each pair of unique_id and ds "
                f"once.{hint}"
            )
        return np.flatnonzero(~pd.Index(cell).duplicated())

    def _graph(self, name: str, ids: tuple[str, ...], what: str) -> Graph:
        edges = self._edges[name]
        inside = edges["source"].isin(ids) & edges["target"].isin(ids)
        return columns.edge_graph(edges[inside], ids, what)


def _with_frequency(form: Form, frequency: str | None) -> Form:
    return form if frequency is None else replace(form, frequency=frequency)


def _looks_like_change(stamps: pd.DatetimeIndex) -> bool:
    """True where all of these lie in the hours of Sundays in which clocks are set back."""
    return bool(((stamps.day_of_week == 6) & (stamps.hour < 4)).all())


def _counts_steps(stamps: pd.Series, form: Form) -> bool:
    """True where the time column holds numbers of steps."""
    return form.steps_per_day is not None and pd.api.types.is_integer_dtype(stamps.dtype)


def _stamps_of(values: pd.Series, form: Form, what: str, *, counted: bool) -> Stamps:
    if not counted:
        return parse_stamps(pd.Index(values, name=values.name), what, form)
    steps = values.to_numpy(dtype=np.int64)
    if steps.min() < 0 or steps.max() > 1 << 53:
        raise StreamError(
            f"{what}: steps are counted from {steps.min()} to {steps.max()}. Count from 0 on."
        )
    wall = pd.DatetimeIndex(steps.astype("datetime64[us]"))
    return Stamps(wall, None, np.zeros(len(wall), dtype=bool))


def _average(
    series: Float[ndarray, "time node"],
    step: ndarray,
    column: ndarray,
    values: Float[ndarray, " row"],
    again: ndarray,
) -> None:
    """The hour that a clock change repeats holds the mean of its two readings."""
    if not again.any():
        return
    at = pd.MultiIndex.from_arrays([step, column])
    twice = at.isin(at[again])
    mean = pd.Series(values[twice]).groupby([step[twice], column[twice]]).mean()
    series[mean.index.get_level_values(0), mean.index.get_level_values(1)] = mean.to_numpy()


def _factorise(
    ids: pd.Series, nodes: pd.DataFrame | None, what: str
) -> tuple[tuple[str, ...], ndarray]:
    code, found = codes(ids, what)
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
