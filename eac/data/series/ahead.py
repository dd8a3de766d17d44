"""What is known of every step beforehand, also of those that are to be forecast."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eac.typing import NodeIndex

COVARIATES = "covariates"
"""Name under which a batch holds the covariates that its backbone asks for."""


@dataclass(frozen=True, eq=False)
class Ahead:
    """What calendar, covariates and extras say of each step, from the first step of the readings.

    Attributes:
        holidays: True where a step lies on a public holiday; None where nobody asked.
        series: By name; finite; one column for each node held, or one for all.

    Example:
        >>> ahead = Ahead(holidays=torch.tensor([False, True, False]))
        >>> ahead.on_holiday(torch.tensor([0, 1]), span=2)
        tensor([[False,  True],
                [ True, False]])
    """

    holidays: Bool[Tensor, " time"] | None = None
    series: Mapping[str, Float[Tensor, "time column channel"]] = field(default_factory=dict)

    def on_holiday(
        self, at: Int[Tensor, "*batch"], span: int
    ) -> Bool[Tensor, "*batch {span}"] | None:
        """Which of the ``span`` steps from each step on are holidays."""
        if self.holidays is None:
            return None
        return self.holidays[at[..., None] + torch.arange(span, device=at.device)]

    def known(
        self,
        at: Int[Tensor, " batch"],
        span: int,
        num_nodes: int,
        nodes: Int[Tensor, "*batch chosen"] | None,
    ) -> dict[str, Float[Tensor, "batch chosen channel {span}"]]:
        """Each series at the ``span`` steps from each step on, for some of the nodes or all."""
        if not self.series:
            return {}
        nodes = torch.arange(num_nodes, device=at.device) if nodes is None else nodes
        one = torch.zeros_like(nodes)
        return {
            name: values.unfold(0, span, 1)[at[:, None], one if values.shape[1] == 1 else nodes]
            for name, values in self.series.items()
        }

    def subset(self, nodes: NodeIndex) -> "Ahead":
        """The same for some of the nodes."""
        kept = {
            name: values if values.shape[1] == 1 else values[:, nodes]
            for name, values in self.series.items()
        }
        return replace(self, series=kept)

    def to(self, device: torch.device) -> "Ahead":
        """The same on another device."""
        holidays = None if self.holidays is None else self.holidays.to(device)
        return Ahead(holidays, {name: values.to(device) for name, values in self.series.items()})
