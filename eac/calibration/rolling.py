"""Quantiles of scaled residuals, followed step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from eac.calibration.spread import SpreadModel, SpreadSums, features

STILL = 0.05
"""Errors of about a day, relative to the usual, below which a sensor says nothing of others."""


@dataclass
class _Sums:
    """What one step says of all sensors together."""

    spread: SpreadSums
    gradient: Float[ndarray, "tail horizon"]
    count: Float[ndarray, " horizon"]


class RollingQuantiles(Calibrator):
    """Lower and upper quantiles of scaled residuals, for each sensor and step of the horizon.

    A residual is divided by the spread expected of it (``SpreadModel``: sensor, step, hour,
    forecast level, recent errors of the sensor and of the network). Each tail of each level
    follows the quantile of what results by the gradient of the pinball loss: a part that all
    sensors share, a part of the sensor and a part of the sensor and step. That is the update of
    adaptive conformal inference, in units of the score (Gibbs and Candès 2021; "quantile tracking"
    in Angelopoulos, Candès and Tibshirani 2023, arXiv 2307.16895, eq. 5), with tails on their own,
    so that intervals are asymmetric.

    Rates were chosen on validation residuals of two streams; see ``docs/intervals.md``.

    Args:
        horizon: Steps of a forecast.
        steps_per_day: Slots of a day.
        levels: Percent of readings that intervals are to hold, ascending.
        late: Steps after which a reading that comes late still counts.
        own_rate: Share of its size by which a quantile of a sensor and step moves.
        node_rate: The same of the part that all steps of a sensor share.
        pooled_rate: The same of the part that all sensors share.

    Example:
        >>> import torch
        >>> calibrator = RollingQuantiles(horizon=1, steps_per_day=24, levels=(80,))
        >>> calibrator.begin(Network.of(["a"], torch.randn(100, 1) + 50))
        >>> for step in range(400):
        ...     calibrator.observe(step, torch.tensor([50.0]) + torch.randn(1))
        ...     calibrator.issue(step, torch.tensor([[50.0]]))
        >>> low, high = calibrator.bounds(400, torch.tensor([[50.0]]))
        >>> bool(47 < low < 49.5), bool(50.5 < high < 53)
        (True, True)
    """

    def __init__(
        self,
        horizon: int,
        steps_per_day: int,
        levels: Sequence[int] = TRACKED,
        late: int = 0,
        *,
        own_rate: float = 0.01,
        node_rate: float = 0.01,
        pooled_rate: float = 0.004,
    ):
        super().__init__(horizon, steps_per_day, levels, late)
        self._rates = (own_rate, node_rate, pooled_rate)
        self._tails = tails_of(self.levels)
        self._model = SpreadModel(horizon)
        self._shared = np.tile(first_quantiles(self.levels)[:, None], horizon)
        self._issued_recent = Snapshots(horizon + late, (len(RECENT), 0))
        self._issued_network = Snapshots(horizon + late, (2,), np.float32)

    def begin(self, network: Network) -> None:
        """Points at the sensors of the forecasts to come."""
        super().begin(network)
        length = self.horizon + self.late
        self._issued_recent = Snapshots(length, (len(RECENT), self._size))
        self._issued_network = Snapshots(length, (2,), np.float32)

    def _sizes(self) -> dict[str, tuple[int, ...]]:
        tails = 2 * len(self.levels)
        return {
            "by_step": (self.horizon,),
            "by_hour": (self._bins,),
            "recent": (len(RECENT),),
            "shift": (tails,),
            "own": (tails, self.horizon),
        }

    def _common(self) -> dict[str, Tensor]:
        spread = {f"spread.{name}": value for name, value in self._model.tensors().items()}
        return spread | {"shared": torch.from_numpy(self._shared)}

    def _take_common(self, tensors: Mapping[str, Tensor]) -> None:
        self._model.load({name: tensors[f"spread.{name}"] for name in self._model.tensors()})
        self._shared = tensors["shared"].numpy().copy()

    @np.errstate(all="ignore")
    def issue(self, issued: int, y_hat: Float[Tensor, "node horizon"]) -> None:
        """Remembers a forecast until its readings are known."""
        recent = _log(self._recent(issued))
        self._pending.put(issued, y_hat.numpy())
        self._issued_recent.put(issued, recent)
        self._issued_network.put(issued, recent[:2].mean(1))

    @np.errstate(all="ignore")
    def bounds(
        self, issued: int, y_hat: Float[Tensor, "node horizon"], levels: Sequence[int] | None = None
    ) -> Bounds:
        """Lower and upper bounds by node, step and level."""
        shares = None if levels is None else mix(levels, self.levels)
        recent = _log(self._recent(issued))
        network = np.broadcast_to(recent[:2].mean(1), (self.horizon, 2))
        bins = self._bin(issued + self._ahead)
        both = self._empty(len(self.levels if levels is None else levels))
        for nodes in self._chunks():
            part, by_node = y_hat.numpy()[nodes].T, recent[None, :, nodes]
            found = self._features(part, bins, by_node, network, nodes)
            spread = self._spread(found, nodes)
            tails = np.split(self._quantiles(nodes), 2)
            if shares is not None:
                tails = [np.tensordot(shares, tail, 1) for tail in tails]
            self._put(both, nodes, part, spread, tails)
        low, high = torch.from_numpy(both).permute(0, 3, 2, 1)
        return low, high

    @np.errstate(all="ignore")
    def observe(self, target: int, y: Float[Tensor, " node"]) -> None:
        """Learns from the residuals of one step."""
        y_hat, issued = self._pending.about(target)
        readings = y.numpy()
        if not (np.isfinite(readings) & np.isfinite(y_hat).any(0)).any():
            return
        network = self._issued_network.at(issued)
        bins = self._bin(np.array([target]))
        sums: _Sums | None = None
        hour = self._memory["by_hour"][bins[0], : self._size].mean()
        for nodes in self._chunks():
            part, recent = y_hat[:, nodes], self._issued_recent.at(issued, nodes)
            at = np.where(np.isfinite(part), part, 0)
            found = self._features(at, bins, recent, network, nodes)
            one = self._learn(readings[nodes] - part, found, int(bins[0]), hour, nodes)
            sums = one if sums is None else _added(sums, one)
        if sums is not None:
            self._learn_shared(sums)
        self._last = target if self._last is None else max(self._last, target)

    def _learn(
        self,
        residual: Float[ndarray, "horizon node"],
        found: Float[ndarray, "feature horizon node"],
        hour_bin: int,
        hour: np.floating,
        nodes: slice,
    ) -> _Sums:
        """Moves what belongs to some sensors, and returns what they say of all."""
        known = np.isfinite(residual)
        weight = known.astype(np.float32)
        residual = np.where(known, residual, np.float32(0))
        spread = self._spread(found, nodes)
        below = residual / spread < self._quantiles(nodes)
        gradient = (self._tails[:, None, None] - below) * weight
        own, node, _ = self._rates
        size = np.abs(self._shared)
        self._memory["own"][..., nodes] += gradient * (own * size)[..., None]
        self._memory["shift"][:, nodes] += node * gradient.mean(1) * size.mean(1)[:, None]
        residual = np.abs(residual)
        relative = np.minimum(residual / spread, FAR)
        moving = weight * (self._memory["recent"][1, nodes] > STILL)
        spread_sums = self._model.sums(found, relative, moving)
        sums = _Sums(spread_sums, (gradient * moving).sum(-1), moving.sum(1))
        learn_sizes(self._memory, residual, weight, hour_bin, hour, nodes)
        return sums

    def _learn_shared(self, sums: _Sums) -> None:
        """Moves what all sensors share."""
        count = np.maximum(sums.count, 1)
        early = max(1.0, 20 * 2.718281828 ** (-self._learned / 100))
        rate = min(3 * self._rates[2] * early, 0.5)
        self._shared += rate * (sums.gradient / count) * np.abs(self._shared)
        self._model.learn(sums.spread, count)
        self._learned += 1

    def _features(
        self,
        y_hat: Float[ndarray, "horizon node"],
        bins: Int[ndarray, " step"],
        recent: Float[ndarray, "#horizon rate node"],
        network: Float[ndarray, "horizon 2"],
        nodes: slice,
    ) -> Float[ndarray, "feature horizon node"]:
        level = self._memory["level"][nodes]
        by_hour = self._memory["by_hour"][:, nodes][bins]
        return features(y_hat, level, by_hour, recent, network)

    def _spread(
        self, found: Float[ndarray, "feature horizon node"], nodes: slice
    ) -> Float[ndarray, "horizon node"]:
        base = self._memory["error"][nodes] + self._memory["by_step"][:, nodes]
        base += self._model.log_factor(found)
        return np.exp(np.clip(base, -30, 30, out=base), out=base)

    def _quantiles(self, nodes: slice) -> Float[ndarray, "tail horizon node"]:
        """Of the scaled residuals: lower tails by level, then upper tails."""
        own, shift = self._memory["own"][..., nodes], self._memory["shift"][:, None, nodes]
        return own + shift + self._shared[..., None]

    def _recent(self, issued: int) -> Float[ndarray, "rate node"]:
        since = 0 if self._last is None else issued - self._last
        return recent_errors(self._memory, self._size, since)


def _log(recent: Float[ndarray, "rate node"]) -> Float[ndarray, "rate node"]:
    return np.log(recent + 0.05)


def _added(a: _Sums, b: _Sums) -> _Sums:
    return _Sums(a.spread + b.spread, a.gradient + b.gradient, a.count + b.count)
