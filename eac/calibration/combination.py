"""How far the last reading is trusted beside a forecast, learned from matured forecasts."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from eac.calibration.pending import Pending, Snapshots
from eac.typing import NodeSeries

SHARES = (0.2, 0.5, 1.0)
"""Shares of the way from a forecast to the last reading; the forecast itself is one more."""
MEMORY = 168
"""Forecasts after which an error counts for a third of what it counted."""
RATE = 2.0
"""By how much what erred less gains."""
PRIOR = 4.0
"""Logarithm of the weight that the forecast has over each other share before anything is known.

How these were chosen stands in ``docs/practical-trials.md``.
"""
NODES_AT_ONCE = 2048

Sums: TypeAlias = Float[ndarray, "5 horizon node"]
"""By share what it erred more than the forecast, the forecast's errors, and how many there were."""


class Combination:
    """Moves forecasts towards the last reading as far as that has served each sensor and step.

    The mean of forecasts with exponential weights (Cesa-Bianchi and Lugosi, Prediction, Learning,
    and Games, 2006): of the forecast, of the last reading, and of points between, each weighed by
    its absolute errors, of which old ones fade. The weight of share ``s`` of a sensor and step is
    ``exp(-RATE sqrt(n) (L_s - L_0) / L_0)``, ``L`` being the sums of errors and ``n`` their count;
    that of the forecast alone is ``exp(PRIOR)``.

    Only readings that a forecast was made from teach anything, so nothing looks ahead. Forecasts
    come in order of time; those of one step may be repeated, and steps left out.

    Args:
        num_nodes: Sensors of a forecast.
        horizon: Steps of a forecast.
        sums: What was learned before; None: nothing.

    Example:
        >>> combined = Combination(num_nodes=1, horizon=1)
        >>> first = combined.through(torch.tensor([[10.0]]), torch.tensor([[8.0]]), step=0)
        >>> bool(abs(first - 10.0) < 0.1)  # nothing is known yet
        True
        >>> for step in range(1, 40):  # the reading is 8 for ever
        ...     last = combined.through(torch.tensor([[10.0]]), torch.tensor([[8.0]]), step)
        >>> bool(abs(last - 8.0) < 0.1)
        True
    """

    def __init__(self, num_nodes: int, horizon: int, sums: Sums | None = None):
        none = np.zeros((len(SHARES) + 2, horizon, num_nodes), np.float32)
        self.sums = none if sums is None else sums
        self._ahead = np.arange(1, horizon + 1)
        self._pending = Pending(num_nodes, horizon, late=1)  # the newest step may be repeated
        self._last = Snapshots(horizon + 1, (num_nodes,), np.float32)
        self._now: int | None = None
        self._read = np.zeros(num_nodes, bool)

    def through(
        self, y_hat: Float[Tensor, "node horizon"], recent: Float[Tensor, "node some"], step: int
    ) -> Float[Tensor, "node horizon"]:
        """The forecast made at a step, combined with the reading of that step.

        Args:
            y_hat: Forecast of the next steps.
            recent: Readings up to ``step``, which is the last; NaN where there is none, which
                leaves the forecast as it is. What came since the forecast before teaches, up to
                a step late.
            step: On one clock for all forecasts.
        """
        readings, made = recent.numpy().T.astype(np.float32), y_hat.numpy()
        for target, read in enumerate(readings, step + 1 - len(readings)):
            if self._now is None or target >= self._now:
                self._learn(target, read)
        read = readings[-1]
        self._pending.put(step, made)
        self._last.put(step, read)
        away = np.nan_to_num(read - made.T)
        return torch.from_numpy(np.ascontiguousarray((made.T + self._shares() * away).T))

    def followed(self, readings: NodeSeries) -> "Combination":
        """The same after steps that were read and not forecast, such as those since a run ended.

        What the last reading erred is known of them; the forecast is taken to have erred as it
        did on average. So a sensor that moves again is not held still for long.

        Args:
            readings: Of these steps, after those of as many steps as a forecast has.
        """
        rows, horizon = readings.numpy().astype(np.float32), len(self._ahead)
        rows = rows[-(MEMORY + horizon) :]
        other = Combination(rows.shape[1], horizon, self.sums.copy())
        gain, (size, count) = other.sums[:-2], other.sums[-2:]
        for now in range(horizon, len(rows)):
            error = np.abs(rows[now] - rows[now - self._ahead])
            usual = size / np.maximum(count, np.float32(1e-12))
            known = np.isfinite(error) & (count > 0)
            other.sums *= np.float32(np.exp(-1 / MEMORY))
            for share, sum_of in zip(SHARES, gain, strict=True):
                np.add(sum_of, np.float32(share) * (error - usual), out=sum_of, where=known)
            np.add(size, usual, out=size, where=known)
            count += known
        return other

    def recent_steps(self, steps: Sequence[int]) -> int:
        """Readings up to each of these forecasts that can teach what none before it has.

        Example:
            >>> Combination(1, horizon=1).recent_steps([3, 4, 7])
            4
        """
        before = [steps[0] if self._now is None else self._now, *steps[:-1]]
        return 1 + max(0, *(now - then for now, then in zip(steps, before, strict=True)))

    def of_rows(self, rows: Int[ndarray, " node"]) -> "Combination":
        """The same of sensors of these rows, -1 for one of which nothing is known.

        Forecasts that wait for their readings are forgotten.
        """
        sums = np.zeros((*self.sums.shape[:-1], len(rows)), np.float32)
        sums[..., rows >= 0] = self.sums[..., rows[rows >= 0]]
        return Combination(len(rows), len(self._ahead), sums)

    def state(self) -> dict[str, Any]:
        """Everything, as tensors that share memory with it, and plain values.

        Example:
            >>> combined = Combination(num_nodes=1, horizon=1)
            >>> _ = combined.through(torch.tensor([[10.0]]), torch.tensor([[8.0]]), step=3)
            >>> Combination.of_state(combined.state()).recent_steps([5])
            3
        """
        arrays = {"sums": self.sums, "last": self._last.kept, "read": self._read}
        arrays |= {"pending": self._pending.kept, "issued": self._pending.issued}
        return {"now": self._now} | {name: torch.from_numpy(one) for name, one in arrays.items()}

    @staticmethod
    def of_state(state: Mapping[str, Any]) -> "Combination":
        """What ``state`` gave, or its ``sums`` alone.

        Raises:
            KeyError: If there are no sums.
            ValueError: If shapes do not fit each other.
        """
        sums = state["sums"].numpy()
        shares, horizon, num_nodes = sums.shape
        made = Combination(num_nodes, horizon, sums)
        if shares != len(SHARES) + 2:
            raise ValueError(f"there are {shares} sums of each forecast, not {len(SHARES) + 2}")
        if "now" in state:
            made._now, made._read = state["now"], state["read"].numpy()
            made._pending.take(state["pending"].numpy(), state["issued"].numpy())
            made._last.take(state["last"].numpy())
            if made._read.shape != (num_nodes,):
                raise ValueError(f"{len(made._read)} readings are not those of {num_nodes} sensors")
        return made

    def _learn(self, step: int, read: Float[ndarray, " node"]) -> None:
        """From what was forecast of a step; of one that is known, from what has come since."""
        fade = np.float32(1.0)
        if step != self._now:
            self._now, self._read = step, np.zeros_like(self._read)
            fade = np.float32(np.exp(-1 / MEMORY))
        read = np.where(self._read, np.float32(np.nan), read)
        self._read |= np.isfinite(read)
        if not np.isfinite(read).any() and fade == 1:
            return
        made, _ = self._pending.about(step)
        last = self._last.at(step - self._ahead)
        for some in self._chunks():
            gain, (size, count) = self.sums[:-2, :, some], self.sums[-2:, :, some]
            residual = read[some] - made[:, some]
            away, error = last[:, some] - made[:, some], np.abs(residual)
            known = np.isfinite(error) & np.isfinite(away)
            self.sums[..., some] *= fade
            for share, sum_of in zip(SHARES, gain, strict=True):
                more = np.abs(residual - np.float32(share) * away) - error
                np.add(sum_of, more, out=sum_of, where=known)
            np.add(size, error, out=size, where=known)
            count += known

    def _shares(self) -> Float[ndarray, "horizon node"]:
        """How far each forecast is moved."""
        shares = np.empty(self.sums.shape[1:], np.float32)
        for some in self._chunks():
            gain, (size, count) = self.sums[:-2, :, some], self.sums[-2:, :, some]
            slope = np.float32(-RATE) * np.sqrt(count) / np.maximum(size, np.float32(1e-12))
            weights = np.exp(np.clip(slope * gain - np.float32(PRIOR), -60, 60))
            moved = np.tensordot(np.array(SHARES, np.float32), weights, 1)
            shares[:, some] = moved / (1 + weights.sum(0))
        return shares

    def _chunks(self) -> list[slice]:
        count = self.sums.shape[-1]
        return [slice(i, min(i + NODES_AT_ONCE, count)) for i in range(0, count, NODES_AT_ONCE)]
