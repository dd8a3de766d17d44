"""What a calibrator is: it learns from residuals that are known, and gives bounds."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from eac.calibration.levels import uncrossed
from eac.calibration.network import Network
from eac.calibration.node_memory import NodeMemory
from eac.calibration.pending import Pending
from eac.described import Described
from eac.errors import CheckpointError, ConfigError
from eac.typing import NodeSeries

Bounds = tuple[Float[Tensor, "node horizon level"], Float[Tensor, "node horizon level"]]

TRACKED = (50, 80, 90, 95)
"""Levels in percent that a run follows."""
HOURS = 24
"""Parts of a day, at most, whose errors are told apart."""
NODES_AT_ONCE = 2048


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
        self._bins = min(HOURS, steps_per_day)
        self._ahead = np.arange(1, horizon + 1)
        self._memory = NodeMemory(self._sizes())
        self._size = 0
        self._pending = Pending(0, horizon, late)
        self._learned = 0
        self._last: int | None = None

    @property
    def node_ids(self) -> tuple[str, ...]:
        """Sensors of the current network, in the order of forecasts."""
        return self._memory.node_ids[: self._size]

    @property
    def known(self) -> Network:
        """Every sensor ever seen."""
        return self._memory.known()

    @property
    def age(self) -> Float[Tensor, " node"]:
        """Networks that each current sensor was part of, this one among them."""
        return torch.from_numpy(self._memory["age"][: self._size])

    @abstractmethod
    def _sizes(self) -> dict[str, tuple[int, ...]]:
        """Shape without the sensor of each array that is kept by sensor, by name."""

    @abstractmethod
    def _common(self) -> dict[str, Tensor]:
        """What was learned of all sensors together, by name."""

    @abstractmethod
    def _take_common(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes up what ``_common`` gave."""

    def begin(self, network: Network) -> None:
        """Points at the sensors of the forecasts to come, by id; new ones borrow from alike ones.

        Forecasts that were issued for other sensors are forgotten; what was learned is kept.
        """
        self._memory.begin(network)
        self._size = len(network.node_ids)
        self._pending = Pending(self._size, self.horizon, self.late)

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

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What was learned of the current sensors: tensors, and plain values such as their ids.

        Forecasts whose readings are not known are left out.
        """
        arrays = self._memory.arrays.items()
        tensors = {f"node.{name}": torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays}
        values = {
            "node_ids": list(self._memory.node_ids),
            "learned": self._learned,
            "last": self._last,
            "levels": list(self.levels),
            "horizon": self.horizon,
            "steps_per_day": self.steps_per_day,
        }
        return tensors | self._common(), values

    def load(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Takes up what ``state`` gave; ``begin`` points at sensors.

        Raises:
            CheckpointError: If it is of other levels or another horizon.
        """
        made = {"levels": list(self.levels), "horizon": self.horizon}
        if any(values.get(name) != value for name, value in made.items()):
            raise CheckpointError(
                f"the calibration is of levels {values.get('levels')} and {values.get('horizon')} "
                f"steps, not of {made['levels']} and {self.horizon}. Run the period again."
            )
        for name in self._memory.arrays:
            self._memory.arrays[name] = tensors[f"node.{name}"].numpy().copy()
        self._memory.node_ids = tuple(values["node_ids"])
        self._take_common(tensors)
        self._learned, self._last = values["learned"], values["last"]

    def remember(self, earlier: "Calibrator") -> None:
        """Takes over what an earlier state of a run knew of sensors that are unknown to this one.

        ``state`` gives the current sensors alone; those that are gone are in earlier states.
        """
        if type(earlier) is type(self):
            self._memory.remember(earlier._memory)

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

    def _bin(self, steps: Int[ndarray, " step"]) -> Int[ndarray, " step"]:
        """Part of the day of each step."""
        return steps % self.steps_per_day * self._bins // self.steps_per_day

    def _put(
        self,
        bounds: Float[ndarray, "2 levels horizon node"],
        nodes: slice,
        middle: Float[ndarray, "horizon some"],
        spread: Float[ndarray, "horizon some"],
        tails: Sequence[Float[ndarray, "level horizon some"]],
    ) -> None:
        """Fills in the bounds of some sensors, from the quantiles of lower and upper tails."""
        least = np.where(self._memory["positive"][nodes] > 0, np.float32(0), np.float32(-np.inf))
        for bound, tail in zip(bounds, uncrossed(*tails), strict=True):
            tail *= spread
            tail += middle
            np.maximum(tail, least, out=bound[..., nodes])

    def _empty(self, levels: int) -> Float[ndarray, "2 levels horizon node"]:
        """Room for bounds, laid out as they are computed: level by level."""
        return np.empty((2, levels, self.horizon, self._size), np.float32)

    def _chunks(self) -> Iterator[slice]:
        """Some sensors at once, few enough to stay in the cache."""
        for first in range(0, self._size, NODES_AT_ONCE):
            yield slice(first, min(first + NODES_AT_ONCE, self._size))
