"""Charts as Plotly figures, in plain JSON; colours are names that the page fills in.

A colour is written "@model", "@ink" and so on, and becomes the page's CSS variable of that name,
so that one figure serves light, dark and print.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from eac.report.common.charts import Bars, Chart, HeatChart, Line, MapChart, SeriesChart

Figure: TypeAlias = dict[str, Any]

SCALE = [[0.0, "@heat0"], [0.34, "@heat1"], [0.67, "@heat2"], [1.0, "@heat3"]]


def figure(chart: Chart) -> Figure:
    """The chart as ``{"data": ..., "layout": ...}``."""
    if isinstance(chart, SeriesChart):
        return _series(chart)
    return _heat(chart) if isinstance(chart, HeatChart) else _map(chart)


def base_layout(**changes: Any) -> Figure:
    """What all figures share."""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "@ink", "size": 13},
        "margin": {"l": 64, "r": 16, "t": 12, "b": 52},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hoverlabel": {"bgcolor": "@card", "bordercolor": "@line", "font": {"color": "@ink"}},
    } | changes


def axis(title: str, **changes: Any) -> Figure:
    """A quiet axis with a title."""
    return {
        "title": {"text": title, "standoff": 8},
        "gridcolor": "@line",
        "linecolor": "@line",
        "zerolinecolor": "@line",
        "automargin": True,
    } | changes


def _series(chart: SeriesChart) -> Figure:
    horizontal = axis(chart.x_label)
    if any(isinstance(x, str) for mark in chart.marks for x in mark.x):
        horizontal["type"] = "category"
    elif max((len(mark.x) for mark in chart.marks), default=0) <= 12:
        horizontal["dtick"] = 1
    vertical = axis(chart.y_label)
    if chart.from_zero:
        vertical["rangemode"] = "tozero"
    if chart.top is not None:
        vertical["range"] = [0, chart.top]
    layout = base_layout(xaxis=horizontal, yaxis=vertical, hovermode="x unified")
    layout["barmode"] = "relative" if chart.stacked else "group"
    layout["showlegend"] = len(chart.marks) > 1
    return {"data": [_mark(mark) for mark in chart.marks], "layout": layout}


def _mark(mark: Line | Bars) -> Figure:
    common = {"name": mark.name, "x": list(mark.x), "y": list(mark.y)}
    color = f"@{mark.role}"
    if isinstance(mark, Bars):
        return common | {"type": "bar", "marker": {"color": color}}
    width = 1.8 if mark.dash else 3
    line = {"color": color, "width": width, "dash": "dash" if mark.dash else "solid"}
    mode = "lines+markers" if len(mark.x) <= 24 and not mark.dash else "lines"
    return common | {"type": "scatter", "mode": mode, "line": line, "marker": {"size": 7}}


def _heat(chart: HeatChart) -> Figure:
    trace = {
        "type": "heatmap",
        "x": list(chart.columns),
        "y": list(chart.rows),
        "z": [list(row) for row in chart.cells],
        "colorscale": SCALE,
        "xgap": 2,
        "ygap": 2,
        "texttemplate": "%{z:.3~g}" if len(chart.columns) <= 16 else "",
        "hovertemplate": f"{chart.y_label} %{{y}}, {chart.x_label} %{{x}}: %{{z:.4g}}"
        "<extra></extra>",
        "colorbar": {"title": {"text": chart.value_label, "side": "right"}, "thickness": 14},
        "hoverongaps": False,
    }
    layout = base_layout(
        xaxis=axis(chart.x_label, type="category", showgrid=False),
        yaxis=axis(chart.y_label, type="category", autorange="reversed", showgrid=False),
    )
    return {"data": [trace], "layout": layout}


def _map(chart: MapChart) -> Figure:
    hidden = {"visible": False, "showgrid": False, "zeroline": False}
    layout = base_layout(
        xaxis=dict(hidden),
        yaxis=hidden | {"scaleanchor": "x", "scaleratio": 1},
        hovermode="closest",
        showlegend=False,
        dragmode="pan",
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
    )
    hollow = [i for i, value in enumerate(chart.values) if value is None]
    rings = (_rings(chart, hollow, 10, 1), _rings(chart, chart.marked, 20, 2))
    return {"data": [_edges(chart), _sensors(chart), *rings], "layout": layout}


def _edges(chart: MapChart) -> Figure:
    x: list[float | None] = []
    y: list[float | None] = []
    for a, b in chart.edges:
        x += [chart.x[a], chart.x[b], None]
        y += [chart.y[a], chart.y[b], None]
    line = {"color": "@edge", "width": 1}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "hoverinfo": "skip"}


def _sensors(chart: MapChart) -> Figure:
    """The sensors; colours end at the 95 % quantile so that one outlier hides nothing."""
    shown = [i for i, value in enumerate(chart.values) if value is not None]
    values = sorted(value for value in chart.values if value is not None)
    high = values[min(len(values) - 1, int(0.95 * len(values)))] if values else 1.0
    marker = {
        "size": 11 if len(chart.names) <= 300 else 6,
        "color": [chart.values[i] for i in shown],
        "colorscale": SCALE,
        "cmin": values[0] if values else 0.0,
        "cmax": high,
        "line": {"color": "@ink", "width": 0.6},
        "colorbar": {"title": {"text": chart.value_label, "side": "right"}, "thickness": 14},
    }
    texts = [f"{chart.names[i]}: {chart.values[i]:.4g}" for i in shown]
    place = {"x": [chart.x[i] for i in shown], "y": [chart.y[i] for i in shown]}
    kind = {"type": "scatter", "mode": "markers", "marker": marker}
    return kind | place | {"text": texts, "hovertemplate": "%{text}<extra></extra>"}


def _rings(chart: MapChart, around: Sequence[int], size: int, width: int) -> Figure:
    marker = {"size": size, "symbol": "circle-open", "color": "@ink", "line": {"width": width}}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [chart.x[i] for i in around],
        "y": [chart.y[i] for i in around],
        "text": [chart.names[i] for i in around],
        "marker": marker,
        "hovertemplate": "%{text}<extra></extra>",
    }
