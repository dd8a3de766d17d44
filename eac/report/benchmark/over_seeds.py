"""An error over seeds, as tables show it."""

from collections.abc import Sequence

import numpy as np


def spread(values: Sequence[float]) -> str:
    """Mean and deviation over seeds, as text.

    Example:
        >>> spread([1.0, 2.0, 3.0]), spread([4.0]), spread([])
        ('2.00 ± 1.00', '4.00', '-')
    """
    present = np.array([value for value in values if not np.isnan(value)])
    if not len(present):
        return "-"
    mean = float(present.mean())
    digits = 4 if 0 < abs(mean) < 0.1 else 2
    if len(present) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {present.std(ddof=1):.{digits}f}"
