"""The sensors that forecasts are made for."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eac.data.core.among import EVERY, Among
from eac.data.core.pieces import pieces
from eac.data.series.scaling import fit_scaler
from eac.typing import NodeSeries


@dataclass(frozen=True, eq=False)
class Network:
    """The sensors that forecasts are made for, and what their readings are like.

    Attributes:
        node_ids: In the order of the forecasts.
        level: Mean of the readings of each.
        spread: Standard deviation of the readings of each, positive.
        positive: True where no reading is below 0; bounds then are not either.
    """

    node_ids: tuple[str, ...]
    level: Float[Tensor, " node"]
    spread: Float[Tensor, " node"]
    positive: Bool[Tensor, " node"]

    def subset(self, rows: Int[Tensor, " chosen"]) -> "Network":
        """Some of the sensors.

        Example:
            >>> both = Network.of(["a", "b"], torch.tensor([[1.0, 2.0], [3.0, 6.0]] * 20))
            >>> both.subset(torch.tensor([1])).level.tolist()
            [4.0]
        """
        ids = tuple(self.node_ids[row] for row in rows.tolist())
        return Network(ids, self.level[rows], self.spread[rows], self.positive[rows])

    @staticmethod
    def of(
        node_ids: Sequence[str],
        series: NodeSeries,
        null_value: float | None = None,
        among: Among = EVERY,
    ) -> "Network":
        """Describes sensors by readings that are known, NaN where missing.

        Args:
            node_ids: One for each column.
            series: Readings, such as those of a training part.
            null_value: Readings equal to this are left out.
            among: Sensors that those with few readings take after.

        Example:
            >>> Network.of(["a"], torch.tensor([[1.0], [3.0]] * 20)).level.tolist()
            [2.0]
        """
        if null_value is not None:
            series = torch.where(series == null_value, torch.nan, series)
        scaler = fit_scaler(series, per_node=True, among=among)
        positive = torch.ones(series.shape[1], dtype=torch.bool)
        for _, part in pieces(series):
            positive &= ~(part < 0).any(0)
        return Network(tuple(node_ids), scaler.mean, scaler.scale, positive)
