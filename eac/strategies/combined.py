"""Forecasts combined with the last reading, on top of any strategy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from eac.backbones.base import Backbone
from eac.calibration.combination import Combination
from eac.data.batches.batch import Batch
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy
from eac.strategies.wrapper import Wrapper
from eac.typing import ForecastMemory, NodeSeries


class Combined(Wrapper):
    """Moves each sensor's forecasts towards its last reading, as far as that has served before.

    Forecast combination (Bates and Granger, 1969) with ``Combination``: the model stays as the
    other strategy trained it, and each step ahead of each sensor has a share of its own, learned
    from errors of earlier forecasts once their readings are known. A reading that errors leave out
    (``metrics.null_value``) is none here. Every test begins afresh; what the test of a period has
    taught is kept with the period, by node id, and a forecast of a finished run begins with it.

    Args:
        strategy: The strategy that trains the model.

    Example:
        >>> from eac.strategies.eac import EAC
        >>> strategy = Combined(EAC(rank=6, seed=0))
    """

    def __init__(self, strategy: Strategy):
        super().__init__(strategy)
        self._node_ids: tuple[str, ...] = ()
        self._online: Combination | None = None
        self._learned: tuple[tuple[str, ...], Tensor] = ((), torch.zeros(0, 0, 0))
        self._null_value: float | None = None

    @property
    def title(self) -> str:
        """Names the other strategy too, which decides what is trained."""
        return f"{super().title} {self.strategy.title}"

    @property
    def divides(self) -> bool:
        """As of the other strategy: what is learned of a sensor is its own."""
        return self.strategy.divides

    @property
    def forecasts_apart(self) -> bool:
        """As of the other strategy."""
        return self.strategy.forecasts_apart

    def plan(self, context: PeriodContext, backbone: Backbone) -> PeriodPlan:
        """As the other strategy does."""
        return self.strategy.plan(context, backbone)

    def begin_period(self, context: PeriodContext, backbone: Backbone) -> None:
        """As the other strategy does; from here on it is known which readings are none."""
        self._null_value = context.training.null_value
        super().begin_period(context, backbone)

    def select_nodes(self, node_ids: Sequence[str]) -> None:
        """As the other strategy does; a test of these nodes begins afresh."""
        self._node_ids, self._online = tuple(node_ids), None
        super().select_nodes(node_ids)

    def begin_forecasts(self) -> None:
        """Starts from no combination."""
        self._online = None
        super().begin_forecasts()

    def resume_forecasts(
        self, memory: ForecastMemory | None = None, since: NodeSeries | None = None
    ) -> None:
        """Goes on from ``memory``; None: from what the last test of a period has taught."""
        super().resume_forecasts(memory, since)
        known = memory or self._of_the_last_test()
        self._online = None if known is None else _of_nodes(known, self._node_ids)
        if self._online is not None and memory is None and since is not None:
            self._online = self._online.followed(self._present(since))

    def _of_the_last_test(self) -> ForecastMemory | None:
        node_ids, rows = self._learned
        return {"node_ids": node_ids, "sums": rows.permute(1, 2, 0).clone()} if node_ids else None

    def forecasts_memory(self) -> ForecastMemory | None:
        """What was learned, and the forecasts that wait for their readings."""
        if self._online is None:
            return super().forecasts_memory()
        return {"node_ids": list(self._node_ids), **self._online.state()}

    def end_forecasts(self) -> None:
        """Keeps what a test has taught."""
        super().end_forecasts()
        if self._online is not None:
            sums = torch.from_numpy(self._online.sums).permute(2, 0, 1)
            self._learned = (self._node_ids, sums.clone(memory_format=torch.contiguous_format))

    def adapt_forecast(
        self, y_hat: Float[Tensor, "batch node horizon"], batch: Batch
    ) -> Float[Tensor, "batch node horizon"]:
        """Combines forecasts in order of time; those of a batch without last readings stay."""
        y_hat = super().adapt_forecast(y_hat, batch)
        if batch.last is None:
            return y_hat
        made, steps = y_hat.detach().cpu(), batch.starts.tolist()
        if self._online is None:
            self._online = Combination(made.shape[1], made.shape[2])
        recent = self._present(batch.last(self._online.recent_steps(steps)).cpu())
        found = [self._online.through(*one) for one in zip(made, recent, steps, strict=True)]
        return torch.stack(found).to(y_hat.device)

    def _present(self, readings: Tensor) -> Tensor:
        """Readings, NaN also where errors leave them out."""
        if self._null_value is None:
            return readings
        return torch.where(readings == self._null_value, torch.nan, readings)

    def get_extra_state(self) -> dict[str, Any]:
        """What the last test has taught, of which nodes, and which readings are none."""
        node_ids, sums = self._learned
        return {"node_ids": list(node_ids), "sums": sums, "null_value": self._null_value}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Takes up what ``get_extra_state`` gave."""
        self._learned = (tuple(state["node_ids"]), state["sums"])
        self._null_value = state.get("null_value")


def _of_nodes(memory: ForecastMemory, node_ids: tuple[str, ...]) -> Combination:
    """The combination of these sensors; of one that is not in the memory nothing is known."""
    known, combination = tuple(memory["node_ids"]), Combination.of_state(memory)
    if len(known) != memory["sums"].shape[-1]:
        raise ValueError(f"{memory['sums'].shape[-1]} sums are not those of {len(known)} sensors")
    if node_ids == known:
        return combination
    row = {node: i for i, node in enumerate(known)}
    rows = [row.get(node, -1) for node in node_ids]
    return combination.of_rows(np.array(rows, dtype=np.int64))
