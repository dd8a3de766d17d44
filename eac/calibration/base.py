"""What a calibrator is: it learns from residuals that are known, and gives bounds."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eac.data.core.pieces import pieces
from eac.data.series.scaling import fit_scaler
from eac.described import Described
from eac.errors import ConfigError
from eac.typing import NodeSeries

Bounds = tuple[Float[Tensor, "node horizon level"], Float[Tensor, "node horizon level"]]

TRACKED = (50, 80, 90, 95)
"""Levels in percent that a run follows."""


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

    @staticmethod
    def of(
        node_ids: Sequence[str], series: NodeSeries, null_value: float | None = None
    ) -> "Network":
        """Describes sensors by readings that are known, NaN where missing.

        Args:
            node_ids: One for each column.
            series: Readings, such as those of a training part.
            null_value: Readings equal to this are left out.

        Example:
            >>> Network.of(["a"], torch.tensor([[1.0], [3.0]] * 20)).level.tolist()
            [2.0]
        """
        if null_value is not None:
            series = torch.where(series == null_value, torch.nan, series)
        scaler = fit_scaler(series, per_node=True)
        positive = torch.ones(series.shape[1], dtype=torch.bool)
        for _, part in pieces(series):
            positive &= ~(part < 0).any(0)
        return Network(tuple(node_ids), scaler.mean, scaler.scale, positive)


class Calibrator(Described, ABC):
    """Bounds around forecasts that hold their level, learned while forecasts are made.

    Three times are told apart, all in steps of one clock: a forecast is *issued* after the reading
    of one step; it is about a *target* step; the reading of that is *known* when ``observe`` is
    called with it. Bounds depend on nothing that is not known when they are issued.

    For each new step: ``observe`` what has become known, then take ``bounds`` of the new forecast,
    then ``issue`` it.

    Args:
        horizon: Steps of a forecast.
        steps_per_day: Slots of a day.
        levels: Percent of readings that intervals are to hold, ascending.
        late: Steps after which a reading that comes late still counts.

    Example:
        >>> from eac.calibration.rolling import RollingQuantiles
        >>> calibrator = RollingQuantiles(horizon=12, steps_per_day=24)
        >>> calibrator.horizon, calibrator.levels
        (12, (50, 80, 90, 95))
    """

    def __init__(
        self,
        horizon: int,
        steps_per_day: int,
        levels: Sequence[int] = TRACKED,
        late: int = 0,
    ):
        if not levels or list(levels) != sorted({*levels}) or not 0 < levels[0] <= levels[-1] < 100:
            raise ConfigError(
                f"levels {list(levels)}: give percents between 0 and 100, ascending, such as 80 95."
            )
        self.horizon = horizon
        self.steps_per_day = steps_per_day
        self.levels = tuple(levels)
        self.late = late

    @property
    @abstractmethod
    def node_ids(self) -> tuple[str, ...]:
        """Sensors of the current network, in the order of forecasts."""

    @property
    @abstractmethod
    def known(self) -> Network:
        """Every sensor ever seen."""

    @property
    @abstractmethod
    def age(self) -> Float[Tensor, " node"]:
        """Networks that each current sensor was part of, this one among them."""

    @abstractmethod
    def begin(self, network: Network) -> None:
        """Points at the sensors of the forecasts to come, by id; new ones borrow from alike ones.

        Forecasts that were issued for other sensors are forgotten; what was learned is kept.
        """

    @abstractmethod
    def observe(self, target: int, y: Float[Tensor, " node"]) -> None:
        """Learns from readings of one step that have become known.

        Args:
            target: Step of the readings.
            y: Readings; NaN where missing, not yet known, or given before.
        """

    @abstractmethod
    def bounds(
        self, issued: int, y_hat: Float[Tensor, "node horizon"], levels: Sequence[int] | None = None
    ) -> Bounds:
        """Lower and upper bounds; changes nothing.

        Args:
            issued: Step of the last reading that the forecast was made from.
            y_hat: The forecast of the steps after it.
            levels: Percents, between the least and the largest that are followed; None: those.

        Returns:
            Bounds by level; a wider level holds a narrower one.

        Raises:
            ConfigError: If a level is outside of what is followed.
        """

    @abstractmethod
    def issue(self, issued: int, y_hat: Float[Tensor, "node horizon"]) -> None:
        """Remembers a forecast until its readings are known; NaN where there is none."""

    @abstractmethod
    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What was learned of the current sensors: tensors, and plain values such as their ids."""

    @abstractmethod
    def load(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Takes up what ``state`` gave; ``begin`` points at sensors."""

    @abstractmethod
    def remember(self, earlier: "Calibrator") -> None:
        """Takes over what an earlier state of a run knew of sensors that are unknown to this one.

        ``state`` gives the current sensors alone; those that are gone are in earlier states.
        """

    def for_sensors(self, node_ids: Sequence[str], series: NodeSeries) -> "Calibrator":
        """This calibrator where it is pointed at these sensors; otherwise a copy that is.

        Args:
            node_ids: Sensors in the order of the forecasts.
            series: Readings of each, which describe those that were never seen.
        """
        if tuple(node_ids) == self.node_ids:
            return self
        other = self.copy()
        other.begin(self.described(node_ids, series))
        return other

    def described(self, node_ids: Sequence[str], series: NodeSeries) -> Network:
        """These sensors, as they were described before or else by their readings."""
        given, known = Network.of(node_ids, series), self.known
        row = {node: i for i, node in enumerate(known.node_ids)}
        mine = [i for i, node in enumerate(node_ids) if node in row]
        rows = [row[node_ids[i]] for i in mine]
        for name in ("level", "spread", "positive"):
            getattr(given, name)[mine] = getattr(known, name)[rows]
        return given

    def waiting(self, late: int) -> "Calibrator":
        """A copy, not pointed at any sensors, for readings that come as much as ``late`` late."""
        other = type(self)(**{**self.made_with, "late": late})
        other.load(*self.state())
        other.remember(self)
        return other

    def copy(self) -> "Calibrator":
        """An independent copy."""
        return copy.deepcopy(self)
