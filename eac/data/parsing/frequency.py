"""Time steps as people write them, and in microseconds."""

from datetime import timedelta

import numpy as np
import pandas as pd

from eac.errors import StreamError

SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
"""In microseconds."""
MONTHS = {"MS": 1, "ME": 1, "M": 1, "QS": 3, "QE": 3, "Q": 3, "YS": 12, "YE": 12, "Y": 12}
"""Steps of months, by the letters pandas has for them."""


def parse_frequency(text: object, what: str) -> pd.Timedelta | int:
    """A time step such as ``1h``, ``15min`` or ``D``; a number of months for ``MS``, ``QS``, ``Y``.

    Example:
        >>> parse_frequency("500ms", "x"), parse_frequency("QS", "x")
        (Timedelta('0 days 00:00:00.500000'), 3)
    """
    count, unit = _split(str(text).strip())
    if unit in MONTHS and count >= 1:
        return int(count) * MONTHS[unit]
    wrong = (
        f"{what}: frequency {text!r} is not a fixed time step. Give one such as 5min, 1h, 1D or W, "
        "or MS, QS or YS for months, quarters and years."
    )
    if unit.startswith("W"):
        return pd.Timedelta(days=7 * count)
    try:
        step = pd.Timedelta(pd.tseries.frequencies.to_offset(str(text)))  # pyright: ignore
    except (ValueError, TypeError, OverflowError) as error:
        if unit in ("D",):
            return pd.Timedelta(days=count)
        raise StreamError(wrong) from error
    if step <= pd.Timedelta(0):
        raise StreamError(f"{what}: frequency {text!r} is not positive.")
    if step < pd.Timedelta(microseconds=1) or step % pd.Timedelta(microseconds=1):
        raise StreamError(f"{what}: frequency {text!r} is not a whole number of microseconds.")
    return step


def frequency_text(step: timedelta, months: int = 0) -> str:
    """What ``parse_frequency`` reads, exactly.

    Example:
        >>> frequency_text(timedelta(seconds=1.5)), frequency_text(timedelta(hours=7))
        ('1500ms', '7h')
    """
    if months:
        return f"{months}MS"
    ticks = step_of(pd.Timedelta(step))
    for name, unit in (("D", DAY), ("h", HOUR), ("min", MINUTE), ("s", SECOND), ("ms", 1000)):
        if ticks % unit == 0:
            return f"{ticks // unit}{name}"
    return f"{ticks}us"


def _split(text: str) -> tuple[int, str]:
    digits = len(text) - len(text.lstrip("0123456789"))
    return int(text[:digits] or 1), text[digits:].strip()


def step_of(step: pd.Timedelta) -> int:
    """Microseconds of a step.

    Example:
        >>> step_of(pd.Timedelta(seconds=1))
        1000000
    """
    return int(step.to_numpy().astype("timedelta64[us]").astype(np.int64))
