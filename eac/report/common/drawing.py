"""Charts as plain JSON, as the script ``draw.js`` of a page draws them.

Colours are names of the page's CSS variables, so that one figure serves light, dark and print.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from eac.report.common.charts import (
    Band,
    Bars,
    Chart,
    HeatChart,
    Line,
    Number,
    SeriesChart,
)

Drawing: TypeAlias = dict[str, Any]

DIGITS = 5
KINDS = {Line: "line", Bars: "bar", Band: "band"}


def drawing(chart: Chart) -> Drawing:
    """The chart as plain values; whole numbers stay, others keep the digits that a page can show.

    Example:
        >>> line = Line("model", ("a", "b"), (1.0, 2.000004), "model")
        >>> found = drawing(SeriesChart("k", "t", "alt", "period", "MAE", (line,)))
        >>> found["kind"], found["axis"], found["marks"][0]["y"]
        ('series', 'category', [1.0, 2.0])
    """
    if isinstance(chart, SeriesChart):
        return _series(chart)
    if isinstance(chart, HeatChart):
        cells = [_rounded(row) for row in chart.cells]
        return asdict(chart) | {"kind": "heat", "cells": cells}
    rounded = {key: _rounded(getattr(chart, key)) for key in ("x", "y", "values")}
    return asdict(chart) | {"kind": "map"} | rounded


def _series(chart: SeriesChart) -> Drawing:
    words = any(isinstance(x, str) for mark in chart.marks for x in mark.x)
    marks = [_mark(mark) for mark in chart.marks]
    axis = "category" if words else "number"
    return asdict(chart) | {"kind": "series", "axis": axis, "marks": marks}


def _mark(mark: Line | Bars | Band) -> Drawing:
    found: Drawing = asdict(mark) | {"kind": KINDS[type(mark)]}
    for key in ("y", "low", "high"):
        if key in found:
            found[key] = _rounded(found[key])
    return found


def _rounded(values: Sequence[Number]) -> list[Number]:
    return [
        value if value is None or float(value).is_integer() else float(f"{value:.{DIGITS}g}")
        for value in values
    ]
