"""What is kept of earlier periods: so many of their windows, each as likely as any other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from eac.data.batches.batch import Batch
from eac.data.batches.tensors import PeriodTensors
from eac.data.series.scaling import Scaler
from eac.errors import ConfigError
from eac.typing import NodeIndex

SIZE = 1 << 16
"""Windows of single sensors kept; some 64 MiB with three lags and their neighbours."""
MOST_NODES = 1 << 12
"""Nodes of a window that is kept."""
AT_ONCE = 1 << 18
"""Windows that are offered at once."""
GATHERED = 1 << 11
"""Windows that are gathered at once."""
_HISTORY = ("history", "history_observed", "neighbour_history")
_INPUTS = ("x", "neighbour_x", "observed", *_HISTORY, "network")
_CLOCK = ("slot", "day", "holiday", "weekday")

Rows = dict[str, Shaped[Tensor, " slot *shape"]]


@dataclass(frozen=True, eq=False)
class Reservoir:
    """A uniform sample of all windows of single sensors, or of a few, in the periods so far.

    Each is kept as it was gathered and scaled in its own period, so that nothing else of that
    period is needed. Which ones are kept is Algorithm R (Vitter, "Random Sampling with a
    Reservoir", 1985): the n-th window offered takes the place of any other with the probability
    ``SIZE / n``. It depends on seed and stream alone.

    Attributes:
        node_ids: Sensors of the windows kept.
        nodes: Positions in ``node_ids`` of the sensors of each window.
        rows: What batches are made of, by name; the first axis is the window.
        seen: Windows offered so far.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.batches.needs import Needs
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> tensors, ids = data.prepared(Needs()).view.tensors, data.period.node_ids
        >>> kept = Reservoir().offered(tensors, ids, torch.arange(20), per_window=1, seed=0, size=5)
        >>> kept.seen, len(kept.nodes)
        (60, 5)
    """

    node_ids: tuple[str, ...] = ()
    nodes: Int[Tensor, "slot chosen"] = field(default_factory=lambda: torch.empty(0, 1).long())
    rows: Rows = field(default_factory=dict)
    seen: int = 0

    def __len__(self) -> int:
        return len(self.nodes)

    def offered(
        self,
        tensors: PeriodTensors,
        node_ids: Sequence[str],
        starts: Int[Tensor, " window"],
        *,
        per_window: int,
        seed: int,
        size: int | None = None,
    ) -> "Reservoir":
        """The sample once every sensor in every window of a period was offered.

        Args:
            tensors: The period, all nodes.
            node_ids: Its nodes.
            starts: First steps of its windows.
            per_window: Nodes of a window: the one offered, and others drawn to go with it.
            seed: Of the draws.
            size: Windows kept; None: as many as hold ``SIZE`` sensors.
        """
        found = partial(gathered, tensors)
        return self.offered_by(found, node_ids, starts, per_window=per_window, seed=seed, size=size)

    def offered_by(
        self,
        gather: Callable[[Int[Tensor, " window"], Int[Tensor, "window chosen"]], Rows],
        node_ids: Sequence[str],
        starts: Int[Tensor, " window"],
        *,
        per_window: int,
        seed: int,
        size: int | None = None,
    ) -> "Reservoir":
        """The same, with ``gather`` giving what batches of some windows of some nodes hold."""
        generator, size = torch.Generator().manual_seed(seed), size or SIZE // per_window
        size = max(size, len(self))  # a sample of an older version may be larger
        count = len(starts) * len(node_ids)
        kept = places(self.seen, count, min(size, self.seen + count), generator)
        fresh = (kept >= 0).nonzero().flatten()
        item = kept[fresh]
        others = torch.randint(len(node_ids), (len(item), per_window - 1), generator=generator)
        nodes = torch.cat([(item % len(node_ids))[:, None], others], 1)
        rows = gather(starts[item // len(node_ids)], nodes)
        ids = {node: i for i, node in enumerate(self.node_ids)}
        column = torch.tensor([ids.setdefault(node, len(ids)) for node in node_ids])
        return Reservoir(
            tuple(ids),
            _placed(self.nodes if len(self) else None, fresh, column[nodes], len(kept)),
            {k: _placed(self.rows.get(k), fresh, v, len(kept)) for k, v in rows.items()},
            self.seen + count,
        )._compact()

    def _compact(self) -> "Reservoir":
        """Without the names of sensors of which no window is left."""
        used, position = self.nodes.unique(return_inverse=True)
        names = tuple(self.node_ids[i] for i in used.tolist())
        return replace(self, node_ids=names, nodes=position.view_as(self.nodes))


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """The windows of a reservoir whose sensors are there in a period.

    Attributes:
        reservoir: The sample.
        node_of: Row in the period of each sensor of the reservoir; -1 where it is not held here.
        there: Which sensors of the reservoir the network has, in this process or in another.

    Example:
        >>> one = Reservoir(("a", "b"), torch.tensor([[0], [1], [1]]), {}, seen=3)
        >>> Rehearsal.of(one, ["b", "c"]).starts  # windows of b alone, numbered from -1 down
        tensor([-2, -3])
    """

    reservoir: Reservoir
    node_of: Int[Tensor, " node"]
    there: Bool[Tensor, " node"]

    @staticmethod
    def of(
        reservoir: Reservoir,
        node_ids: Sequence[str],
        rows: NodeIndex | None = None,
        network: Sequence[str] | None = None,
    ) -> "Rehearsal":
        """For the nodes of a period, or for those in some of its rows.

        Args:
            reservoir: The sample.
            node_ids: Of the period.
            rows: Of its nodes; None: all.
            network: Of all nodes, where ``node_ids`` are those of one of several processes.
        """
        row = {node_ids[i]: i for i in (range(len(node_ids)) if rows is None else rows.tolist())}
        named, held = row if network is None else set(network), reservoir.node_ids
        there = torch.tensor([node in named for node in held]).bool()
        return Rehearsal(reservoir, torch.tensor([row.get(n, -1) for n in held]).long(), there)

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def starts(self) -> Int[Tensor, " window"]:
        """A negative number for each window that can be rehearsed, in place of its first step."""
        return -1 - self.there[self.reservoir.nodes].any(1).nonzero().flatten()

    def added(self, own: Batch, starts: Int[Tensor, " older"]) -> Batch:
        """A batch with the windows of these numbers behind its own, if their nodes are held here.

        Args:
            own: Windows of the period, each of as many nodes as those of the reservoir.
            starts: Some of ``starts``.
        """
        slots = (-1 - starts).cpu()
        nodes = self.node_of[self.reservoir.nodes[slots]]
        held = (nodes >= 0).any(1)
        slots, nodes, starts = slots[held], nodes[held], starts[held.to(starts.device)]
        rows = {name: values[slots] for name, values in self.reservoir.rows.items()}
        rows["mask"] = rows["mask"] & (nodes >= 0)[..., None]
        rows["nodes"] = nodes.clamp_min(0)
        mine = _rows(own) | {"nodes": own.inputs.nodes}
        both = {
            name: torch.cat([value, rows[name].to(value.device, value.dtype)])
            for name, value in mine.items()
            if value is not None
        }
        return _batch(own, both, torch.cat([own.starts, starts]))


def check_per_window(nodes: int) -> None:
    """Raises ``ConfigError`` where windows of so many sensors are too large to be kept.

    Example:
        >>> check_per_window(16)
    """
    if nodes > MOST_NODES:
        raise ConfigError(
            f"data.nodes_per_window={nodes} with data.rehearsal: windows of at most {MOST_NODES} "
            "nodes are kept of earlier periods. Give fewer, or leave nodes_per_window out."
        )


def places(seen: int, count: int, size: int, generator: torch.Generator) -> Int[Tensor, " slot"]:
    """Which of ``count`` items, offered after ``seen`` others, is in each place in the end.

    Returns:
        For each place the number of its item, from 0, and -1 where what was there stays.

    Example:
        >>> places(0, 3, 3, torch.Generator()).tolist()
        [0, 1, 2]
    """
    kept = torch.full((size,), -1)
    for first in range(0, count, AT_ONCE):
        item = torch.arange(first, min(first + AT_ONCE, count))
        number = seen + item
        drawn = torch.rand(len(item), dtype=torch.float64, generator=generator)
        slot = torch.where(number < size, number, (drawn * (number + 1)).long())
        taken = slot < size
        # of several items in one place the last one stays
        kept.scatter_reduce_(0, slot[taken], item[taken], "amax")
    return kept


def gathered(
    tensors: PeriodTensors, starts: Int[Tensor, " window"], nodes: Int[Tensor, "window chosen"]
) -> Rows:
    """What batches of these windows hold, on the CPU.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> gathered(data.full, torch.tensor([5]), torch.tensor([[2]]))["y"].shape
        torch.Size([1, 1, 12])
    """
    parts = [
        _rows(tensors.batch(at.to(tensors.device), nodes=some.to(tensors.device)))
        for at, some in zip(starts.split(GATHERED), nodes.split(GATHERED), strict=True)
    ]
    return {name: _small(torch.cat([part[name] for part in parts])) for name in parts[0]}


def _small(values: Shaped[Tensor, " window *shape"]) -> Shaped[Tensor, " window *shape"]:
    values = values.cpu()
    return values.to(torch.int32) if values.dtype == torch.int64 else values


def _placed(
    before: Shaped[Tensor, " slot *shape"] | None,
    fresh: Int[Tensor, " window"],
    values: Shaped[Tensor, " window *shape"],
    size: int,
) -> Shaped[Tensor, " slot_after *shape"]:
    """What was there, made longer where there is more, with values in some of the places."""
    after = values.new_empty(size, *values.shape[1:])
    if before is not None:
        after[: len(before)] = before
    after[fresh] = values
    return after


def _rows(batch: Batch) -> dict[str, Tensor]:
    """What differs between the windows of a batch, by name."""
    found = {name: getattr(batch.inputs, name) for name in _INPUTS}
    found |= {f"clock.{name}": getattr(batch.inputs.clock, name, None) for name in _CLOCK}
    found |= {f"extras.{name}": value for name, value in batch.inputs.extras.items()}
    found |= {"y": batch.y, "mask": batch.mask}
    if not batch.scaler.trivial:
        found |= {"mean": batch.scaler.mean, "scale": batch.scaler.scale}
    return {name: value for name, value in found.items() if value is not None}


def _batch(like: Batch, rows: dict[str, Tensor], starts: Int[Tensor, " window"]) -> Batch:
    """A batch of what ``_rows`` gave."""
    own, clock = like.inputs, like.inputs.clock
    if clock is not None:
        clock = replace(clock, **{n: rows[f"clock.{n}"] for n in _CLOCK if f"clock.{n}" in rows})
    inputs = replace(
        own,
        **{name: rows[name] for name in (*_INPUTS, "nodes") if name in rows},
        clock=clock,
        extras={name: rows[f"extras.{name}"] for name in own.extras},
    )
    scaler = like.scaler if like.scaler.trivial else Scaler(rows["mean"], rows["scale"])
    return replace(
        like,
        gathered=inputs,
        y=rows["y"],
        mask=rows["mask"],
        scaler=scaler,
        starts=starts,
        complete=like.complete and bool(rows["mask"].all()),
    )
