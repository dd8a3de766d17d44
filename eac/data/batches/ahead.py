"""What is known of every step beforehand, also of those that are to be forecast."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eac.typing import NodeIndex


@dataclass(frozen=True, eq=False)
class Ahead:
    """What calendar and covariates say of each step, counted from the first step of the readings.

    Attributes:
        holidays: True where a step lies on a public holiday; None where nobody asked.
        covariates: Scaled, 0 where unknown; one column for each node held, or one for all. None
            where nobody asked.
    """

    holidays: Bool[Tensor, " time"] | None = None
    covariates: Float[Tensor, "time column channel"] | None = None

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
    ) -> Float[Tensor, "batch chosen channel {span}"] | None:
        """Covariates of the ``span`` steps from each step on, for some of the nodes held or all."""
        if self.covariates is None:
            return None
        nodes = torch.arange(num_nodes, device=at.device) if nodes is None else nodes
        nodes = torch.zeros_like(nodes) if self.covariates.shape[1] == 1 else nodes
        return self.covariates.unfold(0, span, 1)[at[:, None], nodes]

    def subset(self, nodes: NodeIndex) -> "Ahead":
        """The same for some of the nodes."""
        if self.covariates is None or self.covariates.shape[1] == 1:
            return self
        return replace(self, covariates=self.covariates[:, nodes])

    def to(self, device: torch.device) -> "Ahead":
        """The same on another device."""
        moved = {name: None if t is None else t.to(device) for name, t in vars(self).items()}
        return Ahead(**moved)
