"""The nodes of a whole network, where one of several processes holds some of them."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Among:
    """The nodes that what is said of a whole network is taken over.

    Attributes:
        columns: Nodes at hand that count; None: all.
        summed: Gives the sum over processes, each with other nodes; None: there is one process.

    Example:
        >>> import torch
        >>> Among(torch.tensor([0, 2])).total(torch.tensor([1.0, 10.0, 3.0]))
        tensor(4.)
    """

    columns: Int[Tensor, " chosen"] | None = None
    summed: Callable[[Tensor], Tensor] | None = None

    def total(
        self, values: Float[Tensor, "*any node"], counted: Bool[Tensor, " node"] | None = None
    ) -> Float[Tensor, "*any"]:
        """The sum over all nodes, or over those that are counted."""
        if self.columns is not None:
            values = values[..., self.columns]
            counted = None if counted is None else counted[self.columns]
        return self.joined((values if counted is None else values[..., counted]).sum(-1))

    def joined(self, sums: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The sum over all nodes, of sums over those of each process."""
        return sums if self.summed is None else self.summed(sums)


EVERY = Among()
"""All nodes at hand: there are no others."""
