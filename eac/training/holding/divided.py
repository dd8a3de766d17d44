"""A process that holds its share of the sensors of a network."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from eac.artifacts.checkpoint import SavedState
from eac.artifacts.gone import restore
from eac.artifacts.past import load_past
from eac.artifacts.resume_points import remove_checkpoints
from eac.calibration.network import Network
from eac.data.batches.batch import Batch
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.needs import Needs
from eac.data.batches.ready import Ready, files_of
from eac.data.batches.reservoir import Reservoir, Rows, gathered
from eac.data.batches.share import Share
from eac.data.batches.tensors import PeriodTensors
from eac.data.core.blocks import drop_pages, hand_back
from eac.data.core.graph import Graph
from eac.data.core.period import NodeChange
from eac.data.series.readings import Readings
from eac.data.series.scales import Scales
from eac.errors import ConfigError
from eac.files import make_folder
from eac.metrics.horizon import HorizonErrors
from eac.nn.prompt_pool import PromptPool
from eac.protocols.draws import epoch_seed, period_seed
from eac.training.forecaster import Forecaster
from eac.training.holding.division import Division
from eac.training.holding.joining import JoinGradients, KeepBest
from eac.training.holding.network import Holding, described
from eac.training.holding.refusals import reasons
from eac.training.processes import is_first, wait_for_all
from eac.training.results.intervals import Every

SENT_AT_ONCE = 1 << 11
"""Windows that are sent to the first process at once."""


class DividedNetwork(Holding):
    """A process that holds, reads and trains its share of the sensors.

    Weights of the network are the same in all processes, prompts of a sensor in its own alone. The
    first process alone gathers what belongs to sensors, once a period is trained, and writes it as
    one process would; every process begins the next period from what was written.

    Args:
        division: The processes.
    """

    def __init__(self, division: Division):
        self.together = self._division = division
        self.records = division.first
        self._index = 0
        self._files: Sequence[Tensor | None] = ()

    def check(self, model: Forecaster, data: PeriodData) -> None:
        """Refuses what needs sensors of other processes.

        Raises:
            ConfigError: Says what, and what to do.
        """
        for wrong, said in reasons(model, data):
            if wrong:
                raise ConfigError(
                    f"run.divide_sensors: {said}. Leave divide_sensors out: every process then "
                    "holds the whole network."
                )

    def held(self, data: PeriodData) -> PeriodData:
        """The share of this process; of the others what its sensors listen to, for a moment."""
        hand_back()
        share = Share.of(data.stream, data.index, (self._division.rank, self._division.processes))
        if len(share.node_ids) < self._division.processes:
            raise ConfigError(
                f"period {share.wide.name!r} has {len(share.node_ids)} sensors for "
                f"{self._division.processes} processes. Start at most one for each sensor."
            )
        self._release()
        return data.of_share(replace(share, summed=self.together.summed))

    def begin(self, directory: Path) -> None:
        """Begins a period anew, for no file holds the rows of every process."""
        if is_first():
            make_folder(directory)
            remove_checkpoints(directory)
        wait_for_all()

    def change(self, data: PeriodData, change: NodeChange) -> NodeChange:
        """The part of a change that is about the sensors of this process."""
        share = _share(data)
        self._division.node_ids, self._index = share.node_ids, data.index
        return share.ids_of(change)

    def same(self, model: Forecaster) -> None:
        """Weights of the first process."""
        self._release()
        self._division.same(model)

    def outline(self, data: PeriodData) -> PeriodData:
        """The whole period without its edges and readings, which take no memory here."""
        share, wide = _share(data), data.period
        count = len(share.node_ids)
        unknown = torch.full((1, 1), torch.nan).expand(wide.num_steps, count)
        other = data.for_period(data.index)
        other.__dict__["period"] = replace(
            wide,
            series=unknown,
            node_ids=share.node_ids,
            graph=Graph.empty(count),
            coordinates=None,
            covariates=None,
        )
        return other

    def network(self, data: PeriodData) -> Network:
        """All sensors in the first process; those of each other one there."""
        own, self._files = described(data, self.among), files_of(data.full)
        if not self.records:
            for values in (own.level, own.spread, own.positive):
                self._division.to_first(values)
            return own
        values = (self._division.to_first(v) for v in (own.level, own.spread, own.positive))
        return Network(self._division.node_ids, *values)

    @property
    def every(self) -> Every:
        """In the first process those of all sensors, window by window; nothing in others."""
        return self._forecasts

    def _forecasts(
        self, batch: Batch, y_hat: Float[Tensor, "batch node horizon"]
    ) -> Iterable[tuple[Batch, Tensor]]:
        drop_pages(*self._files)
        for i in range(len(y_hat)):
            one = slice(i, i + 1)
            truth = torch.where(batch.mask[one], batch.y[one], torch.nan)
            both = torch.cat([truth, y_hat[one]]).transpose(0, 1).contiguous()
            y, found = self._division.to_first(both).transpose(0, 1).split(1)
            if self.records:
                kept = batch.targets_of(one)
                yield replace(kept, y=y.nan_to_num(0.0), mask=~y.isnan()), found

    def keeping(self, directory: Path) -> Sequence[Callback]:
        """Joins gradients, and keeps the best weights in memory."""
        del directory
        return JoinGradients(self._division), KeepBest()

    def fit(self, model: Forecaster, trainer: Trainer, data: PeriodData, directory: Path) -> None:
        """Trains, and leaves the best weights in the model."""
        del directory
        trainer.fit(model, datamodule=data)
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, KeepBest):
                callback.restore(model)
        self._release()

    def counts(self, model: Forecaster, *, train: bool) -> tuple[int, int]:
        """Parameters that train, and all, with the rows of every process."""
        some, count = model.parameter_counts()
        rows = sum(pool.node_factor.numel() for _, pool in _pools(model))
        others = self._division.total(rows) - rows
        return (some + others if train else 0), count + others

    def errors(self, errors: dict[str, HorizonErrors]) -> dict[str, HorizonErrors]:
        """Errors of all sensors, in the first process."""
        self._release()
        return {name: self._division.every_sensor(found) for name, found in errors.items()}

    def past_after(self, data: PeriodData) -> Reservoir | None:
        """The sample that one process would keep, in the first process."""
        if not data.rehearsal:
            return None
        self._release()
        share, span = _share(data), data.window + data.horizon
        found = data.past.offered_by(
            self._rows_of(data),
            share.node_ids,
            torch.arange(max(0, data.period.num_steps - span + 1)),
            per_window=1,
            seed=epoch_seed(period_seed(data.seed, data.index), -1),
        )
        self._release()
        return found

    def _release(self) -> None:
        """Gives back the memory that can be had again from working files."""
        hand_back()
        drop_pages(*self._files)

    def _rows_of(self, data: PeriodData) -> Callable[[Tensor, Tensor], Rows]:
        """Gathers windows of sensors, each in the process that holds it."""
        share, tensors = _share(data), data.ready.tested.tensors
        first, count = int(share.rows[0]), len(share.rows)

        def rows(starts: Tensor, nodes: Tensor) -> Rows:
            mine = (nodes[:, 0] >= first) & (nodes[:, 0] < first + count)
            found: Rows = {}
            for some in torch.arange(len(starts)).split(SENT_AT_ONCE):
                drop_pages(*self._files)
                here = some[mine[some]]
                own = gathered(tensors, starts[here], nodes[here] - first)
                for where, part in self._division.objects((here, own)):  # pyright: ignore[reportGeneralTypeIssues]
                    for name, values in part.items():
                        if name not in found:
                            found[name] = values.new_empty(len(starts), *values.shape[1:])
                        found[name][where] = values
            drop_pages(*self._files)
            return found

        return rows

    def whole(self, model: Forecaster, data: PeriodData) -> PeriodData:
        """In the first process the whole period, read again, and its prompts in the model."""
        ids, own = self._division.node_ids, data.period.node_ids
        rows = {name: self._division.to_first(pool.factors(own)) for name, pool in _pools(model)}
        state = SavedState.of(model)
        kept = {key: self._division.to_first(state.tensors[key]) for key in _by_sensor(state, own)}
        scales = data.ready.scales
        inputs = [self._division.to_first(values.T).T for values in _values(scales.inputs)]
        targets = [self._division.to_first(values) for values in _values(scales.targets)]
        if not self.records:
            return data
        for key, values in kept.items():
            state.tensors[key] = values
            state.extra[key.partition("::")[0]]["node_ids"] = list(ids)
        for name, factors in rows.items():
            state.tensors[f"{name}.node_factor"] = factors
            state.tensors[f"{name}.settled"] = factors[:0]
            state.extra[f"{name}._extra_state"]["node_ids"] = list(ids)
        state.restore(model)
        model.select_nodes(ids)
        read = data.for_period(data.index)
        if (whole := _share(data).whole) is not None:
            read.__dict__["period"] = whole
        found = replace(scales, inputs=replace(scales.inputs, mean=inputs[0], scale=inputs[1]))
        found = replace(found, targets=replace(scales.targets, mean=targets[0], scale=targets[1]))
        found = _unmade(read, found, data.ready.tested.tensors.network)
        hand_back()
        drop_pages(read.period.series, read.period.by_node)
        return read.at_rest(found)

    def end(
        self, model: Forecaster, past: Reservoir | None, done: Sequence[Path]
    ) -> Reservoir | None:
        """Begins anew from what the first process wrote."""
        self._files = ()
        restore(model, done)
        return past if self.records else load_past(done[-1])


def _unmade(data: PeriodData, scales: Scales, network: Float[Tensor, " time"] | None) -> Ready:
    """A period that was read and not made ready, with the scales and mean that its model saw."""
    period, readings = data.period, Readings(data.period.series, scales.inputs)
    made = (readings, period.graph, scales.targets, data.window, data.horizon, period.calendar)
    ready = Ready.of(PeriodTensors(*made, network=network), scales, Needs(), by_node=False)
    return replace(ready, made=False)


def _by_sensor(state: SavedState, node_ids: Sequence[str]) -> list[str]:
    """Tensors of extra states that hold a row for each of these sensors."""
    named = [name for name, said in state.extra.items() if said.get("node_ids") == list(node_ids)]
    return [key for key in state.tensors if key.partition("::")[0] in named and "::" in key]


def _values(scaling: object) -> tuple[Tensor, Tensor]:
    return scaling.mean, scaling.scale  # pyright: ignore[reportAttributeAccessIssue]


def _share(data: PeriodData) -> Share:
    if data.share is None:
        raise ConfigError("this process holds the whole period, not a share of it.")
    return data.share


def _pools(model: Forecaster) -> Iterator[tuple[str, PromptPool]]:
    return ((name, m) for name, m in model.named_modules() if isinstance(m, PromptPool))
