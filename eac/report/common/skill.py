"""How much better than the naive forecasts a model is, in each period."""

import math
from collections.abc import Sequence

from eac.records.horizon_table import mean_or_none
from eac.records.naive import best_naive
from eac.records.record import PeriodRecord, RunRecord

NAMED = 12
"""Names in a sentence; of more, the last ones."""


def skill(period: PeriodRecord, metric: str) -> float | None:
    """Share of the best naive forecast's error that the model saves; below 0 it does worse.

    ``1 - error / naive error``, the skill score of Murphy (1988) with the best naive forecast as
    the reference. None where one of them was not measured, or the naive error is 0.

    Example:
        >>> from eac.records.sample import sample_period
        >>> round(skill(sample_period("2024", 8.0), "MAE"), 2)  # the best naive forecast has 10
        0.2
    """
    best, error = best_naive(period, metric), period.errors.point[metric].get("mean")
    if best is None or error is None or best[1] == 0:
        return None
    return 1 - error / best[1]


def mean_skill(run: RunRecord, metric: str) -> float | None:
    """The mean of the skills of the periods that have one; None where none has.

    Example:
        >>> from eac.records.sample import sample_run
        >>> round(mean_skill(sample_run((8.0, 11.0)), "MAE"), 2)  # 0.2 and -0.1
        0.05
    """
    return mean_or_none(skill(period, metric) for period in run.periods)


def losing(run: RunRecord, metric: str) -> list[str]:
    """Names of the periods in which the best naive forecast is better than the model.

    Example:
        >>> from eac.records.sample import sample_run
        >>> losing(sample_run((8.0, 12.0)), "MAE")
        ['1']
    """
    found = ((period.name, skill(period, metric)) for period in run.periods)
    return [name for name, value in found if value is not None and value < 0]


def listed(names: Sequence[str]) -> str:
    """Names for a sentence; of many, the last ones and how many there are.

    Example:
        >>> listed(["a", "b"]), listed([str(i) for i in range(30)])[:20]
        ('a, b', '18 others, and 18, 1')
    """
    if len(names) <= NAMED:
        return ", ".join(names)
    return f"{len(names) - NAMED} others, and {', '.join(names[-NAMED:])}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share between 0 and 1 as per cent; "-" where there is none.

    Example:
        >>> percent(0.125), percent(None), percent(1 / 3, 0)
        ('12.5 %', '-', '33 %')
    """
    return "-" if share is None else f"{round(100 * share, digits) + 0.0:.{digits}f} %"


def alike(a: float, b: float) -> bool:
    """Whether two errors agree to six significant digits; what is beyond them is rounding.

    Example:
        >>> alike(5.94803184, 5.94803182), alike(5.94803, 5.94805)
        (True, False)
    """
    return math.isclose(a, b, rel_tol=1e-6)


def change(now: float, then: float) -> str:
    """A change in words.

    Example:
        >>> change(9.0, 10.0), change(11.0, 10.0), change(2.0, 2.0)
        ('10.0 % lower', '10.0 % higher', 'the same')
    """
    if alike(now, then):
        return "the same"
    if then == 0:
        return "higher, from 0"
    return f"{100 * abs(now / then - 1):.1f} % {'lower' if now < then else 'higher'}"
