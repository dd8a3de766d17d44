"""Paired tests between two methods."""

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

HAS_SCIPY = importlib.util.find_spec("scipy") is not None


def wilcoxon_p(ours: Sequence[float], best: Sequence[float]) -> float | None:
    """Two-sided p of the Wilcoxon signed-rank test on pairs (scipy; the extra ``benchmark``).

    Args:
        ours: Errors of one method.
        best: Errors of the other on the same periods and seeds, in the same order.

    Returns:
        None where no pair differs, or none is complete: there is nothing to test.

    Example:
        >>> round(wilcoxon_p([8.0, 7.0, 9.0, 6.0], [9.0, 9.0, 12.0, 10.0]), 3)
        0.125
    """
    from scipy.stats import wilcoxon

    difference = np.asarray(ours, dtype=float) - np.asarray(best, dtype=float)
    difference = difference[np.isfinite(difference)]
    if not difference.any():
        return None
    result: Any = wilcoxon(difference)
    return float(result.pvalue)
