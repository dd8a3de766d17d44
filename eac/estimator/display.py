"""A picture of readings and the forecasts after them."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

SHOWN = 4


def plot(
    readings: pd.DataFrame, forecasts: pd.DataFrame, ids: Sequence[str] | None, steps: int
) -> Figure:
    """One panel per sensor: the last readings and the forecasts.

    Args:
        readings: ``unique_id, ds, y``.
        forecasts: ``unique_id, ds, y_hat``.
        ids: Sensors to show; None takes the first four that have a forecast.
        steps: Readings shown before the first forecast.
    """
    ids = list(dict.fromkeys(forecasts["unique_id"]))[:SHOWN] if ids is None else list(ids)
    figure = Figure(figsize=(9, 2.2 * len(ids)), layout="constrained")
    for axes, name in zip(figure.subplots(len(ids), squeeze=False)[:, 0], ids, strict=True):
        made = forecasts[forecasts["unique_id"].astype(str) == name].sort_values("ds")
        read = readings[readings["unique_id"].astype(str) == name].sort_values("ds")
        times = pd.to_datetime(read["ds"])
        shown = times.to_numpy() >= times[times < made["ds"].min()].tail(steps).min()
        axes.plot(times[shown], read["y"][shown], color="0.4", label="read")
        axes.plot(made["ds"], made["y_hat"], color="tab:blue", label="forecast")
        axes.set_title(name, loc="left", fontsize="medium")
    figure.axes[0].legend(loc="upper left", frameon=False)
    return figure
