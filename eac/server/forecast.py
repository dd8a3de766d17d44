"""One forecast of the whole network, cut by request."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import msgspec
import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from eac.data.core.wall import is_shown
from eac.errors import ConfigError


@dataclass(frozen=True, eq=False)
class GenerationName:
    """What an answer says of what made it.

    Attributes:
        number: Counts activations of this server; never used twice.
        artifact: Id of the artifact.
        period: Period that left it.

    Example:
        >>> GenerationName(2, artifact="4f1c", period="2024-01").number
        2
    """

    number: int
    artifact: str
    period: str


@dataclass(frozen=True, eq=False)
class NetworkForecast:
    """A forecast of every sensor with its bounds; never changed, and replaced as a whole.

    Attributes:
        generation: What made it.
        issued: Time stamp of the last reading that it was made from.
        step: Time between two steps.
        node_ids: Sensors.
        notes: What to know of each; empty where there is nothing.
        y_hat: ``[node, horizon]``.
        levels: Percents of the bounds; none where the run made no intervals.
        low: ``[node, horizon, level]``.
        high: ``[node, horizon, level]``.
        row: Of each sensor.

    Example:
        >>> name, none = GenerationName(1, "4f1c", "2024-01"), np.zeros((1, 2, 0), np.float32)
        >>> forecast = NetworkForecast(
        ...     name, datetime(2024, 1, 31), timedelta(hours=1), ("a",), ("",),
        ...     y_hat=np.array([[41.5, 40.0]], np.float32), levels=(), low=none, high=none,
        ... )
        >>> msgspec.json.decode(forecast.body(["a"], []))["forecasts"][0]["y_hat"]
        [41.5, 40.0]
    """

    generation: GenerationName
    issued: datetime
    step: timedelta
    node_ids: tuple[str, ...]
    notes: tuple[str, ...]
    y_hat: NDArray[np.float32]
    levels: tuple[int, ...]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    _parts: dict[tuple[int, tuple[int, ...]], bytes] = field(default_factory=dict)
    row: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        self.row.update({node: i for i, node in enumerate(self.node_ids)})

    def unknown(self, sensors: Sequence[str]) -> list[str]:
        """Those of the sensors that have no forecast here."""
        return [sensor for sensor in sensors if sensor not in self.row]

    @cached_property
    def trouble(self) -> str | None:
        """Why none of the sensors has a forecast; None where one has."""
        if not self.node_ids or np.isfinite(self.y_hat).all(1).any():
            return None
        return f"of {len(self.node_ids)} sensors none has a forecast: {self.notes[0]}"

    def body(self, sensors: Sequence[str] | None, levels: Sequence[int]) -> bytes:
        """The answer to a request as JSON; the part of a sensor is made once.

        Raises:
            ConfigError: If a level is not among those of the bounds.
        """
        for level in levels:
            if level not in self.levels:
                known = ", ".join(map(str, self.levels)) or "none"
                raise ConfigError(f"level {level} is not followed. Ask for one of: {known}.")
        rows = range(len(self.node_ids)) if sensors is None else [self.row[s] for s in sensors]
        asked = tuple(levels)
        parts = b",".join(
            [self._parts.get((row, asked)) or self._rendered(row, asked) for row in rows]
        )
        return b"".join((self._head, b"[", parts, b"]}"))

    @cached_property
    def _head(self) -> bytes:
        said = {
            "generation": vars(self.generation),
            "issued": self.issued.isoformat(),
            "step_seconds": self.step.total_seconds(),
        }
        return msgspec.json.encode(said)[:-1] + b',"forecasts":'

    @cached_property
    def _there(self) -> list[int]:
        """Steps of the horizon that the clock shows: a change to summer time leaves some out."""
        times = [self.issued + (k + 1) * self.step for k in range(self.y_hat.shape[1])]
        return [k for k, time in enumerate(times) if is_shown(time)]

    @cached_property
    def _stamps(self) -> msgspec.Raw:
        times = [(self.issued + (k + 1) * self.step).isoformat() for k in self._there]
        return msgspec.Raw(msgspec.json.encode(times))

    def _rendered(self, row: int, levels: tuple[int, ...]) -> bytes:
        at = [self.levels.index(level) for level in levels]
        bounds = (self.low[row][:, at].T, self.high[row][:, at].T)
        lines = rounded(np.vstack([self.y_hat[row][None], *bounds])[:, self._there]).tolist()
        names = [f"y_hat-{side}-{level}" for side in ("lo", "hi") for level in levels]
        said = {
            "unique_id": self.node_ids[row],
            "note": self.notes[row],
            "ds": self._stamps,
            **dict(zip(("y_hat", *names), lines, strict=True)),
        }
        part = msgspec.json.encode(said)  # NaN becomes null
        self._parts[row, levels] = part
        return part


def rounded(values: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Values with six digits, NaN where they are not finite.

    Example:
        >>> rounded(np.array([123.4567891, -0.00012345678, 98765432.1, np.inf])).tolist()
        [123.457, -0.000123457, 98765400.0, nan]
    """
    exact = values.astype(np.float64)
    finite = np.isfinite(exact) & (exact != 0)
    digits = 5 - np.floor(np.log10(np.abs(exact, where=finite, out=np.ones_like(exact))))
    up, down = 10.0 ** np.maximum(digits, 0), 10.0 ** np.maximum(-digits, 0)
    return np.where(np.isfinite(exact), np.round(exact / down * up) / up * down, np.nan)
