"""A memory of patterns that features are compared with, and that grows by rows."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

PATTERN_NAMES = ("patterns", "settled")


class PatternMemory(nn.Module):
    """Learned patterns ``M``; features recall from it what resembles them.

    Args:
        num_patterns: Rows of ``M`` (STKEC: 24).
        width: Of the features.
        normalise: Recall by the softmax of the scores instead of by the scores themselves.

    Attributes:
        patterns: ``M``, drawn from Xavier's uniform distribution with gain 1.414, as published.
        settled: ``M`` when ``hold`` was last called; the reference of ``departure``.

    Example:
        >>> memory = PatternMemory(num_patterns=24, width=12)
        >>> memory(torch.zeros(2, 5, 12)).shape
        torch.Size([2, 5, 12])
    """

    def __init__(self, num_patterns: int, width: int, *, normalise: bool = False):
        super().__init__()
        self.normalise = normalise
        self.patterns = nn.Parameter(torch.empty(num_patterns, width))
        nn.init.xavier_uniform_(self.patterns, gain=1.414)
        self.settled: Tensor
        self.register_buffer("settled", torch.empty(0, width))

    def scores(
        self, features: Float[Tensor, "batch node width"]
    ) -> Float[Tensor, "batch node pattern"]:
        """How much each feature resembles each pattern: ``h M^T``."""
        return features @ self.patterns.T

    def forward(
        self, features: Float[Tensor, "batch node width"]
    ) -> Float[Tensor, "batch node width"]:
        """Features plus the patterns they resemble: ``h + (h M^T) M``."""
        scores = self.scores(features)
        weights = scores.softmax(-1) if self.normalise else scores
        return features + weights @ self.patterns

    @torch.no_grad()
    def grow(self, rows: Float[Tensor, "fresh width"]) -> None:
        """Appends patterns."""
        joined = torch.cat([self.patterns, rows.to(self.patterns)])
        self.patterns = nn.Parameter(joined, self.patterns.requires_grad)

    def hold(self) -> None:
        """Takes the patterns as they are now for the reference of ``departure``."""
        self.settled = self.patterns.detach().clone()

    def departure(self) -> Float[Tensor, ""]:
        """Squared distance of the patterns from where they were held; new ones count nothing."""
        return (self.patterns[: len(self.settled)] - self.settled).square().sum()

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Takes the saved sizes first: a memory is as large as what it loads."""
        saved = {name: state_dict.get(prefix + name) for name in PATTERN_NAMES}
        if saved["patterns"] is not None and saved["patterns"].shape != self.patterns.shape:
            fresh = torch.empty_like(saved["patterns"], device=self.patterns.device)
            self.patterns = nn.Parameter(fresh, self.patterns.requires_grad)
        if saved["settled"] is not None and saved["settled"].shape != self.settled.shape:
            self.settled = torch.empty_like(saved["settled"], device=self.settled.device)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
