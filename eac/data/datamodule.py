"""One period as a Lightning data module."""

import copy
from typing import Protocol as Interface
from typing import runtime_checkable

import torch
from jaxtyping import Int
from lightning.pytorch import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.utils.data import DataLoader

from eac.data.batch import Batch
from eac.data.context import lag_steps, readings_before
from eac.data.graph import Graph
from eac.data.open import open_stream
from eac.data.period import Period
from eac.data.protocol import PROTOCOLS, ProtocolName
from eac.data.sampler import StartBatches, Starts
from eac.data.stream import GraphStream
from eac.data.tensors import PeriodTensors, PeriodView, prepare
from eac.data.windows import Split, window_starts
from eac.errors import ConfigError
from eac.typing import NodeIndex, NodeSeries, Part, StrPath

Loader = DataLoader[Int[Tensor, " batch"]]


@runtime_checkable
class AppliesGraph(Interface):
    """Anything that can apply a graph to a whole series; every backbone can."""

    def neighbour_series(self, series: NodeSeries, graph: Graph) -> NodeSeries | None:
        """The graph applied to ``series``, or None."""
        ...


class PeriodData(LightningDataModule):
    """Windows of one period of a stream.

    A loader yields start steps; the windows are gathered on the device of the model, from one
    copy of the series.

    Args:
        stream: A stream, or the path of one.
        period: Position or name of the period.
        window: Past steps in (published: 12).
        horizon: Future steps out (published: 12).
        batch_size: Windows in a training batch (published: 64 or 128).
        eval_batch_size: Windows in a batch of validation or test.
        train_fraction: Share of the period that is trained on (published: 0.6; few-shot: 0.2).
        val_fraction: Share that follows, for early stopping; the rest is the test part.
        lags: Seasonal history for backbones that use it, such as ``[1d, 1w]``: the readings a day
            and a week before each step, reaching back over the period's beginning by node id.
        protocol: How inputs are scaled and errors counted.
        seed: Of the order of training windows.
    """

    def __init__(
        self,
        stream: GraphStream | StrPath,
        *,
        period: int | str = 0,
        window: int = 12,
        horizon: int = 12,
        batch_size: int = 64,
        eval_batch_size: int = 64,
        train_fraction: float = 0.6,
        val_fraction: float = 0.2,
        lags: list[str] | None = None,
        protocol: ProtocolName = "strict",
        seed: int = 0,
    ):
        super().__init__()
        _check_settings(window, horizon, min(batch_size, eval_batch_size))
        if not (0 < train_fraction and 0 < val_fraction and train_fraction + val_fraction < 1):
            raise ConfigError(
                f"train_fraction={train_fraction} and val_fraction={val_fraction}: give positive "
                "shares that leave something for the test part."
            )
        self.stream = stream if isinstance(stream, GraphStream) else open_stream(stream)
        self.period_key = period
        self.window = window
        self.horizon = horizon
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.fractions = (train_fraction, val_fraction)
        self.lags = list(lags or ())
        self.protocol = PROTOCOLS[protocol]
        self.seed = seed
        self._period: Period | None = None
        self._full: PeriodTensors | None = None
        self._learning: PeriodTensors | None = None

    def for_period(self, period: int | str) -> "PeriodData":
        """The same settings on another period of the same stream."""
        other = copy.copy(self)
        other.period_key = period
        other._period = other._full = other._learning = None
        return other

    @property
    def index(self) -> int:
        """Position of the period in the stream."""
        return self.stream.index_of(self.period_key)

    @property
    def period(self) -> Period:
        """The period, read on first use."""
        if self._period is None:
            self._period = self.stream.load(self.index)
        return self._period

    @property
    def split(self) -> Split:
        """Steps of each part."""
        return Split.by_fraction(self.period.num_steps, self.fractions)

    @property
    def full(self) -> PeriodTensors:
        """All nodes of the period."""
        if self._full is None:
            lags = lag_steps(self.lags, self.period.calendar, self.horizon)
            self._full = prepare(
                self.period,
                self.split,
                self.protocol,
                window=self.window,
                horizon=self.horizon,
                before=readings_before(self.stream, self.index, max(lags)) if lags else None,
                lags=lags,
            )
        return self._full

    @property
    def view(self) -> PeriodView:
        """The period as strategies see it."""
        return PeriodView(self.period, self.full, self.split)

    @property
    def learning(self) -> PeriodTensors:
        """The nodes that are trained and validated on."""
        return self._learning or self.full

    def learn_on(self, nodes: NodeIndex | None, loss_nodes: NodeIndex | None) -> None:
        """Restricts training and validation to ``nodes``, with a loss over ``loss_nodes``."""
        everything = torch.arange(self.period.num_nodes)
        if nodes is not None or loss_nodes is not None:
            nodes = everything if nodes is None else nodes
            self._learning = self.full.subset(nodes, loss_nodes)

    def apply_graph_once(self, backbone: AppliesGraph) -> None:
        """Lets the backbone apply the graph to the whole series instead of to each window."""
        self._full = self.full.with_neighbours(backbone.neighbour_series)
        if self._learning is not None:
            self._learning = self._learning.with_neighbours(backbone.neighbour_series)

    def starts(self, part: Part) -> Int[Tensor, " window"]:
        """First steps of the windows of one part, in order of time."""
        starts = window_starts(
            self.split.part(part), self.window, self.horizon, period=self.period.name, part=part
        )
        return starts if self.protocol.keep_last_window or len(starts) == 1 else starts[:-1]

    def train_dataloader(self) -> Loader:
        """Shuffled training windows."""
        return self._loader("train", self.batch_size, seed=self.seed * 1009 + self.index)

    def val_dataloader(self) -> Loader:
        """Validation windows in order of time."""
        return self._loader("val", self.eval_batch_size, seed=None)

    def test_dataloader(self) -> Loader:
        """Test windows in order of time."""
        return self._loader("test", self.eval_batch_size, seed=None)

    def predict_dataloader(self) -> Loader:
        """The test windows again."""
        return self.test_dataloader()

    def on_after_batch_transfer(self, batch: Int[Tensor, " batch"], dataloader_idx: int) -> Batch:
        """Gathers the windows that begin at the start steps of ``batch``."""
        del dataloader_idx
        fitting = self.trainer is not None and self.trainer.state.fn == TrainerFn.FITTING
        return self._on(batch.device, learning=fitting).batch(batch)

    def _on(self, device: torch.device, *, learning: bool) -> PeriodTensors:
        if learning and self._learning is not None:
            self._learning = self._learning.to(device)
            return self._learning
        self._full = self.full.to(device)
        return self._full

    def _loader(self, part: Part, batch_size: int, *, seed: int | None) -> Loader:
        starts = self.starts(part)
        sampler = StartBatches(len(starts), batch_size, seed=seed)
        generator = torch.Generator().manual_seed(0)
        return DataLoader(Starts(starts), sampler=sampler, batch_size=None, generator=generator)


def _check_settings(window: int, horizon: int, batch_size: int) -> None:
    for name, value in (("window", window), ("horizon", horizon), ("batch_size", batch_size)):
        if value < 1:
            raise ConfigError(f"{name}={value}: give at least 1.")
