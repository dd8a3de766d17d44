"""Charts as files for a paper, drawn by matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eac.files import writing
from eac.report.common.charts import (
    Band,
    Bars,
    Chart,
    HeatChart,
    Line,
    MapChart,
    Number,
    SeriesChart,
)

COLOURS = {
    "model": "#0b62c4",
    "a": "#c96a0a",
    "b": "#17805a",
    "c": "#8d45a8",
    "d": "#b3382c",
    "e": "#7d6020",
    "muted": "#8790a0",
    "bad": "#b3382c",
}
SIZE = (5.2, 3.2)
FORMATS = ("svg", "png")
TICKS = 12
"""Names of periods below an axis; of more, some are left out."""


def write_figures(charts: Sequence[Chart], directory: Path) -> list[Path]:
    """Writes each chart as SVG and PNG, named by its key, and returns the paths.

    Example:
        >>> write_figures([], Path("figures"))
        []
    """
    import matplotlib as mpl

    written = []
    with mpl.rc_context({"svg.hashsalt": "eac", "svg.fonttype": "none", "font.size": 9}):
        for chart in charts:
            written += _write(chart, directory)
    return written


def _write(chart: Chart, directory: Path) -> list[Path]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    if isinstance(chart, SeriesChart):
        _series(chart, axes)
    elif isinstance(chart, HeatChart):
        _heat(chart, axes)
    else:
        _map(chart, axes)
    paths = [directory / f"{chart.key}.{kind}" for kind in FORMATS]
    for path in paths:
        dated = {"Date": None} if path.suffix == ".svg" else {}
        with writing(path) as temporary:
            figure.savefig(temporary, dpi=200, metadata=dated)
    return paths


def _series(chart: SeriesChart, axes: Any) -> None:
    names = list(dict.fromkeys(str(x) for mark in chart.marks for x in mark.x))
    bars = [mark for mark in chart.marks if isinstance(mark, Bars)]
    for mark in chart.marks:
        if isinstance(mark, Line):
            _line(mark, axes)
        elif isinstance(mark, Band):
            low, high = (_floats(values) for values in (mark.low, mark.high))
            colour = COLOURS[mark.role]
            axes.fill_between(list(mark.x), low, high, color=colour, alpha=0.25, label=mark.name)
    up, down = np.zeros(len(names)), np.zeros(len(names))
    for position, mark in enumerate(bars):
        height = _floats(mark.y)
        at, width = np.arange(len(names), dtype=float), 0.8
        bottom = np.where(height < 0, down, up) if chart.stacked else 0.0
        if chart.stacked:
            up, down = up + np.clip(height, 0, None), down + np.clip(height, None, 0)
        else:
            width = 0.8 / len(bars)
            at += (position - (len(bars) - 1) / 2) * width
        color = [COLOURS["bad" if i in mark.marked else mark.role] for i in range(len(height))]
        axes.bar(at, height, width, bottom=bottom, label=mark.name, color=color)
    if bars:
        every = -(-len(names) // TICKS)
        axes.set_xticks(range(0, len(names), every), names[::every])
    values = [y for mark in chart.marks if not isinstance(mark, Band) for y in mark.y]
    if chart.from_zero and not any((y or 0) < 0 for y in values):
        axes.set_ylim(bottom=0, top=chart.top)
    axes.set(xlabel=chart.x_label, ylabel=chart.y_label)
    axes.spines[["top", "right"]].set_visible(False)
    if len(chart.marks) > 1:
        axes.figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=8)


def _line(mark: Line, axes: Any) -> None:
    y = _floats(mark.y)
    style, width = ("--", 1.1) if mark.dash else ("-", 2.0)
    color = COLOURS[mark.role]
    axes.plot(list(mark.x), y, style, linewidth=width, color=color, label=mark.name)


def _floats(values: Sequence[Number]) -> Any:
    return np.array([np.nan if value is None else value for value in values])


def _heat(chart: HeatChart, axes: Any) -> None:
    cells = np.array([[np.nan if v is None else v for v in row] for row in chart.cells])
    image = axes.imshow(cells, cmap="YlOrRd")
    middle = (np.nanmin(cells) + np.nanmax(cells)) / 2
    for row, column in zip(*np.nonzero(~np.isnan(cells)), strict=True):
        value = cells[row, column]
        color = "white" if value > middle else "black"
        axes.text(column, row, f"{value:.3g}", ha="center", va="center", color=color)
    axes.set_xticks(range(len(chart.columns)), chart.columns)
    axes.set_yticks(range(len(chart.rows)), chart.rows)
    axes.set(xlabel=chart.x_label, ylabel=chart.y_label)
    axes.figure.colorbar(image, ax=axes, label=chart.value_label)


def _map(chart: MapChart, axes: Any) -> None:
    for a, b in chart.edges:
        axes.plot([chart.x[a], chart.x[b]], [chart.y[a], chart.y[b]], color="#b9c1cc", lw=0.5)
    shown = [i for i, value in enumerate(chart.values) if value is not None]
    values = [chart.values[i] for i in shown]
    points = axes.scatter(
        [chart.x[i] for i in shown],
        [chart.y[i] for i in shown],
        c=values,
        s=18,
        cmap="YlOrRd",
        edgecolors="black",
        linewidths=0.4,
        zorder=3,
    )
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.figure.colorbar(points, ax=axes, label=chart.value_label)
