"""What learning one period does to the forecasts of others, from a matrix of errors.

``errors[i, j]`` is the error on period ``j`` after training period ``i``; NaN where it was not
measured. The definitions were made for accuracies; errors fall as accuracies rise, so every
difference is turned round: a **positive transfer is a gain and a positive forgetting is a loss**.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

ErrorMatrix = Float[ndarray, "period period"]


def backward_transfer(errors: ErrorMatrix) -> float:
    """How much the error on a period fell between learning it and the end of the stream.

    The mean over all periods but the last of ``errors[j, j] - errors[-1, j]`` (Lopez-Paz &
    Ranzato 2017, eq. 3, with the sign for errors). Negative: later training did harm.

    Example:
        >>> backward_transfer(np.array([[4.0, np.nan], [5.0, 2.0]]))
        -1.0
    """
    gains = np.diagonal(errors) - errors[-1]
    return _mean(gains[:-1])


def forward_transfer(errors: ErrorMatrix, untrained: Float[ndarray, " period"]) -> float:
    """How much better a period is forecast before it is learned than by an untrained model.

    The mean over all periods but the first of ``untrained[j] - errors[j - 1, j]`` (Lopez-Paz &
    Ranzato 2017, eq. 4, with the sign for errors).

    Args:
        errors: The matrix.
        untrained: Error on each period of a model with its first, random weights.

    Example:
        >>> forward_transfer(np.array([[4.0, 3.0], [5.0, 2.0]]), np.array([9.0, 10.0]))
        7.0
    """
    return _mean(untrained[1:] - np.diagonal(errors, offset=1))


def forgetting(errors: ErrorMatrix) -> float:
    """How much worse periods are forecast at the end than at the best moment since learning them.

    The mean over all periods but the last of ``errors[-1, j] - min(errors[l, j])``, the minimum
    taken from ``l = j`` to the last but one (Chaudhry et al. 2018, eq. 3, with the sign for
    errors).

    Example:
        >>> forgetting(np.array([[4.0, np.nan], [5.0, 2.0]]))
        1.0
    """
    last = len(errors) - 1
    losses = [errors[last, j] - _least(errors[j:last, j]) for j in range(last)]
    return _mean(np.array(losses))


def _mean(values: Float[ndarray, " any"]) -> float:
    """The mean of what was measured; NaN when nothing was."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")


def _least(values: Float[ndarray, " any"]) -> float:
    present = values[~np.isnan(values)]
    return float(present.min()) if len(present) else float("nan")
