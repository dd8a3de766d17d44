"""What the record of a period says of a low-rank update."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class UpdateRecord:
    """The low-rank update of a backbone in one period.

    Attributes:
        rank: Largest rank of the pairs that were trained.
        kept_rank: Largest rank of what earlier periods left, after compression.
        parameters: Numbers of the pairs that were trained.
        kept_parameters: Numbers of the pairs that earlier periods left.
        energy_kept: Share of the sum of squares of all earlier updates that compression kept;
            1 where there was nothing to compress.
        rung: What a ladder chose to train, such as ``prompts alone``; empty without a ladder.

    Example:
        >>> UpdateRecord(4, 12, 5000, 9000, energy_kept=0.75).energy_lost
        0.25
    """

    rank: int
    kept_rank: int
    parameters: int
    kept_parameters: int
    energy_kept: float
    rung: str = ""

    @property
    def energy_lost(self) -> float:
        """Share that compression lost."""
        return 1.0 - self.energy_kept

    def to_json(self) -> dict[str, Any]:
        """The record as a plain dictionary."""
        return dict(vars(self)) | {"energy_lost": self.energy_lost}
