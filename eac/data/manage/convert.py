"""Writing a stream in one of the layouts."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from eac.data.core.calendar import DAY, Calendar, zone_name
from eac.data.core.period import Period
from eac.data.core.pieces import pieces
from eac.data.core.stream import GraphStream
from eac.data.parsing import files
from eac.data.parsing.form import AUTO, Form
from eac.data.parsing.frequency import frequency_text
from eac.data.parsing.hours import with_closed
from eac.data.parsing.tabular import write_text_table
from eac.data.readers.covariate_table import covariate_table
from eac.data.readers.npy import open_series, write_by_node, write_clock, write_series
from eac.data.readers.npz import GRAPH_FOLDER, SERIES_FOLDER
from eac.data.readers.table import TableStream
from eac.errors import StreamError
from eac.files import write_arrays, write_frame, write_text, writing, writing_folder
from eac.typing import StrPath

Layout: TypeAlias = Literal["table", "npy", "npz", "frame"]
Tell: TypeAlias = Callable[[Period], object]
MONDAY = pd.Timestamp("2000-01-03")
WORK_DAYS = 5


def convert(
    stream: GraphStream, destination: StrPath, layout: Layout, tell: Tell = lambda _: None
) -> Path:
    """Writes ``stream`` to the new folder ``destination``, whole or not at all.

    A stream without real time stamps gets some, counted from Monday 2000-01-03, where a layout
    needs them. ``npy`` is a table folder with series that need not fit into memory; ``npz`` keeps
    no coordinates and ``frame`` lists nodes in one order for all periods; neither of these two
    keeps covariates. ``tell`` is given each period as it was read, with its notes.

    Raises:
        StreamError: If ``destination`` exists or the stream does not fit the layout.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.data.readers.open import open_stream
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> with TemporaryDirectory() as folder:
        ...     stream = SyntheticStream(num_nodes=3, num_periods=2, steps_per_period=48)
        ...     print(open_stream(convert(stream, f"{folder}/table", "table")).period_names)
        ['0', '1']
    """
    destination = Path(destination)
    if destination.exists():
        raise StreamError(f"{destination} exists. Give a folder that does not, or remove it.")
    for name in stream.period_names:
        if "/" in name or "\\" in name or name.startswith("."):
            raise StreamError(f"period {name!r} cannot be the name of a file. Rename it.")
    with writing_folder(destination) as folder:
        settings = WRITERS[layout](stream, folder, tell)
        text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
        write_text(folder / files.STREAM_FILE, text)
    return destination


def stamps_of(period: Period) -> pd.DatetimeIndex:
    """The time stamps of a period by its own clock; invented from 2000-01-03 when it has none.

    Example:
        >>> from eac.data.core.graph import Graph
        >>> import torch
        >>> period = Period("0", torch.ones(3, 1), ("a",), Graph.empty(1), Calendar(24))
        >>> stamps_of(period)[-1]  # it has no time stamps of its own
        Timestamp('2000-01-03 02:00:00')
    """
    clock = period.calendar
    if clock.start is not None and clock.step is not None:
        return pd.DatetimeIndex(clock.wall_times(range(period.num_steps)))
    if clock.days_per_week not in (WORK_DAYS, 7):
        raise StreamError(
            f"period {period.name!r}: a week of {clock.days_per_week} days has no time stamps. "
            "Convert to npz."
        )
    slot = clock.start_slot + np.arange(period.num_steps)
    day, slot_of_day = np.divmod(slot, clock.steps_per_day)
    if clock.days_per_week == WORK_DAYS:
        day = day // WORK_DAYS * 7 + day % WORK_DAYS
    return pd.DatetimeIndex(
        MONDAY
        + pd.to_timedelta(day, unit="D")
        + slot_of_day * (pd.Timedelta(DAY) / clock.steps_per_day)
    )


def write_period(period: Period, place: Path) -> None:
    """Writes one period as a folder of a table folder.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> period = SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=48)[0]
        >>> with TemporaryDirectory() as folder:
        ...     write_period(period, Path(folder))
        ...     print(sorted(path.name for path in Path(folder).iterdir()))
        ['edges.csv', 'nodes.csv', 'series.parquet']
    """
    series = period.series.numpy()
    frame = pd.DataFrame(series, index=stamps_of(period), columns=list(period.node_ids))
    write_frame(place / "series.parquet", frame)
    _write_beside(period, place)


def _all_slots(stream: GraphStream, tell: Tell) -> Iterator[Period]:
    """Each period on a clock of all slots, told of first."""
    for period in stream:
        tell(period)
        yield with_closed(period)


def _write_table(stream: GraphStream, folder: Path, tell: Tell) -> dict[str, Any]:
    names, days, clocks = [], set[int](), []
    for period in _all_slots(stream, tell):
        clocks.append(period.calendar)
        names.append(period.name)
        days.add(_days_of(period.calendar))
        write_period(period, folder / period.name)
    if len(days) > 1:
        raise StreamError(f"periods have weeks of {sorted(days)} days. Convert to npz.")
    return settings_of(stream, clocks) | {"days_per_week": days.pop(), "periods": names}


def _write_npy(stream: GraphStream, folder: Path, tell: Tell) -> dict[str, Any]:
    """A table folder whose series can be mapped; one in Parquet is never read whole."""
    names, clocks = list(stream.period_names), []
    for index, name in enumerate(names):
        place = folder / name
        path = place / files.MAPPED_SERIES
        period = stream.load_mapped(index, path) if isinstance(stream, TableStream) else None
        if period is None or not period.mapped:
            period = period or stream.load(index)
            if period.calendar.hours is not None:
                raise StreamError(
                    f"period {name!r} has steps only from {period.calendar.hours.in_words()}, "
                    "which a mapped series does not know. Convert to table, or read all slots "
                    "with --hours all."
                )
            parts = (part.numpy() for _, part in pieces(period.series))
            write_series(path, period.num_steps, period.num_nodes, parts)
        tell(period)
        write_by_node(place / files.BY_NODE_SERIES, open_series(path, f"period {name!r}"))
        clocks.append(period.calendar)
        write_clock(place, period.calendar, f"period {name!r}")
        _write_beside(period, place)
    return _about(stream) | _zone(clocks) | {"periods": names}


def _write_beside(period: Period, place: Path) -> None:
    """What lies beside the series of a table folder."""
    if period.covariates is not None:
        ahead = covariate_table(period.covariates, period.node_ids)
        write_frame(place / "covariates.parquet", ahead.set_index(stamps_of(period)))
    write_text_table(place / "nodes.csv", _nodes(period))
    write_text_table(place / "edges.csv", _edges(period))


def _write_npz(stream: GraphStream, folder: Path, tell: Tell) -> dict[str, Any]:
    entries, clocks, calendars = [], set[tuple[int, int, str | None]](), []
    for period in _all_slots(stream, tell):
        clock = period.calendar
        calendars.append(clock)
        if clock.months:
            raise StreamError(f"period {period.name!r} has steps of months. Convert to table.")
        entry: dict[str, Any] = {"name": period.name, "node_ids": list(period.node_ids)}
        if clock.start is None:
            entry["start_slot"] = clock.start_slot
        else:
            entry["start"] = str(clock.start.replace(tzinfo=None))
        entries.append(entry)
        step = None if clock.step is None else frequency_text(clock.step)
        clocks.add((clock.steps_per_day, _days_of(clock), step))
        write_arrays(folder / SERIES_FOLDER / f"{period.name}.npz", x=period.series.numpy())
        dense = period.graph.to_dense().numpy()
        write_arrays(folder / GRAPH_FOLDER / f"{period.name}_adj.npz", x=dense)
    if len(clocks) > 1:
        raise StreamError("periods have different time steps or weeks. Convert to table.")
    steps, days, step = clocks.pop()
    clock_keys = {"days_per_week": days} | ({"frequency": step} if step else {})
    about = _about(stream) | _said(stream, calendars, frequency=False)
    return about | {"steps_per_day": steps} | clock_keys | {"periods": entries}


def _write_frame(stream: GraphStream, folder: Path, tell: Tell) -> dict[str, Any]:
    edges, nodes, clocks = [], [], []
    writer: pq.ParquetWriter | None = None
    with writing(folder / "series.parquet") as temporary:
        for period in _all_slots(stream, tell):
            clocks.append(period.calendar)
            frame = long_frame(period)
            frame.insert(0, "period", period.name)
            rows = pa.Table.from_pandas(frame, preserve_index=False)
            writer = writer or pq.ParquetWriter(temporary, rows.schema)
            writer.write_table(rows.cast(writer.schema))
            edges.append(_edges(period).assign(period=period.name))
            nodes.append(_nodes(period))
        if writer is not None:
            writer.close()
    write_text_table(folder / "edges.csv", pd.concat(edges))
    everyone = pd.concat(nodes).drop_duplicates("node_id")
    write_text_table(folder / "nodes.csv", everyone)
    return _about(stream) | _said(stream, clocks) | {"period": "period"}


def long_frame(period: Period) -> pd.DataFrame:
    """The readings of a period as ``unique_id, ds, y``, node after node; NaN where missing.

    Example:
        >>> from eac.data.core.graph import Graph
        >>> import torch
        >>> period = Period("0", torch.ones(2, 1), ("a",), Graph.empty(1), Calendar(24))
        >>> long_frame(period)["y"].tolist()
        [1.0, 1.0]
    """
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.array(period.node_ids, dtype=object), period.num_steps),
            "ds": np.tile(stamps_of(period).as_unit("us"), period.num_nodes),
            "y": period.series.T.reshape(-1).numpy(),
        }
    )


def _nodes(period: Period) -> pd.DataFrame:
    nodes = pd.DataFrame({"node_id": list(period.node_ids)})
    if period.coordinates is None:
        return nodes
    where = period.coordinates.numpy()
    return nodes.assign(latitude=where[:, 0], longitude=where[:, 1])


def _edges(period: Period) -> pd.DataFrame:
    ids = np.array(period.node_ids, dtype=object)
    source, target = period.graph.edge_index.numpy()
    weight = period.graph.edge_weight.numpy()
    return pd.DataFrame({"source": ids[source], "target": ids[target], "weight": weight})


def settings_of(stream: GraphStream, clocks: Sequence[Calendar]) -> dict[str, Any]:
    """What ``stream.yaml`` says of a stream beside its periods.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> stream = SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=48)
        >>> settings_of(stream, [stream[0].calendar])["name"]
        'synthetic'
    """
    return _about(stream) | _said(stream, clocks)


def _said(
    stream: GraphStream, clocks: Sequence[Calendar], *, frequency: bool = True
) -> dict[str, Any]:
    """What readers must be told of the clock, so that they find the same one."""
    steps = {None if c.step is None else frequency_text(c.step, c.months) for c in clocks}
    step = steps.pop() if len(steps) == 1 and frequency else None
    form = getattr(stream, "form", Form())
    hours = {} if form.hours == AUTO else {"hours": form.hours}
    return ({"frequency": step} if step else {}) | hours | _zone(clocks)


def _days_of(clock: Calendar) -> int:
    """Days of a week as readers are told them; with time stamps, these say it."""
    return clock.days_per_week if clock.step is None else 7


def _zone(clocks: Sequence[Calendar]) -> dict[str, Any]:
    """The time zone of the time stamps, which are written as a clock on the wall shows them."""
    zones = {zone_name(clock.start) for clock in clocks if clock.start is not None} - {None}
    if len(zones) > 1:
        raise StreamError(f"periods are in the time zones {sorted(map(str, zones))}. Name one.")
    return {"time_zone": zones.pop()} if zones else {}


def _about(stream: GraphStream) -> dict[str, Any]:
    about = {"name": stream.name, "target": stream.target}
    about |= {"unit": stream.unit, "source": stream.source}
    return {key: value for key, value in about.items() if value}


WRITERS: dict[Layout, Callable[[GraphStream, Path, Tell], dict[str, Any]]] = {
    "table": _write_table,
    "npy": _write_npy,
    "npz": _write_npz,
    "frame": _write_frame,
}
