"""How processes that divide the sensors of a network among them come to one result."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eac.metrics.horizon import HorizonErrors
from eac.nn.prompt_pool import PromptPool


class Together(ABC):
    """What processes tell each other that may divide the sensors.

    Attributes:
        rank: Number of this process, from 0.
        processes: How many there are.

    Example:
        >>> ALONE.total(3), ALONE.share(1, 4)
        (3, 0.25)
    """

    rank: int = 0
    processes: int = 1

    @abstractmethod
    def summed(self, values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The sum over processes of what each gives."""

    @abstractmethod
    def every_sensor(self, errors: HorizonErrors) -> HorizonErrors:
        """In the first process errors of all sensors, in order; in others those it was given."""

    @abstractmethod
    def join_gradients(self, model: nn.Module, weight: Tensor) -> None:
        """Gives every process the gradient of the mean over all batches, by their weights.

        Args:
            model: With gradients; ``own_parameters`` belong to this process alone.
            weight: Targets that the loss of this process counted.
        """

    def total(self, count: int) -> int:
        """The sum over processes of a number of things."""
        return count if self.processes == 1 else int(self.summed(torch.tensor([float(count)]))[0])

    def share(self, some: int, count: int) -> float:
        """Some of the things that all processes count, as a share of all."""
        return self.total(some) / self.total(count)

    def mean(self, values: Float[Tensor, "*any"]) -> float:
        """Mean over processes of all numbers that are not NaN; 0 without any."""
        if self.processes == 1:
            return float(values.nanmean().nan_to_num(0.0))
        known = ~values.isnan()
        sums = torch.stack([values.nansum(dtype=torch.float64), known.sum().double()])
        total, count = self.summed(sums).tolist()
        return total / count if count else 0.0

    def mae(self, totals: Float[Tensor, "2"]) -> Float[Tensor, ""]:
        """MAE of errors over all sensors, from the ``totals`` of those of each process."""
        absolute, count = self.summed(totals)
        return absolute / count

    def deviation(self, error: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Standard error of a mean over all sensors, from that over those of each process."""
        if self.processes == 1:
            return error
        return self.summed(error.square()).sqrt() / self.processes


class Alone(Together):
    """One process, which holds every sensor.

    Example:
        >>> Alone().mean(torch.tensor([1.0, torch.nan, 3.0]))
        2.0
    """

    def summed(self, values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The values themselves."""
        return values

    def every_sensor(self, errors: HorizonErrors) -> HorizonErrors:
        """The errors themselves."""
        return errors

    def join_gradients(self, model: nn.Module, weight: Tensor) -> None:
        """Leaves the gradients as they are."""


def own_parameters(model: nn.Module) -> tuple[nn.Parameter, ...]:
    """Parameters with a row for each sensor.

    Example:
        >>> pool = PromptPool(width=12, rank=6)
        >>> [tuple(parameter.shape) for parameter in own_parameters(pool)]
        [(0, 6), (0, 6)]
    """
    pools = (part for part in model.modules() if isinstance(part, PromptPool))
    return tuple(p for pool in pools for p in (pool.settled, pool.node_factor))


ALONE = Alone()
"""One process."""
