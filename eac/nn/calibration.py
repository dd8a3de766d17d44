"""Calibration of forecasts in the frequency domain, learned while forecasting."""

from collections import deque
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eac.errors import PlanError

BETAS = (0.9, 0.999)
EPSILON = 1e-8
"""Adam's defaults (Kingma & Ba, 2015)."""


@dataclass(frozen=True, eq=False)
class Bands:
    """The frequencies of a forecast in groups, as matrices that act along the horizon.

    Changing the amplitude of a group by the factor ``1 + a`` and its phase by ``p`` radians turns
    its share ``b`` of a forecast into ``(1 + a) (cos p b + sin p q)``, ``q`` being ``b`` a
    quarter of a period ahead. Phase does nothing to the mean nor to the highest frequency of an
    even horizon but scale it by ``cos p``.

    Attributes:
        share: Gives each group's share of a forecast.
        ahead: Gives the same a quarter of a period ahead.

    Example:
        >>> bands = Bands.split(horizon=12, num_groups=4)
        >>> y_hat = torch.rand(1, 5, 12)
        >>> same = bands.like(y_hat).calibrate(y_hat, torch.zeros(1, 2, 5, 4))
        >>> torch.allclose(same, y_hat)  # no change of amplitude or phase
        True
    """

    share: Float[Tensor, "group horizon horizon"]
    ahead: Float[Tensor, "group horizon horizon"]

    @staticmethod
    def split(horizon: int, num_groups: int) -> "Bands":
        """Groups of equal size, lowest frequencies first; the last takes what is left over."""
        spectrum = torch.fft.rfft(torch.eye(horizon, dtype=torch.float64))
        bins = spectrum.shape[1]
        num_groups = min(num_groups, bins)
        group = (torch.arange(bins) // (bins // num_groups)).clamp_max(num_groups - 1)
        member = group == torch.arange(num_groups)[:, None]
        chosen = spectrum * member[:, None]
        share, ahead = torch.fft.irfft(torch.stack([chosen, 1j * chosen]), n=horizon)
        return Bands(share, ahead)

    def like(self, tensor: Tensor) -> "Bands":
        """The same matrices in the type and on the device of ``tensor``."""
        return Bands(self.share.to(tensor), self.ahead.to(tensor))

    def calibrate(
        self,
        y_hat: Float[Tensor, "*batch node horizon"],
        setting: Float[Tensor, "*batch 2 node group"],
    ) -> Float[Tensor, "*batch node horizon"]:
        """The forecast with the amplitude and phase of each group changed."""
        amplitude, phase = setting.unbind(-3)
        along = (1 + amplitude) * phase.cos() - 1
        across = (1 + amplitude) * phase.sin()
        change = torch.einsum("...ng,...ngh->...nh", along, self._of(y_hat, self.share))
        return (
            y_hat
            + change
            + torch.einsum("...ng,...ngh->...nh", across, self._of(y_hat, self.ahead))
        )

    def gradient(
        self,
        y_hat: Float[Tensor, "node horizon"],
        setting: Float[Tensor, "2 node group"],
        residual: Float[Tensor, "node horizon"],
    ) -> Float[Tensor, "2 node group"]:
        """Of half the sum of squared residuals, by amplitude and phase."""
        amplitude, phase = setting
        share = torch.einsum("ngh,nh->ng", self._of(y_hat, self.share), residual)
        ahead = torch.einsum("ngh,nh->ng", self._of(y_hat, self.ahead), residual)
        by_amplitude = phase.cos() * share + phase.sin() * ahead
        by_phase = (1 + amplitude) * (phase.cos() * ahead - phase.sin() * share)
        return torch.stack([by_amplitude, by_phase])

    def _of(
        self,
        y_hat: Float[Tensor, "*batch node horizon"],
        matrices: Float[Tensor, "group horizon horizon"],
    ) -> Float[Tensor, "*batch node group horizon"]:
        return torch.einsum("...nh,ghk->...ngk", y_hat, matrices)


@dataclass(frozen=True, eq=False)
class NodeAdam:
    """Adam whose steps are counted node by node; a node without a target does not move.

    Attributes:
        setting: Amplitude and phase change of each node and group, at first zero.
        mean: Running mean of the gradient.
        square: Running mean of its square.
        steps: Steps taken by each node.

    Example:
        >>> adam = NodeAdam.start(num_nodes=2, num_groups=1, like=torch.zeros(()))
        >>> moved = adam.step(torch.ones(2, 2, 1), torch.tensor([True, False]), learning_rate=0.1)
        >>> moved.setting[0].flatten()  # the second node had no target
        tensor([-0.1000,  0.0000])
    """

    setting: Float[Tensor, "2 node group"]
    mean: Float[Tensor, "2 node group"]
    square: Float[Tensor, "2 node group"]
    steps: Float[Tensor, " node"]

    @staticmethod
    def start(num_nodes: int, num_groups: int, like: Tensor) -> "NodeAdam":
        """No change, nothing learned."""
        zero = like.new_zeros(2, num_nodes, num_groups)
        return NodeAdam(zero, zero, zero, like.new_zeros(num_nodes))

    def step(
        self,
        gradient: Float[Tensor, "2 node group"],
        active: Bool[Tensor, " node"],
        learning_rate: float,
    ) -> "NodeAdam":
        """One step of the active nodes."""
        first, second = BETAS
        steps = self.steps + 1
        mean = first * self.mean + (1 - first) * gradient
        square = second * self.square + (1 - second) * gradient.square()
        height = mean / (1 - first**steps)[:, None]
        width = (square / (1 - second**steps)[:, None]).sqrt() + EPSILON
        setting = self.setting - learning_rate * height / width
        moves = active[:, None]
        return NodeAdam(
            setting=torch.where(moves, setting, self.setting),
            mean=torch.where(moves, mean, self.mean),
            square=torch.where(moves, square, self.square),
            steps=torch.where(active, steps, self.steps),
        )


@dataclass(frozen=True, eq=False)
class _Made:
    """A forecast whose targets are awaited."""

    start: int
    y_hat: Float[Tensor, "node horizon"]
    y: Float[Tensor, "node horizon"]
    mask: Bool[Tensor, "node horizon"]


class OnlineCalibration:
    """Calibrates forecasts in order of time, learning from each as soon as its targets are known.

    A window's targets are known once the last of them is no later than the last reading of the
    window being forecast. Needs no autograd, so it works in inference mode.

    Args:
        num_groups: Groups of frequencies.
        learning_rate: Of Adam.

    Example:
        >>> calibrate = OnlineCalibration(num_groups=2, learning_rate=0.01)
        >>> y_hat = torch.ones(1, 3, 4)  # one window, three nodes, four steps
        >>> first = calibrate(y_hat, 2 * y_hat, y_hat > 0, torch.tensor([0]))
        >>> torch.equal(first, y_hat)  # nothing was known yet
        True
    """

    def __init__(self, num_groups: int, learning_rate: float):
        self._num_groups = num_groups
        self._learning_rate = learning_rate
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self._awaited: deque[_Made] = deque()
        self._bands: Bands | None = None
        self._adam: NodeAdam | None = None
        self._last: int | None = None

    def __call__(
        self,
        y_hat: Float[Tensor, "batch node horizon"],
        y: Float[Tensor, "batch node horizon"],
        mask: Bool[Tensor, "batch node horizon"],
        starts: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch node horizon"]:
        """The forecasts, each calibrated by what was known when it was made.

        Args:
            y_hat: Forecasts of the model.
            y: Their targets; used for later forecasts only.
            mask: True where a target was observed.
            starts: First step of each window, ascending, also from call to call.
        """
        _, num_nodes, horizon = y_hat.shape
        bands, adam = self._bands, self._adam
        if bands is None or adam is None:
            bands = Bands.split(horizon, self._num_groups).like(y_hat)
            adam = NodeAdam.start(num_nodes, len(bands.share), y_hat)
        settings = []
        for start, made in zip(
            starts.tolist(), zip(y_hat.detach(), y, mask, strict=True), strict=True
        ):
            self._check_order(start)
            while self._awaited and self._awaited[0].start + horizon <= start:
                adam = self._learn(self._awaited.popleft(), bands, adam)
            self._awaited.append(_Made(start, *made))
            settings.append(adam.setting)
        self._bands, self._adam = bands, adam
        return bands.calibrate(y_hat, torch.stack(settings))

    def _learn(self, made: _Made, bands: Bands, adam: NodeAdam) -> NodeAdam:
        """One step on the mean squared error of each node's observed targets."""
        error = bands.calibrate(made.y_hat, adam.setting) - made.y
        residual = torch.where(made.mask, error, torch.zeros_like(error))
        count = made.mask.sum(-1)
        gradient = bands.gradient(made.y_hat, adam.setting, residual)
        gradient = gradient * (2 / count.clamp_min(1))[:, None]
        return adam.step(gradient, count > 0, self._learning_rate)

    def _check_order(self, start: int) -> None:
        if self._last is not None and start < self._last:
            raise PlanError(
                f"the window at step {start} came after the one at step {self._last}, but a "
                "calibration learns in order of time. Give test windows in order, not shuffled."
            )
        self._last = start
