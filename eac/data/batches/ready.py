"""A period made ready for a Trainer, built once."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from lightning.pytorch import LightningDataModule
from torch import Tensor

from eac.data.batches.batch import Batch
from eac.data.batches.needs import Needs
from eac.data.batches.preparation import (
    Layout,
    before_period,
    check_mapped,
    covariate_scale,
    fit_scales,
    prepare,
    steps_of_history,
)
from eac.data.batches.reservoir import Rehearsal, Reservoir, check_per_window
from eac.data.batches.share import Share
from eac.data.batches.spread import Spread, spread
from eac.data.batches.tensors import PeriodTensors
from eac.data.core.among import EVERY, Among
from eac.data.core.blocks import drop_pages, hand_back
from eac.data.core.period import Period
from eac.data.core.stream import GraphStream
from eac.data.core.windows import Split
from eac.data.series.history import REHEARSED_READINGS, Span, steps_before
from eac.data.series.mapped import MappedSeries
from eac.data.series.network import network_mean
from eac.data.series.scales import Scales
from eac.protocols.draws import epoch_seed, period_seed
from eac.protocols.protocol import Protocol as Rules
from eac.typing import NodeIndex


class Placed:
    """Tensors that are moved to the device they are last asked for on.

    Args:
        tensors: Wherever they are.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> Placed(data.prepared(Needs()).view.tensors).on(torch.device("cpu")).num_nodes
        3
    """

    def __init__(self, tensors: PeriodTensors):
        self._tensors = tensors

    @property
    def tensors(self) -> PeriodTensors:
        """The tensors where they are."""
        return self._tensors

    def on(self, device: torch.device) -> PeriodTensors:
        """The tensors there."""
        self._tensors = self._tensors.to(device)
        return self._tensors


@dataclass(frozen=True, eq=False)
class Ready:
    """One period as a backbone takes it.

    Attributes:
        full: All nodes of the period, as strategies see them.
        tested: The same, laid out for the loaders.
        trained: The nodes that are trained and validated on, laid out for the loaders.
        scales: How it was scaled.
        needs: What it was made ready for.
        by_node: The loaders' tensors are laid out for windows of single nodes.
        processes: How many divide the nodes of the whole period.
        made: False where only the scales are those of a model, and no batch can be cut.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> ready = data.prepared(Needs(lags=("1d",))).ready
        >>> ready.needs.lags, ready.restricted(torch.tensor([0, 2]), None).trained.tensors.num_nodes
        (('1d',), 2)
    """

    full: PeriodTensors
    tested: Placed
    trained: Placed
    scales: Scales
    needs: Needs
    by_node: bool = False
    processes: int = 1
    made: bool = True

    @staticmethod
    def of(full: PeriodTensors, scales: Scales, needs: Needs, *, by_node: bool) -> "Ready":
        """All nodes, for training and tests alike."""
        placed = Placed(full.by_node() if by_node else full)
        return Ready(full, placed, placed, scales, needs, by_node)

    @property
    def in_parts(self) -> bool:
        """True where some nodes of a window may be forecast without the others."""
        return self.by_node and self.needs.apart

    def restricted(self, nodes: NodeIndex | None, loss_nodes: NodeIndex | None) -> "Ready":
        """The same, trained and validated on ``nodes`` alone, with a loss over ``loss_nodes``."""
        if nodes is None and loss_nodes is None:
            return replace(self, trained=self.tested)
        nodes = torch.arange(self.full.num_nodes) if nodes is None else nodes
        some = self.full.subset(nodes, loss_nodes).with_neighbours(self.needs.neighbours)
        return replace(self, trained=Placed(some.by_node() if self.by_node else some))

    def spread(self, starts: Int[Tensor, " window"], protocol: Rules) -> Spread | None:
        """The nodes that each window of a validation during training takes; None: all of them.

        A validation is complete as published, where the loss counts some of the nodes, and where a
        window must hold them all. Several processes that divide the nodes measure as many
        windows x nodes together as one process.
        """
        trained = self.trained.tensors
        if protocol.validate_by_batch or not self.by_node or trained.loss_nodes is not None:
            return None
        return spread(starts, trained.num_nodes, processes=self.processes)

    def measured(
        self, tensors: PeriodTensors, starts: Int[Tensor, " batch"], some: Spread | None
    ) -> Batch:
        """A batch of validation or test: of some nodes of each window, of all, or in parts."""
        if some is None and self.in_parts:
            batch = tensors.in_parts(starts)
            return _let_go(batch, files_of(tensors)) if self.processes > 1 else batch
        return tensors.batch(starts, nodes=None if some is None else some.at(starts))

    def rehearsal(
        self, past: Callable[[], Reservoir], period: Period, share: Share | None
    ) -> Rehearsal:
        """The windows of earlier periods that a training draws from.

        Args:
            past: Gives what is kept of them; not asked where the loss counts some of the nodes.
            period: The period.
            share: What it is of the whole one, where a process holds some sensors alone.
        """
        trained, network = self.trained.tensors, None if share is None else share.node_ids
        kept = Reservoir() if trained.loss_nodes is not None else past()
        return Rehearsal.of(kept, period.node_ids, trained.nodes, network)


def files_of(tensors: PeriodTensors) -> tuple[Tensor, ...]:
    """Files that are mapped into memory, of which pages may be let go at any time.

    Example:
        >>> from eac.data.batches.datamodule import PeriodData
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> files_of(data.prepared(Needs()).full)  # all of it is in memory
        ()
    """
    held = tensors.readings.raw, tensors.readings.filled, tensors.neighbour_x
    mapped = [series for series in held if isinstance(series, MappedSeries)]
    files = [file for series in mapped for file in (series.file, series.by_node)]
    return tuple(file for file in files if file is not None)


def _let_go(batch: Batch, files: tuple[Tensor, ...]) -> Batch:
    """A batch in parts, each of which lets go of what was read for the one before it."""
    gather = batch.some
    if gather is None or not files:
        return batch

    def some(at: slice) -> Batch:
        drop_pages(*files)
        return gather(at)

    return replace(batch, some=some)


@dataclass(frozen=True, eq=False)
class Maker:
    """Makes periods of a stream ready, all of them the same way.

    Attributes:
        layout: Windows, scaling, and what fills gaps.
        fractions: Shares of the training and the validation part.
        rehearsal: Share of the training windows that earlier periods give.
        nodes_per_window: Nodes of a training window; None takes all.
        spans: What is known of the earlier periods, by position.
        share: The sensors that are made ready, where a process holds some alone; None: all.
        among: The sensors that scales are drawn towards where a sensor has few readings.
        scales: Of the period, where they are known already.

    Example:
        >>> Maker(Layout(12, 6), fractions=(0.6, 0.2), rehearsal=0.0, nodes_per_window=None).samples
        False
    """

    layout: Layout
    fractions: tuple[float, float]
    rehearsal: float
    nodes_per_window: int | None
    spans: dict[int, Span] = field(default_factory=dict)
    share: Share | None = None
    among: Among = EVERY
    scales: Scales | None = None

    def __post_init__(self) -> None:
        if self.samples and self.nodes_per_window is not None:
            check_per_window(self.nodes_per_window)

    @property
    def samples(self) -> bool:
        """Whether rehearsal draws from a sample of earlier windows, not from their readings."""
        return self.rehearsal > 0 and self.nodes_per_window is not None

    def made(self, stream: GraphStream, index: int, period: Period, needs: Needs) -> Ready:
        """The period at ``index`` of a stream, with what a backbone needs."""
        if self.share is not None:
            return self._made_of_share(self.share, stream, index, needs)
        layout, by_node = self.layout, self.nodes_per_window
        joined = self.rehearsal and not self.samples
        check_mapped(period, layout)
        lead = steps_of_history(needs, period, layout.horizon)
        if joined:
            most = REHEARSED_READINGS // period.num_nodes
            lead += steps_before(stream, index, most=most, known=self.spans)
        if (scales := self.scales) is None:
            known = covariate_scale(stream, needs.covariates, self.fractions)
            split = Split.by_fraction(period.num_steps, self.fractions)
            scales = fit_scales(period, split, layout, known, self.among)
        hand_back()
        before = before_period(stream, index, lead, needs.covariates, period)
        hand_back()
        tensors = prepare(period, before, scales, layout, needs)
        del before
        drop_pages(period.series if period.mapped else None, *files_of(tensors))
        hand_back()
        return Ready.of(tensors, scales, needs, by_node=bool(by_node))

    def _made_of_share(self, share: Share, stream: GraphStream, index: int, needs: Needs) -> Ready:
        """The same with what the sensors of a share listen to, which is dropped again."""
        apart = replace(needs, network=False)
        maker = replace(self, share=None, among=share.among, scales=share.scales)
        made = maker.made(stream, index, share.wide, apart)
        by_node, narrowed = bool(self.nodes_per_window), share.narrowed(made.full)
        scales = made.scales.subset(share.places)
        del made
        hand_back()
        mean = share.network
        if needs.network and mean is None:
            mean = network_mean(narrowed.readings, share.among)
        own = Ready.of(replace(narrowed, network=mean), scales, needs, by_node=by_node)
        return replace(own, processes=share.turn[1])

    def past(self, stream: GraphStream, index: int, needs: Needs, seed: int) -> Reservoir:
        """What is kept of the periods before the one at ``index``, each of which is read."""
        past = Reservoir()
        for earlier in range(index if self.samples else 0):
            period = stream.load(earlier)
            ready = replace(self, share=None).made(stream, earlier, period, needs)
            past = self.with_period(past, ready, period, period_seed(seed, earlier))
        return past

    def with_period(self, past: Reservoir, ready: Ready, period: Period, seed: int) -> Reservoir:
        """What is kept once a period is over; nothing where nothing is rehearsed from it.

        Args:
            past: What was kept of the periods before it.
            ready: The period, made ready.
            period: The period.
            seed: Of the period.
        """
        per_window, span = self.nodes_per_window, self.layout.window + self.layout.horizon
        if not self.samples or per_window is None:
            return past
        starts = torch.arange(max(0, period.num_steps - span + 1))
        drawn = {"per_window": per_window, "seed": epoch_seed(seed, -1)}
        return past.offered(ready.tested.tensors, period.node_ids, starts, **drawn)


@runtime_checkable
class Learner(Protocol):
    """A model that knows how the data of a period must be prepared for it."""

    def made_ready(self, data: LightningDataModule) -> Ready:
        """The period of ``data`` as this model takes it."""
        ...
