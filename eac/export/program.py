"""The model of a run as a function of tensors alone: readings, prompts, scales and edges."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from eac.artifacts.saved_data import SavedData
from eac.data.batches.batch import Inputs
from eac.data.batches.tensors import PeriodTensors
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.series.clock import Clock
from eac.data.series.history import Lag, lag_steps
from eac.data.series.readings import PartScaling, Readings
from eac.data.series.scaling import Scaler
from eac.errors import RunError
from eac.training.forecaster import Forecaster
from eac.typing import EdgeIndex, EdgeWeight, NodeSeries


@dataclass(frozen=True)
class Shape:
    """What a program takes and gives.

    Attributes:
        window: Past steps in.
        horizon: Future steps out.
        steps: Steps of readings that a call needs, the window last.
        steps_per_day: Slots of a day.
        days_per_week: Days after which the week repeats.
        prompt_width: Values of a node's prompt; None where the model has no prompts.

    Example:
        >>> shape = Shape(12, 6, steps=36, steps_per_day=24, days_per_week=7, prompt_width=None)
        >>> shape.steps - shape.window  # of history
        24
    """

    window: int
    horizon: int
    steps: int
    steps_per_day: int
    days_per_week: int
    prompt_width: int | None


class Program(nn.Module):
    """What ``eac predict`` does with one window, without any name or file.

    Readings become inputs by the same code as in training and in ``eac predict``; the graph is
    applied edge by edge, so that the numbers of nodes and of edges are free.

    Args:
        model: With its weights, pointed at any nodes.
        data: What the run kept of its data.

    Raises:
        RunError: If the model needs what is not in readings, time and graph.
    """

    def __init__(self, model: Forecaster, data: SavedData):
        super().__init__()
        self.backbone, self.strategy, self.loss = model.backbone, model.strategy, model.loss
        self.needs = model.backbone.needs
        _check(data, model)
        self.carry = data.carry
        self._trivial = data.targets.trivial
        self._calendar = Calendar(_steps_per_day(data), data.days_per_week)
        self._lags: tuple[Lag, ...] = lag_steps(self.needs.lags, self._calendar, data.horizon)
        self._lead = max((lag.steps for lag in self._lags), default=0)
        prompt = prompt_of(model, len(model.node_ids or ()), data.window)
        self.shape = Shape(
            data.window,
            data.horizon,
            self._lead + data.window,
            self._calendar.steps_per_day,
            data.days_per_week,
            None if prompt is None else prompt.shape[-1],
        )

    def forward(
        self,
        readings: NodeSeries,
        slot: Int[Tensor, " one"],
        scales: Float[Tensor, "4 node"],
        edge_index: EdgeIndex,
        edge_weight: EdgeWeight,
        prompt: Float[Tensor, "node width"] | None = None,
    ) -> Float[Tensor, "node horizon"]:
        """Forecasts in raw units.

        Where the model sees the mean of the network, it is that of all nodes given: leave out those
        that were not in the run's last period.

        Args:
            readings: Raw readings of the last ``shape.steps`` steps, NaN where missing.
            slot: Slot of the week of the last of them, from 0.
            scales: Mean and scale of the readings, mean and scale of the forecasts.
            edge_index: Row of the source and of the target of each edge.
            edge_weight: Weight of each edge.
            prompt: One row for each node, where the model has prompts.
        """
        graph = Graph(readings.shape[1], edge_index, edge_weight)
        scaler = Scaler(scales[2], scales[3], self._trivial)
        first = torch.zeros(1, dtype=torch.long)
        batch = self._tensors(readings, scales, graph, scaler).batch(first)
        inputs = replace(batch.inputs, clock=self._clock(slot), prompt=prompt)
        features = self.strategy.adapt_features(self.backbone.encode(inputs, graph), inputs)
        return self.loss.point(scaler.inverse(self.backbone.decode(features, inputs)))[0]

    def _tensors(
        self, readings: NodeSeries, scales: Float[Tensor, "4 node"], graph: Graph, scaler: Scaler
    ) -> PeriodTensors:
        ahead = readings.new_full((self.shape.horizon, readings.shape[1]), torch.nan)
        cuts = torch.empty(0, dtype=torch.long)
        scaling = PartScaling(scales[0][None], scales[1][None], cuts)
        every = Readings(torch.cat([readings, ahead]), scaling).carrying(self.carry)
        steps = range(self._lead + self.shape.window)
        return PeriodTensors(
            readings=every,
            graph=graph,
            scaler=scaler,
            window=self.shape.window,
            horizon=self.shape.horizon,
            calendar=self._calendar,
            lead=self._lead,
            lags=self._lags,
            neighbour_x=self.needs.neighbours,
            # in one piece, as a program that is traced takes any number of nodes
            network=every.scaled(steps).mean(1) if self.needs.network else None,
        )

    def _clock(self, slot: Int[Tensor, " one"]) -> Clock:
        """The clock of the window and the forecast, by the slot of the last reading."""
        window, calendar = self.shape.window, self._calendar
        ahead = torch.arange(1 - window, self.shape.horizon + 1)
        steps = (slot + ahead)[None] + window * calendar.steps_per_week
        slots = calendar.steps_per_day
        days = steps // slots % calendar.days_per_week
        return Clock(steps % slots, days, slots, calendar.days_per_week)


def prompt_of(model: Forecaster, num_nodes: int, window: int) -> Float[Tensor, "node width"] | None:
    """The prompts of the nodes that a model is pointed at; None where it has none.

    Example:
        >>> from eac import EAC, STGNN
        >>> model = Forecaster(STGNN(window=12), EAC(rank=6))
        >>> model.select_nodes(["a", "b"])
        >>> prompt_of(model, num_nodes=2, window=12).shape
        torch.Size([2, 12])
    """
    inputs = model.strategy.adapt_input(Inputs(torch.zeros(1, num_nodes, window)))
    return None if inputs.prompt is None else inputs.prompt.detach().contiguous()


def _check(data: SavedData, model: Forecaster) -> None:
    needs = model.backbone.needs
    for what, found in (
        ("series known ahead", data.covariates is not None or bool(needs.covariates)),
        ("public holidays", data.holidays is not None),
        (", ".join(extra.name for extra in needs.extras), bool(needs.extras)),
    ):
        if found:
            raise RunError(
                f"this run forecasts with {what}, which an exported program does not take. "
                "Forecast with: eac predict"
            )


def _steps_per_day(data: SavedData) -> int:
    if data.clock is not None:
        return data.clock.steps_per_day
    return round(86400 / data.step.total_seconds())
