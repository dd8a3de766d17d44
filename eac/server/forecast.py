"""One forecast of the whole network, cut by request."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from eac.errors import ConfigError


@dataclass(frozen=True, eq=False)
class GenerationName:
    """What an answer says of what made it.

    Attributes:
        number: Counts activations of this server; never used twice.
        artifact: Id of the artifact.
        period: Period that left it.
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
    _parts: dict[tuple[str, tuple[int, ...]], str] = field(default_factory=dict)
    _row: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        self._row.update({node: i for i, node in enumerate(self.node_ids)})

    def unknown(self, sensors: Sequence[str]) -> list[str]:
        """Those of the sensors that have no forecast here."""
        return [sensor for sensor in sensors if sensor not in self._row]

    def body(self, sensors: Sequence[str] | None, levels: Sequence[int]) -> bytes:
        """The answer to a request as JSON.

        Raises:
            ConfigError: If a level is not among those of the bounds.
        """
        for level in levels:
            if level not in self.levels:
                known = ", ".join(map(str, self.levels)) or "none"
                raise ConfigError(f"level {level} is not followed. Ask for one of: {known}.")
        chosen = self.node_ids if sensors is None else sensors
        parts = ",".join(self._part(sensor, tuple(levels)) for sensor in chosen)
        return f'{{{self._head()},"forecasts":[{parts}]}}'.encode()

    def _head(self) -> str:
        said = {
            "generation": vars(self.generation),
            "issued": self.issued.isoformat(),
            "step_seconds": self.step.total_seconds(),
        }
        return json.dumps(said, ensure_ascii=False)[1:-1]

    def _part(self, sensor: str, levels: tuple[int, ...]) -> str:
        key = (sensor, levels)
        if key not in self._parts:
            self._parts[key] = self._rendered(sensor, levels)
        return self._parts[key]

    def _rendered(self, sensor: str, levels: tuple[int, ...]) -> str:
        row = self._row[sensor]
        ahead = range(1, self.y_hat.shape[1] + 1)
        said = {
            "unique_id": sensor,
            "note": self.notes[row],
            "ds": [(self.issued + k * self.step).isoformat() for k in ahead],
            "y_hat": _numbers(self.y_hat[row]),
        }
        for level in levels:
            at = self.levels.index(level)
            said[f"y_hat-lo-{level}"] = _numbers(self.low[row, :, at])
            said[f"y_hat-hi-{level}"] = _numbers(self.high[row, :, at])
        return json.dumps(said, ensure_ascii=False)


def _numbers(values: NDArray[np.float32]) -> list[float | None]:
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values.tolist()]
