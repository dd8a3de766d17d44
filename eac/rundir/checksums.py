"""What a run keeps of the readings of a period, to say later which of them have changed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from eac.data.core.period import Period
from eac.data.core.pieces import pieces
from eac.errors import CheckpointError
from eac.files import tensor_bytes, write_tensors
from eac.records.manifest import rewrite
from eac.records.tensorfile import check_tensors

CHECKSUM_FILE = "readings.safetensors"
MOST_CELLS = 1 << 20
"""Checksums of a period at most (2 MiB); in a longer one each stands for several steps."""
_FACTOR = 0x9E3779B1
_MASK = 0xFFFFFFFF


@dataclass(frozen=True)
class ChangedSensor:
    """What changed of one sensor in a period.

    Attributes:
        node_id: Which one.
        readings: Readings that differ; where ``exact`` is false, at least so many.
        exact: Whether every reading has a checksum of its own.
        kind: ``changed``, or ``new`` or ``gone`` for a sensor that one side alone has.

    Example:
        >>> ChangedSensor("north", readings=3, exact=True).kind
        'changed'
    """

    node_id: str
    readings: int
    exact: bool
    kind: str = "changed"

    def __str__(self) -> str:
        least = "" if self.exact else "at least "
        what = {"changed": "changed", "new": "of a sensor that is new in it", "gone": "gone"}
        return f"{self.node_id!r} ({least}{self.readings} {what[self.kind]})"


def checksums(period: Period, block: int | None = None) -> dict[str, Tensor]:
    """Checksums of the readings of each sensor, each of ``block`` steps; None: as few as fit.

    Example:
        >>> from eac.data.core.calendar import Calendar
        >>> from eac.data.core.graph import Graph
        >>> period = Period("0", torch.ones(4, 2), ("a", "b"), Graph.empty(2), Calendar(24))
        >>> checksums(period)["observed"]
        tensor([4, 4])
    """
    block = block or -(-period.num_steps * period.num_nodes // MOST_CELLS)
    sums = torch.zeros(-(-period.num_steps // block), period.num_nodes, dtype=torch.int64)
    seen = torch.zeros(period.num_nodes, dtype=torch.int64)
    for steps, part in pieces(period.series):
        rows = torch.arange(steps.start, steps.stop)
        sums.index_add_(0, rows // block, _hashed(part, rows))
        seen += (~part.isnan()).sum(0)
    return {
        "checksum": (sums & 0x7FFF).to(torch.int16),
        "steps": torch.tensor([block]),
        "observed": seen,
        "node_ids": torch.tensor(list(json.dumps(period.node_ids).encode()), dtype=torch.uint8),
    }


def write_checksums(directory: Path, period: Period) -> None:
    """Writes what ``changed_sensors`` compares with.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.data.core.calendar import Calendar
        >>> from eac.data.core.graph import Graph
        >>> period = Period("0", torch.ones(4, 2), ("a", "b"), Graph.empty(2), Calendar(24))
        >>> with TemporaryDirectory() as folder:
        ...     write_checksums(Path(folder), period)
        ...     print([path.name for path in Path(folder).iterdir()])
        ['readings.safetensors']
    """
    write_tensors(directory / CHECKSUM_FILE, checksums(period))


def rewrite_checksums(directory: Path, period: Period) -> None:
    """The same for a period that is done: its manifest knows the new file before it is there.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> period = SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=48)[0]
        >>> with TemporaryDirectory() as folder:
        ...     rewrite_checksums(Path(folder), period)
        ...     print(list(changed_sensors(Path(folder), period)))
        []
    """
    rewrite(directory / CHECKSUM_FILE, tensor_bytes(checksums(period)))


def changed_sensors(directory: Path, period: Period) -> list[ChangedSensor] | None:
    """Sensors whose readings differ from those of the run, or None where it kept no checksums.

    A sensor without any reading, that one side alone has, is no change.

    Args:
        directory: Of the period in the run.
        period: As it is now.

    Example:
        >>> from dataclasses import replace
        >>> from tempfile import TemporaryDirectory
        >>> from eac.data.core.calendar import Calendar
        >>> from eac.data.core.graph import Graph
        >>> period = Period("0", torch.ones(4, 2), ("a", "b"), Graph.empty(2), Calendar(24))
        >>> corrected = replace(period, series=torch.tensor([[1.0, 1.0], [1.0, 5.0]]).repeat(2, 1))
        >>> with TemporaryDirectory() as folder:
        ...     write_checksums(Path(folder), period)
        ...     print(changed_sensors(Path(folder), corrected))
        [ChangedSensor(node_id='b', readings=2, exact=True, kind='changed')]
    """
    kept = _load(directory / CHECKSUM_FILE)
    if kept is None:
        return None
    now = checksums(period, int(kept["steps"]))
    return list(_compare(kept, now, _ids(kept), period.node_ids))


def readings_kept(directory: Path) -> dict[str, int]:
    """How many readings the run has of each sensor of a period; empty where it does not say.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.data.core.calendar import Calendar
        >>> from eac.data.core.graph import Graph
        >>> period = Period("0", torch.ones(4, 2), ("a", "b"), Graph.empty(2), Calendar(24))
        >>> with TemporaryDirectory() as folder:
        ...     write_checksums(Path(folder), period)
        ...     print(readings_kept(Path(folder)))
        {'a': 4, 'b': 4}
    """
    kept = _load(directory / CHECKSUM_FILE)
    return {} if kept is None else dict(zip(_ids(kept), kept["observed"].tolist(), strict=True))


def _compare(
    kept: Mapping[str, Tensor],
    now: Mapping[str, Tensor],
    before: tuple[str, ...],
    after: tuple[str, ...],
) -> Iterator[ChangedSensor]:
    column_of = {node: i for i, node in enumerate(before)}
    shared = min(len(kept["checksum"]), len(now["checksum"]))
    longer = abs(len(kept["checksum"]) - len(now["checksum"]))
    for i, node in enumerate(after):
        column = column_of.pop(node, None)
        if column is None:
            if now["observed"][i]:
                yield ChangedSensor(node, int(now["observed"][i]), True, "new")
            continue
        old, new = kept["checksum"][:shared, column], now["checksum"][:shared, i]
        differ = int((old != new).sum()) + longer
        if differ:
            yield ChangedSensor(node, differ, int(kept["steps"]) == 1)
    for node, column in column_of.items():
        if kept["observed"][column]:
            yield ChangedSensor(node, int(kept["observed"][column]), True, "gone")


def _hashed(
    part: Float[Tensor, "time node"], rows: Int[Tensor, " time"]
) -> Int[Tensor, "time node"]:
    """A number for each reading and its step; the same for every missing reading."""
    bits = part.contiguous().view(torch.int32).to(torch.int64) & _MASK
    bits = torch.where(part.isnan(), 0x7FC00000, bits)
    mixed = ((bits ^ (rows[:, None] * _FACTOR & _MASK)) * _FACTOR) & _MASK
    mixed = ((mixed ^ (mixed >> 15)) * 0x85EBCA6B) & _MASK
    return mixed ^ (mixed >> 13)


def _ids(kept: Mapping[str, Tensor]) -> tuple[str, ...]:
    return tuple(json.loads(bytes(kept["node_ids"].tolist())))


def _load(path: Path) -> dict[str, Tensor] | None:
    if not path.is_file():
        return None
    try:
        check_tensors(path)
        kept = load_file(path)
    except (OSError, SafetensorError, CheckpointError):
        return None
    return kept if {"checksum", "steps", "observed", "node_ids"} <= kept.keys() else None
