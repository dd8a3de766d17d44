"""Conformal control of quantiles around a bias that is followed."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from eac.calibration.base import TRACKED, Bounds, Calibrator
from eac.calibration.levels import first_quantiles, mix, tails_of
from eac.calibration.network import Network
from eac.calibration.pending import Snapshots
from eac.calibration.sizes import FAR, RECENT, learn_sizes, recent_errors

STEEPEST = 1.4
"""Where the tangent of the integral saturates; it has a pole at 1.57."""
LATELY, OF_LATELY = 1, 0.8
"""Which of the recent errors counts, that of about a day, and its exponent in the size."""
SATURATION = 0.5
"""Share of missed readings, times the logarithm of the steps, at which the tangent is steep."""


class ConformalPID(Calibrator):
    """Quantiles of scaled residuals of each sensor, held by proportional and integral control.

    A residual is divided by the size of residuals that the sensor usually has at that step and
    hour, times that of late, and the bias of the sensor and step is taken from the score: an
    exponential mean of earlier scores, which centres the interval again when forecasts drift. The
    quantile of each tail then has two parts: one moves against each miss, the other grows with the
    sum of all misses by a tangent that saturates (proportional and integral control in
    Angelopoulos, Candès and Tibshirani 2023, arXiv 2307.16895, sections 2.1 and 2.2, each tail on
    its own; the bias stands in the place of their scorecaster). Sensors share nothing, so that one
    sensor's change is no other's.

    Rates were chosen on validation residuals of two streams; see ``docs/intervals.md``.

    Args:
        horizon: Steps of a forecast.
        steps_per_day: Slots of a day.
        levels: Percent of readings that intervals are to hold, ascending.
        late: Steps after which a reading that comes late still counts.
        rate: Share of its first size by which a quantile moves.
        integral: Weight of the sum of misses, in sizes of residuals.
        bias_rate: Share of a new score in the bias.

    Example:
        >>> import torch
        >>> calibrator = ConformalPID(horizon=1, steps_per_day=24, levels=(80,))
        >>> calibrator.begin(Network.of(["a"], torch.randn(100, 1) + 50))
        >>> for step in range(400):
        ...     calibrator.observe(step, torch.tensor([53.0]) + torch.randn(1))
        ...     calibrator.issue(step, torch.tensor([[50.0]]))
        >>> low, high = calibrator.bounds(400, torch.tensor([[50.0]]))
        >>> bool(50 < low < 52.5), bool(53.5 < high < 56)  # forecasts are 3 too low
        (True, True)
    """

    def __init__(
        self,
        horizon: int,
        steps_per_day: int,
        levels: Sequence[int] = TRACKED,
        late: int = 0,
        *,
        rate: float = 0.05,
        integral: float = 0.5,
        bias_rate: float = 0.01,
    ):
        super().__init__(horizon, steps_per_day, levels, late)
        self._rate, self._integral, self._bias_rate = rate, integral, bias_rate
        self._tails = tails_of(self.levels)
        self._first = first_quantiles(self.levels)
        self._issued = Snapshots(horizon + late, (1, 0))

    def begin(self, network: Network) -> None:
        """Points at the sensors of the forecasts to come."""
        super().begin(network)
        self._issued = Snapshots(self.horizon + self.late, (1, self._size))

    def _sizes(self) -> dict[str, tuple[int, ...]]:
        tails = 2 * len(self.levels)
        return {
            "by_step": (self.horizon,),
            "by_hour": (self._bins,),
            "recent": (len(RECENT),),
            "bias": (self.horizon,),
            "missed": (tails,),
            "own": (tails, self.horizon),
        }

    def _common(self) -> dict[str, Tensor]:
        return {}

    def _take_common(self, tensors: Mapping[str, Tensor]) -> None:
        del tensors

    @np.errstate(all="ignore")
    def issue(self, issued: int, y_hat: Float[Tensor, "node horizon"]) -> None:
        """Remembers a forecast until its readings are known."""
        self._pending.put(issued, y_hat.numpy())
        self._issued.put(issued, self._lately(issued)[None])

    @np.errstate(all="ignore")
    def bounds(
        self, issued: int, y_hat: Float[Tensor, "node horizon"], levels: Sequence[int] | None = None
    ) -> Bounds:
        """Lower and upper bounds by node, step and level."""
        shares = mix(self.levels if levels is None else levels, self.levels)
        bins = self._bin(issued + self._ahead)
        both = self._empty(len(shares))
        lately = self._lately(issued)
        for nodes in self._chunks():
            spread = self._spread(bins, lately[None, nodes], nodes)
            bias = self._memory["bias"][:, nodes]
            tails = [np.tensordot(shares, t, 1) for t in np.split(self._quantiles(nodes), 2)]
            self._put(both, nodes, y_hat.numpy()[nodes].T + spread * bias, spread, tails)
        low, high = torch.from_numpy(both).permute(0, 3, 2, 1)
        return low, high

    @np.errstate(all="ignore")
    def observe(self, target: int, y: Float[Tensor, " node"]) -> None:
        """Learns from the residuals of one step."""
        y_hat, issued = self._pending.about(target)
        readings = y.numpy()
        if not (np.isfinite(readings) & np.isfinite(y_hat).any(0)).any():
            return
        hour_bin = int(self._bin(np.array([target]))[0])
        hour = self._memory["by_hour"][hour_bin, : self._size].mean()
        for nodes in self._chunks():
            lately = self._issued.at(issued, nodes)[:, 0]
            self._learn(readings[nodes] - y_hat[:, nodes], lately, hour_bin, hour, nodes)
        self._learned += 1
        self._last = target if self._last is None else max(self._last, target)

    def _learn(
        self,
        residual: Float[ndarray, "horizon node"],
        lately: Float[ndarray, "horizon node"],
        hour_bin: int,
        hour: np.floating,
        nodes: slice,
    ) -> None:
        """Moves quantiles against what was missed, then the bias and the sizes."""
        known = np.isfinite(residual)
        weight, residual = known.astype(np.float32), np.where(known, residual, np.float32(0))
        bins = np.full(self.horizon, hour_bin)
        score = residual / self._spread(bins, lately, nodes)
        bias, tails = self._memory["bias"][:, nodes], self._tails[:, None, None]
        below = score - bias < self._quantiles(nodes)
        gradient = (tails - below) * weight
        size = np.abs(self._first)
        self._memory["own"][..., nodes] += self._rate * gradient * size[:, None, None]
        self._memory["missed"][:, nodes] += gradient.sum(1) / np.maximum(weight.sum(0), 1)
        bias += self._bias_rate * weight * (np.clip(score, -FAR, FAR) - bias)
        learn_sizes(self._memory, np.abs(residual), weight, hour_bin, hour, nodes)

    def _lately(self, issued: int) -> Float[ndarray, " node"]:
        """Log of the size of residuals of late, relative to the usual."""
        since = 0 if self._last is None else issued - self._last
        recent = recent_errors(self._memory, self._size, since)[LATELY]
        return OF_LATELY * np.log(recent + 0.05)

    def _spread(
        self, bins: Int[ndarray, " step"], lately: Float[ndarray, "#step node"], nodes: slice
    ) -> Float[ndarray, "step node"]:
        """Size of residuals expected of each sensor by step, at these parts of the day."""
        base = self._memory["error"][nodes] + self._memory["by_step"][:, nodes]
        base += self._memory["by_hour"][:, nodes][bins]
        base += lately
        return np.exp(np.clip(base, -30, 30, out=base), out=base)

    def _quantiles(self, nodes: slice) -> Float[ndarray, "tail horizon node"]:
        """Of the centred scores: lower tails by level, then upper tails."""
        steps = self._memory["count"][nodes] + 1
        mean = self._memory["missed"][:, nodes] * np.log(steps + 1) / steps
        sums = np.tan(np.clip(mean / SATURATION, -STEEPEST, STEEPEST))
        integral = self._integral * sums * np.abs(self._first)[:, None]
        return self._memory["own"][..., nodes] + (self._first[:, None] + integral)[:, None]
