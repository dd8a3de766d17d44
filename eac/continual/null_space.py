"""Which moves leave old prompts as they are: a null space, and a trust region."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eac.errors import ConfigError


@dataclass(frozen=True)
class Protection:
    """How old prompts are kept while new ones are learned.

    The prompts ``P = U V`` of preserved nodes change by ``U dV`` when the shared basis moves.
    ``V`` may therefore move only in the (approximate) null space of their rows ``U``, the
    projection of AlphaEdit (Fang et al., ICLR 2025) on the keys to be preserved.

    Attributes:
        preserve: ``absent``: nodes that are not in this period, and so cannot adapt to another
            basis; their own rows stand still. ``old``: all nodes that were there before.
        energy: Share of the energy of the preserved rows whose directions the basis must leave
            alone; 1 keeps every direction they use at all, 0 sets the basis free.
        radius: How far the row of an old node that is present may go from where it was, in units
            of the root mean square length of all old rows; null: freely.

    Example:
        >>> Protection(preserve="old", energy=0.9).preserve
        'old'
    """

    preserve: Literal["absent", "old"] = "absent"
    energy: float = 0.99
    radius: float | None = None

    def __post_init__(self):
        if not 0 <= self.energy <= 1 or (self.radius is not None and self.radius < 0):
            raise ConfigError(
                f"Protection(energy={self.energy}, radius={self.radius}): give an energy from 0 "
                "to 1 and a radius of at least 0, or null."
            )

    def free_directions(
        self, old: Float[Tensor, "old column"], absent: Bool[Tensor, " old"]
    ) -> Float[Tensor, "column column"]:
        """Projection onto the directions in which the basis may move."""
        return null_projection(old[absent] if self.preserve == "absent" else old, self.energy)

    def radii(
        self, old: Float[Tensor, "old column"], absent: Bool[Tensor, " old"]
    ) -> Float[Tensor, " old"]:
        """How far each old row may go."""
        limit = torch.inf
        if self.radius is not None and len(old):
            limit = self.radius * float(old.square().sum(1).mean().sqrt())
        return torch.where(absent, 0.0, torch.full_like(old[:, 0], limit))


def null_projection(
    rows: Float[Tensor, "row column"], energy: float = 1.0
) -> Float[Tensor, "column column"]:
    """Projection onto what is orthogonal to the principal directions of ``rows``.

    Those directions are the fewest that hold ``energy`` of the sum of squares; directions that
    the rows do not use at all are always free.

    Example:
        >>> null_projection(torch.tensor([[3.0, 0.0], [1.0, 0.0]]))
        tensor([[0., 0.],
                [0., 1.]])
    """
    width = rows.shape[1]
    identity = torch.eye(width, dtype=rows.dtype, device=rows.device)
    if not len(rows) or energy <= 0:
        return identity
    exact = rows.double()
    values, directions = torch.linalg.eigh(exact.T @ exact)
    values, directions = values.flip(0).clamp_min(0), directions.flip(1)
    used = values > 1e-10 * values[0]
    below = values.cumsum(0) - values < energy * values.sum()
    kept = directions[:, used & below]
    return identity - (kept @ kept.T).to(rows.dtype)
