"""Series in ``.npy`` files, which need not fit into memory, and how they get there."""

import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
import yaml
from numpy import ndarray

from eac.data.core.blocks import drop_pages
from eac.data.core.calendar import Calendar, in_words
from eac.data.core.pieces import ELEMENTS, step_pieces
from eac.data.parsing import columns, files
from eac.data.parsing.form import Form
from eac.data.parsing.frequency import frequency_text, parse_frequency
from eac.data.parsing.stamps import Stamps, parse_stamps
from eac.errors import StreamError
from eac.files import write_text, writing
from eac.temporary import reserve
from eac.typing import NodeSeries

CLOCK_FILE = "clock.yaml"
CLOCK_ADVICE = "Give there, for instance, start: 2024-01-01 00:00 and frequency: 5min."
MAPPED = "a mapped series"
PAGE = 1 << 12
TURNED_AT_ONCE = 1 << 23
"""Readings held while a series is laid out node after node (32 MiB)."""
CELLS = 1000
"""Readings by which two files of one series are compared."""
CELLS_AT_ONCE = 125
"""Of these at once; the system may map 64 KiB and more around each."""


def open_series(path: Path, what: str) -> NodeSeries:
    """A ``.npy`` file of float32 ``[time node]``, mapped; it must not be written to.

    Raises:
        StreamError: If it is not such a file.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "series.npy"
        ...     write_series(path, 3, 2, [np.ones((3, 2))])
        ...     print(open_series(path, "period '0'").shape)
        torch.Size([3, 2])
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise StreamError(f"{what}: {path} cannot be read as .npy: {error}") from error
    if array.ndim != 2 or array.dtype != np.dtype("<f4") or not array.flags.c_contiguous:
        raise StreamError(
            f"{what}: {path} holds {array.dtype} of shape {array.shape}. Give float32 [time node], "
            "one row after the other."
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def write_series(path: Path, num_steps: int, num_nodes: int, parts: Iterable[ndarray]) -> None:
    """Writes consecutive steps of a series to a ``.npy`` file, one part after the other.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "series.npy"
        ...     write_series(path, 3, 2, [np.zeros((2, 2)), np.ones((1, 2))])
        ...     print(np.load(path).tolist())
        [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
    """
    header = {"descr": "<f4", "fortran_order": False, "shape": (num_steps, num_nodes)}
    with writing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype="<f4").data)


def write_by_node(path: Path, series: NodeSeries) -> None:
    """Writes a series node after node, reading a few steps at a time.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "by-node.npy"
        ...     write_by_node(path, torch.arange(6.0).reshape(3, 2))
        ...     print(np.load(path).tolist())
        [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]
    """
    steps, nodes = series.shape
    header = io.BytesIO()
    described = {"descr": "<f4", "fortran_order": False, "shape": (nodes, steps)}
    np.lib.format.write_array_header_1_0(header, described)
    begin = header.tell()
    with writing(path) as temporary, temporary.open("r+b") as file:
        file.write(header.getvalue())
        file.flush()
        reserve(file.fileno(), begin + 4 * steps * nodes)
        laid = np.memmap(file, np.float32, "r+", offset=begin, shape=(nodes, steps))
        for some in step_pieces(steps, nodes, TURNED_AT_ONCE):
            laid[:, some.start : some.stop] = series[some.start : some.stop].numpy().T
        laid.flush()


def open_by_node(folder: Path, series: NodeSeries, what: str) -> NodeSeries | None:
    """The mapped series of a folder from its second file; None where that is missing or older.

    Raises:
        StreamError: If the file holds other readings.

    Example:
        >>> open_by_node(Path("a folder without it"), torch.zeros(3, 2), "period '0'") is None
        True
    """
    path, first = folder / files.BY_NODE_SERIES, folder / files.MAPPED_SERIES
    if not path.is_file() or path.stat().st_mtime_ns < first.stat().st_mtime_ns:
        return None
    turned = open_series(path, what).T
    if turned.shape != series.shape or not _alike(turned, series):
        raise StreamError(
            f"{what}: {path} does not hold the readings of {files.MAPPED_SERIES}. Remove it; it is "
            "only there to be read faster."
        )
    return turned


def _alike(one: NodeSeries, other: NodeSeries) -> bool:
    """Whether readings here and there are the same."""
    steps, nodes = one.shape
    generator = torch.Generator().manual_seed(0)
    step = torch.randint(steps, (CELLS,), generator=generator)
    node = torch.randint(nodes, (CELLS,), generator=generator)
    for some in torch.arange(CELLS).split(CELLS_AT_ONCE):  # each may map many pages
        cells = step[some], node[some]
        same = torch.equal(one[cells].nan_to_num(-1.0), other[cells].nan_to_num(-1.0))
        drop_pages(one, other)
        if not same:
            return False
    return True


def parquet_parts(path: Path, node_ids: Sequence[str], what: str) -> Iterator[ndarray]:
    """The columns of these nodes, in their order, a few steps of a row group at a time.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "series.parquet"
        ...     pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}).to_parquet(path)
        ...     print(next(parquet_parts(path, ["b"], "period '0'")).tolist())
        [[3.0], [4.0]]
    """
    size = max(1, ELEMENTS // len(node_ids))
    with pq.ParquetFile(path, memory_map=True, buffer_size=PAGE) as file:
        for batch in file.iter_batches(batch_size=size, columns=list(node_ids)):
            yield columns.readings(batch.to_pandas()[list(node_ids)], what)


def read_stamps(folder: Path, num_steps: int, what: str, form: Form) -> Stamps:
    r"""The time stamps of so many rows, from the ``start`` and the ``frequency`` of the clock.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, CLOCK_FILE).write_text("start: 2024-01-01 00:00\nfrequency: 1h\n")
        ...     print(read_stamps(Path(folder), 3, "period '0'", Form()).wall[-1])
        2024-01-01 02:00:00
    """
    path = files.require_file(folder / CLOCK_FILE, what, CLOCK_ADVICE)
    clock = files.read_settings(path, ("start", "frequency"))
    missing = [key for key in ("start", "frequency") if key not in clock]
    if missing:
        raise StreamError(f"{what}: {path} gives no {missing[0]}. {CLOCK_ADVICE}")
    step = parse_frequency(clock["frequency"], str(path))
    start = parse_stamps(pd.Index([str(clock["start"])], name="start"), str(path), form)
    if isinstance(step, int):
        raise StreamError(f"{what}: {path}: steps of months are for tables, not for {MAPPED}.")
    try:
        wall = pd.date_range(start.wall[0], periods=num_steps, freq=step)
    except (ValueError, OverflowError) as error:
        raise StreamError(
            f"{what}: {num_steps:,} steps of {in_words(step)} from {start.wall[0]} on end after "
            f"all time. Correct {path}."
        ) from error
    return Stamps(wall, start.zone, np.zeros(num_steps, dtype=bool))


def write_clock(folder: Path, calendar: Calendar, what: str) -> None:
    """Writes what ``read_stamps`` reads.

    Example:
        >>> from datetime import datetime, timedelta
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     clock = Calendar.from_timestamps(datetime(2024, 1, 1), timedelta(hours=1))
        ...     write_clock(Path(folder), clock, "period '0'")
        ...     print(Path(folder, CLOCK_FILE).read_text().splitlines()[0])
        frequency: 1h
    """
    if calendar.start is None or calendar.step is None:
        raise StreamError(f"{what} has no time stamps, which a mapped series needs. Keep npz.")
    if calendar.months:
        raise StreamError(f"{what} has steps of months. Convert to table.")
    frequency = frequency_text(calendar.step, calendar.months)
    start = str(calendar.start.replace(tzinfo=None))
    text = yaml.safe_dump({"start": start, "frequency": frequency})
    write_text(folder / CLOCK_FILE, text)


def parquet_clock(path: Path, what: str, form: Form) -> tuple[Stamps, list[str]]:
    """Time stamps of a wide Parquet file, and the names of its other columns; no reading.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> hours = pd.date_range("2024-01-01", periods=3, freq="h", name="ds")
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "series.parquet"
        ...     pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=hours).to_parquet(path)
        ...     print(parquet_clock(path, "period '0'", Form())[1])
        ['a']
    """
    frame, names = pd.read_parquet(path, columns=[]), pq.read_schema(path).names
    if not isinstance(frame.index, pd.DatetimeIndex):
        frame = pd.read_parquet(path, columns=names[:1])
        return columns.by_time(frame, path, what, form)[1], names[1:]
    others = [name for name in names if name != frame.index.name]
    return columns.by_time(frame, path, what, form)[1], others
