"""Reader of the published layout: one array of readings and one dense adjacency per period."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import GraphStream
from eac.data.parsing import files
from eac.data.parsing.form import Form
from eac.data.parsing.hours import hours_of, only_open
from eac.data.readers.npz_arrays import num_steps, read_array
from eac.errors import StreamError
from eac.typing import StrPath

SERIES_FOLDER = "RawData"
GRAPH_FOLDER = "graph"
KNOWN_KEYS = (
    "name",
    "target",
    "unit",
    "source",
    "periods",
    "steps_per_day",
    "days_per_week",
    "first_steps",
    "start",
    "frequency",
    "node_ids",
    "hours",
    "missing_values",
    "time_zone",
    "memory_gib",
    "max_nodes",
)
KNOWN_PERIOD_KEYS = ("name", "start_slot", "start", "node_ids")


class NpzStream(GraphStream):
    """A folder with ``RawData/<k>.npz`` and ``graph/<k>_adj.npz`` for each period ``k``.

    Key ``x`` of the first holds readings ``[time node]`` (or ``[time node 1]``) and of the second
    the adjacency ``[node node]``, where ``A[i, j]`` is the weight with which node i listens to
    node j. Nodes are only ever appended, so a node's id is its column number as text.

    An optional ``stream.yaml`` gives ``name``, ``unit``, ``source``, ``steps_per_day`` (288 when
    absent: the five-minute steps of PEMS), ``days_per_week``, ``first_steps`` (how many steps of
    each period to use, all when absent), ``node_ids`` and ``periods``, whose
    entries hold ``name`` (the ``k`` above) and ``start_slot`` (the slot of the first step, counted
    from slot 0 of the first day of a week), or ``start`` (a time stamp) where ``frequency`` is
    given. A period that says neither counts on from the end of the period before it.

    Raises:
        StreamError: If a file is missing or anything in it does not fit.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.data.manage.convert import convert
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> with TemporaryDirectory() as folder:
        ...     stream = SyntheticStream(num_nodes=3, num_periods=2, steps_per_period=48)
        ...     print(NpzStream(convert(stream, f"{folder}/npz", "npz")).period_names)
        ['0', '1']
    """

    def __init__(self, path: StrPath, form: Form | None = None):
        self.path = Path(path)
        self._said = form or Form()
        if not (self.path / SERIES_FOLDER).is_dir():
            raise StreamError(
                f"{self.path} has no folder {SERIES_FOLDER}. Give a folder with "
                f"{SERIES_FOLDER}/<k>.npz and {GRAPH_FOLDER}/<k>_adj.npz."
            )
        settings = self._settings()
        self.name = str(settings.get("name") or self.path.resolve().name)
        self.target = str(settings.get("target") or "")
        self.unit = str(settings.get("unit") or "")
        self.source = str(settings.get("source") or "")
        if not self.period_names:
            raise StreamError(f"{self.path / SERIES_FOLDER} is empty. Add <k>.npz files.")

    @property
    def period_names(self) -> Sequence[str]:
        """Names of the periods, in order of time, looked up now."""
        listed = list(self._entries())
        for name in listed:
            if not self._series_file(name).is_file():
                raise StreamError(
                    f"period {name!r} is listed in {self._yaml}, but the file "
                    f"{self._series_file(name)} is missing. Add it or remove the name."
                )
        found = {file.stem for file in (self.path / SERIES_FOLDER).glob("*.npz")}
        return listed + sorted(found - set(listed), key=files.natural_key)

    def load(self, index: int) -> Period:
        """Reads and validates one period."""
        period, form = self._whole(index), self.form
        if "frequency" not in self._settings():
            return period
        first = period if index == 0 else self._whole(0)
        return only_open(period, hours_of(first, replace(form, steps_per_day=None)))

    @property
    def form(self) -> Form:
        """How the readings are to be understood."""
        return Form.of_settings(self._yaml, self._settings()).with_said(self._said)

    def _whole(self, index: int) -> Period:
        """One period with all its slots."""
        name = self.period_names[index]
        series = self._read_series(name)
        return Period(
            name=name,
            series=torch.from_numpy(series),
            node_ids=self._node_ids(name, series.shape[1]),
            graph=self._read_graph(name, series.shape),
            calendar=self._calendar(index),
        )

    @property
    def _yaml(self) -> Path:
        return self.path / files.STREAM_FILE

    def _settings(self) -> dict[str, Any]:
        return files.read_settings(self._yaml, KNOWN_KEYS)

    def _series_file(self, name: str) -> Path:
        return self.path / SERIES_FOLDER / f"{name}.npz"

    def _entries(self) -> dict[str, dict[str, Any]]:
        entries = []
        for entry in files.list_of(self._yaml, self._settings(), "periods"):
            mapping = entry if isinstance(entry, dict) else {"name": entry}
            files.check_keys(self._yaml, mapping, KNOWN_PERIOD_KEYS)
            if "name" not in mapping:
                raise StreamError(f"{self._yaml}: period entry {entry!r} has no name. Add one.")
            entries.append((str(mapping["name"]), mapping))
        files.check_unique_names(self._yaml, [name for name, _ in entries])
        return dict(entries)

    def _read_series(self, name: str) -> Float[ndarray, "time node"]:
        what = f"period {name!r}"
        array = read_array(self._series_file(name), what, self.form)
        if array.ndim == 3 and array.shape[2] == 1:
            array = array[:, :, 0]
        if array.ndim != 2:
            raise StreamError(
                f"{what}: x has shape {array.shape}. Give [time node], or [time node 1]."
            )
        self.form.check_nodes(array.shape[1], what)
        with np.errstate(over="ignore"):
            series = np.ascontiguousarray(array[: self._first_steps], dtype=np.float32)
        missing = self.form.missing_values
        if missing:
            stand_ins = np.array(missing, dtype=np.float32)
            series = np.where(np.isin(series, stand_ins), np.float32(np.nan), series)
        return series

    @property
    def _first_steps(self) -> int | None:
        steps = self._settings().get("first_steps")
        if steps is not None and (not isinstance(steps, int) or steps < 1):
            raise StreamError(
                f"{self._yaml}: first_steps is {steps!r}. Give a positive whole number, or leave "
                "it out to use all."
            )
        return steps

    def _read_graph(self, name: str, series_shape: tuple[int, ...]) -> Graph:
        what = f"period {name!r}"
        path = self.path / GRAPH_FOLDER / f"{name}_adj.npz"
        matrix = read_array(path, what, self.form)
        steps, nodes = series_shape
        if matrix.shape != (nodes, nodes):
            swapped = " The series looks transposed: give [time node]." * (
                matrix.shape == (steps, steps)
            )
            raise StreamError(
                f"{what}: the series has {nodes} nodes, but {path} has shape {matrix.shape}. "
                f"Give one row and one column per node.{swapped}"
            )
        return Graph.from_dense(torch.from_numpy(matrix.astype(np.float32)))

    def _node_ids(self, name: str, count: int) -> tuple[str, ...]:
        own = files.list_of(self._yaml, self._entries().get(name, {}), "node_ids")
        ids = own or files.list_of(self._yaml, self._settings(), "node_ids")
        if not ids:
            return tuple(str(column) for column in range(count))
        if len(ids) < count or (own and len(own) != count):
            raise StreamError(
                f"period {name!r}: {count} nodes, but {self._yaml} gives {len(ids)} node_ids. "
                "Give one per column, in order."
            )
        return tuple(str(node) for node in ids[:count])

    def _calendar(self, index: int) -> Calendar:
        settings = self._settings()
        days = files.whole_number(self._yaml, settings, "days_per_week", 7)
        if "frequency" in settings:
            from eac.data.parsing import columns
            from eac.data.parsing.frequency import parse_frequency
            from eac.data.readers.rows import check_slots

            step = parse_frequency(settings["frequency"], str(self._yaml))
            if isinstance(step, int):
                raise StreamError(
                    f"{self._yaml}: steps of months are for tables; npz has none of them."
                )
            calendar = columns.calendar_of(self._start(index, step), step, days)
            check_slots(calendar, self.form, str(self._yaml))
            return calendar
        self._check_no_start(index)
        slots = files.whole_number(self._yaml, settings, "steps_per_day", 288)
        return Calendar(slots, days, self._start_slot(index))

    def _check_no_start(self, index: int) -> None:
        """Refuses a time stamp that says nothing, as nothing says how far steps are apart."""
        entry = self._entries().get(self.period_names[index], {})
        for said in (self._settings(), entry):
            if said.get("start") is not None:
                raise StreamError(
                    f"{self._yaml} gives start {str(said['start'])!r} but no frequency. Give "
                    "frequency, such as 5min, or leave start out."
                )

    def _start_slot(self, index: int) -> int:
        names, entries, steps = self.period_names, self._entries(), 0
        for position in range(index, -1, -1):
            entry = entries.get(names[position], {})
            if "start_slot" in entry:
                return files.whole_number(self._yaml, entry, "start_slot", 0) + steps
            if position:
                steps += num_steps(self._series_file(names[position - 1]))
        return steps

    def _start(self, index: int, step: timedelta) -> datetime:
        names, entries, steps = self.period_names, self._entries(), 0
        for position in range(index, -1, -1):
            start = entries.get(names[position], {}).get("start")
            if position == 0 and start is None:
                start = self._settings().get("start")
            if start is not None:
                return self._stamp(start) + steps * step
            if position:
                steps += num_steps(self._series_file(names[position - 1]))
        raise StreamError(
            f"{self._yaml} gives a frequency but no start. Give start, for the stream or "
            "for each period."
        )

    def _stamp(self, value: object) -> datetime:
        from pandas import Index

        from eac.data.parsing.stamps import parse_stamps

        try:
            stamps = parse_stamps(Index([str(value)], name="start"), str(self._yaml), self.form)
        except StreamError as error:
            raise StreamError(
                f"{self._yaml}: start {value!r} is not a time stamp. Give one such as "
                "2024-01-31 13:00."
            ) from error
        return stamps.localised(stamps.wall[0])
