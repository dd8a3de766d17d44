"""Cutting a long frame into periods."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy import ndarray
from pandas.tseries.frequencies import to_offset

from eac.data.parsing.form import Form
from eac.data.parsing.stamps import Stamps, parse_stamps
from eac.errors import StreamError

PeriodRule: TypeAlias = str | Sequence[object] | None
MOST_PERIODS = 10_000


def cut(
    frame: pd.DataFrame,
    stamps: Stamps,
    period: PeriodRule,
    what: str,
    form: Form | None = None,
) -> tuple[list[str], ndarray]:
    """Names of the periods in order of time, and the number of the period of each row.

    Args:
        frame: The rows.
        stamps: Their time stamps.
        period: Where to cut.
        what: Begins the message of an error.
        form: How time stamps at which to cut are to be understood.

    Raises:
        StreamError: If the rule cuts nothing, or into too many periods.

    Example:
        >>> days = pd.date_range("2024-01-30", periods=4)
        >>> frame, stamps = pd.DataFrame({"ds": days}), parse_stamps(days, "counts")
        >>> names, group = cut(frame, stamps, "MS", "counts")
        >>> names, group
        (['2024-01-01', '2024-02-01'], array([0, 0, 1, 1]))
    """
    if period is None:
        return ["0"], np.zeros(len(frame), dtype=np.int64)
    if isinstance(period, str) and period in frame.columns:
        names, group = _by_column(frame[period], stamps.wall, what)
    else:
        starts = _starts(period, stamps, what, form)
        group = np.searchsorted(starts, stamps.wall, side="right") - 1
        used, group = np.unique(group, return_inverse=True)
        names = [_stamp_name(starts[i] if i >= 0 else stamps.wall.min()) for i in used]
    if len(names) > MOST_PERIODS:
        raise StreamError(
            f"{what}: period {period!r} cuts into {len(names):,} periods; at most "
            f"{MOST_PERIODS:,} make sense. Give a longer one, such as MS or YS."
        )
    return names, group


def rows_of(group: ndarray, count: int) -> list[ndarray]:
    """The rows of each of ``count`` periods, in the order of the frame.

    Example:
        >>> rows_of(np.array([1, 0, 1]), 2)
        [array([1]), array([0, 2])]
    """
    order = np.argsort(group, kind="stable")
    return np.split(order, np.searchsorted(group[order], np.arange(1, count)))


def without_silent(
    periods: Sequence[ndarray], node: ndarray, read: Bool[ndarray, " row"]
) -> list[ndarray]:
    """The rows of each period without those of nodes that are read in other periods alone.

    A period in which nothing is read keeps all its rows.

    Example:
        >>> january, february = np.array([0, 1]), np.array([2, 3])
        >>> node, read = np.array([0, 1, 0, 1]), np.array([True, False, True, True])
        >>> without_silent([january, february], node, read)
        [array([0]), array([2, 3])]
    """
    ever = np.bincount(node, weights=read) > 0
    kept = []
    for rows in periods:
        here = np.bincount(node[rows], weights=read[rows], minlength=len(ever)) > 0
        kept.append(rows[(here | ~ever)[node[rows]]] if here.any() else rows)
    return kept


def codes(labels: pd.Series, what: str) -> tuple[ndarray, list[str]]:
    """A number for each row, and the labels the numbers stand for, in order of appearance.

    Example:
        >>> codes(pd.Series(["b", "a", "b"], name="unique_id"), "counts")
        (array([0, 1, 0]), ['b', 'a'])
    """
    code, found = pd.factorize(labels)
    merged, names = pd.factorize(pd.Index(found).astype(str))
    code = np.append(merged, -1)[code]
    empty = np.flatnonzero((code < 0) | np.isin(code, np.flatnonzero(names == "")))
    if len(empty):
        raise StreamError(f"{what}: {labels.name} is empty in row {empty[0]}. Fill it.")
    return code, [str(name) for name in names]


def edges_by_period(
    edges: pd.DataFrame, period: PeriodRule, names: list[str], what: str
) -> dict[str, pd.DataFrame]:
    """The edges of each period, by its name.

    Example:
        >>> edges = pd.DataFrame({"source": ["a"], "target": ["b"], "weight": [1.0]})
        >>> sorted(edges_by_period(edges, "MS", ["2024-01-01", "2024-02-01"], "counts"))
        ['2024-01-01', '2024-02-01']
    """
    if not isinstance(period, str) or period not in edges.columns:
        return dict.fromkeys(names, edges)
    label = edges[period].astype(str)
    unknown = label[~label.isin(names)]
    if len(unknown):
        raise StreamError(
            f"{what}: the edges name period {unknown.iloc[0]!r}, which has no readings. It has: "
            f"{', '.join(names)}."
        )
    return {name: edges[label == name] for name in names}


def _by_column(labels: pd.Series, stamps: pd.DatetimeIndex, what: str) -> tuple[list[str], ndarray]:
    code, names = codes(labels, what)
    first = pd.Series(stamps).groupby(code).min().to_numpy()
    order = np.argsort(first, kind="stable")
    return [names[i] for i in order], np.argsort(order)[code]


def _starts(
    period: str | Sequence[object], stamps: Stamps, what: str, form: Form | None
) -> pd.DatetimeIndex:
    if not isinstance(period, str):
        order = Form(dayfirst=None if form is None else _day_first(form))
        cuts = parse_stamps(pd.Index([str(cut) for cut in period], name="period"), what, order)
        if cuts.zone is None or stamps.zone is None:
            return cuts.wall.sort_values()
        moments = cuts.wall.tz_localize(cuts.zone, ambiguous="NaT", nonexistent="shift_forward")
        return moments.tz_convert(stamps.zone).tz_localize(None).sort_values()
    try:
        offset = to_offset(period)
    except ValueError as error:
        raise StreamError(
            f"{what}: period {period!r} is neither a column of the frame nor a pandas offset "
            "such as YS, MS or 90D."
        ) from error
    if pd.Timestamp(0) + offset <= pd.Timestamp(0):
        raise StreamError(
            f"{what}: period {period!r} does not go forward. Give a positive time such as 90D, or "
            "an offset such as MS or YS."
        )
    first, last = stamps.wall.min(), stamps.wall.max()
    fixed = isinstance(offset, pd.offsets.Tick | pd.offsets.Day)
    if fixed and (last - first) / (pd.Timestamp(0) + offset - pd.Timestamp(0)) > MOST_PERIODS:
        raise StreamError(
            f"{what}: period {period!r} cuts {first} to {last} into more than {MOST_PERIODS:,} "
            "periods. Give a longer one, such as MS or YS."
        )
    start = first if fixed else offset.rollback(first.normalize())
    return pd.date_range(start, last, freq=offset)


def _day_first(form: Form) -> bool | None:
    """Whether days come before months, as is said or as the format of the time stamps says."""
    day, month = ((form.date_format or "").find(part) for part in ("%d", "%m"))
    return day < month if form.dayfirst is None and min(day, month) >= 0 else form.dayfirst


def _stamp_name(stamp: pd.Timestamp) -> str:
    return stamp.strftime("%Y-%m-%d" if stamp == stamp.normalize() else "%Y-%m-%dT%H%M")
