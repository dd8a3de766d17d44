"""Which calibrator a run uses: the one whose intervals score best on validation residuals."""

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor

from eac.calibration.base import Calibrator
from eac.calibration.pid import ConformalPID
from eac.calibration.rolling import RollingQuantiles

JUDGED = 90
"""Level in percent whose Winkler score is compared."""
SENSORS = 256
"""Sensors at most, evenly spread, whose residuals are looked at to choose."""
DAYS, FEWEST = 14, 336
"""Days and forecasts of validation below which there is no choice: too few to learn quantiles."""


def candidates(horizon: int, steps_per_day: int) -> dict[str, Calibrator]:
    """Calibrators that know nothing yet, by name; the first is used where there is no choice.

    Example:
        >>> list(candidates(horizon=12, steps_per_day=24))
        ['RollingQuantiles', 'ConformalPID']
    """
    kinds = (RollingQuantiles, ConformalPID)
    return {kind.__name__: kind(horizon, steps_per_day) for kind in kinds}


def enough(forecasts: int, steps_per_day: int) -> bool:
    """Whether so many forecasts, one a step, suffice to choose by.

    Example:
        >>> enough(800, steps_per_day=24), enough(800, steps_per_day=288)
        (True, False)
    """
    return forecasts >= max(FEWEST, DAYS * steps_per_day)


def judges(num_nodes: int) -> Int[Tensor, " chosen"]:
    """Rows of the sensors that are looked at.

    Example:
        >>> judges(3).tolist(), len(judges(10_000))
        ([0, 1, 2], 256)
    """
    if num_nodes <= SENSORS:
        return torch.arange(num_nodes)
    return torch.linspace(0, num_nodes - 1, SENSORS).round().long()


def best(scores: Mapping[str, float | None]) -> str:
    """The name with the lowest score, the first of equal ones; the first where none has a score.

    Example:
        >>> best({"RollingQuantiles": 310.7, "ConformalPID": 352.1})
        'RollingQuantiles'
    """
    known = {name: score for name, score in scores.items() if score is not None}
    return min(known or scores, key=lambda name: known.get(name, 0.0))
