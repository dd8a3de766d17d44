"""Series that are known ahead: a weather forecast, planned closures, opening hours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eac.errors import StreamError


@dataclass(frozen=True, eq=False)
class Covariates:
    """What is known beforehand of every step of a period.

    Attributes:
        names: One for each channel.
        values: NaN where unknown; one column for each node, or one for all.

    Example:
        >>> given = Covariates(("rain",), torch.tensor([[[0.0]], [[2.0]]]))  # for all nodes
        >>> given.values.shape
        torch.Size([2, 1, 1])
    """

    names: tuple[str, ...]
    values: Float[Tensor, "time column channel"]

    def check(self, num_steps: int, node_ids: tuple[str, ...], what: str) -> None:
        """Raises ``StreamError`` where sizes disagree with the series, or a value is infinite."""
        steps, count, channels = self.values.shape
        if steps != num_steps or count not in (1, len(node_ids)) or channels != len(self.names):
            raise StreamError(
                f"{what}: covariates of {steps} steps, {count} columns and {channels} channels "
                f"for {num_steps} steps, {len(node_ids)} nodes and the names {list(self.names)}. "
                "Give a value for each step, of each node or of all."
            )
        bad = self.values.isinf().nonzero()
        if len(bad):
            step, column, channel = bad[0].tolist()
            whose = f" of node {node_ids[column]!r}" if count > 1 else ""
            raise StreamError(
                f"{what}: covariate {self.names[channel]!r}{whose} is infinite in row {step}. "
                "Leave the cell empty where it is unknown."
            )

    def choose(self, names: Sequence[str], what: str) -> "Covariates":
        """Some of the covariates, in the order of ``names``."""
        missing = [name for name in names if name not in self.names]
        if missing:
            raise StreamError(
                f"{what} has no covariate {missing[0]!r}. It has: "
                f"{', '.join(self.names) or 'none'}. Add it, or take it out of the backbone's "
                "covariates."
            )
        channels = [self.names.index(name) for name in names]
        return Covariates(tuple(names), self.values[..., channels])

    def permute(self, order: Int[Tensor, " node"]) -> "Covariates":
        """The same for nodes listed in another order."""
        if self.values.shape[1] == 1:
            return self
        return replace(self, values=self.values[:, order])

    @staticmethod
    def none(num_steps: int) -> "Covariates":
        """Nothing is known beforehand."""
        return Covariates((), torch.zeros(num_steps, 1, 0))


@dataclass(frozen=True)
class CovariateScale:
    """Which covariates a model sees, and how each is scaled.

    Attributes:
        names: One for each channel.
        mean: Of each, over the training part of the first period of the stream.
        scale: Deviation over the same; 1 where that is 0.

    Example:
        >>> rain = Covariates(("rain",), torch.tensor([[[0.0]], [[2.0]], [[4.0]]]))
        >>> scale = CovariateScale.of(rain)
        >>> scale.names, scale.mean
        (('rain',), (2.0,))
        >>> scale.apply(torch.tensor([[[2.0]]]))
        tensor([[[0.]]])
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @staticmethod
    def of(training: Covariates) -> "CovariateScale":
        """Fits the scale to some steps of all covariates given."""
        values = training.values.double().flatten(0, 1)
        mean = values.nanmean(0).nan_to_num(0.0)
        scale = (values - mean).square().nanmean(0).sqrt().nan_to_num(0.0)
        scale = torch.where(scale > 1e-6 * mean.abs().clamp_max(1.0), scale, 1.0)
        return CovariateScale(training.names, tuple(mean.tolist()), tuple(scale.tolist()))

    def apply(
        self, values: Float[Tensor, "time column channel"]
    ) -> Float[Tensor, "time column channel"]:
        """Scaled values, 0 where unknown."""
        mean, scale = values.new_tensor(self.mean), values.new_tensor(self.scale)
        return ((values - mean) / scale).nan_to_num(0.0)
