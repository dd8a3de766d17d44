"""What a forecaster shows of itself: facts, errors, a picture of forecasts."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from eac.errors import StreamError
from eac.estimator.settings import Settings
from eac.estimator.stamps import check_alike, zone_of
from eac.records.naive import best_naive
from eac.records.record import RunRecord

if TYPE_CHECKING:  # of the extra eac[report]
    from matplotlib.figure import Figure

SHOWN = 4
NOT_FITTED = "not fitted; call fit(df)"


def facts(record: RunRecord) -> dict[str, str]:
    """What a person wants to know of a run at a glance.

    Example:
        >>> from eac.records.horizon_table import HorizonTable
        >>> from eac.records.record import NodeCounts, PeriodRecord
        >>> table = HorizonTable({"MAE": {"mean": 2.0}}, {"MAE": {"avg": 2.0}})
        >>> period = PeriodRecord("0", 3, NodeCounts(), 12, 99, 1.5, 3, 1, 2.1, {"all": table})
        >>> facts(RunRecord("counts", "", "", "strict", 42, periods=(period,)))
        {'periods': '1', 'sensors': '3', 'test MAE': '2', 'best naive': 'none'}
    """
    last = record.periods[-1]
    best = best_naive(last, "MAE")
    return {
        "periods": str(len(record.periods)),
        "sensors": str(last.num_nodes),
        "test MAE": _number(last.errors.point["MAE"]["mean"]),
        "best naive": _number(None if best is None else best[1]),
    }


def as_text(settings: Settings, record: RunRecord | None) -> str:
    """One line on a forecaster; without a record it is not fitted.

    Example:
        >>> as_text(Settings(24, "h", "practical", None, 42, {}), None)
        "StreamForecaster(horizon=24, recipe='practical'): not fitted; call fit(df)"
    """
    head = f"StreamForecaster(horizon={settings.horizon}, recipe={settings.recipe!r})"
    if record is None:
        return f"{head}: {NOT_FITTED}"
    return f"{head}: {'; '.join(f'{name} {text}' for name, text in facts(record).items())}"


def as_html(settings: Settings, record: RunRecord | None) -> str:
    """The same as a small table for notebooks.

    Example:
        >>> as_html(Settings(24, "h", "<mine>", None, 42, {}), None)[:80]
        '<table><tr><th>horizon</th><td>24</td></tr><tr><th>recipe</th><td>&lt;mine&gt;</'
    """
    known = {"state": NOT_FITTED} if record is None else facts(record)
    rows = {"horizon": str(settings.horizon), "recipe": settings.recipe, **known}
    cells = [f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows.items()]
    return f"<table>{''.join(cells)}</table>"


def error_table(record: RunRecord) -> pd.DataFrame:
    """Mean test errors of each period and forecast, in the units of the readings.

    Example:
        >>> from eac.records.horizon_table import HorizonTable
        >>> from eac.records.record import NodeCounts, PeriodRecord
        >>> table = HorizonTable({"MAE": {"mean": 2.0}}, {"MAE": {"avg": 2.0}})
        >>> period = PeriodRecord("0", 3, NodeCounts(), 12, 99, 1.5, 3, 1, 2.1, {"all": table})
        >>> run = RunRecord("counts", "", "", "strict", 42, periods=(period,))
        >>> error_table(run).to_dict("records")
        [{'period': '0', 'forecast': 'model', 'MAE': 2.0}]
    """
    rows = []
    for period in record.periods:
        for name, table in {"model": period.errors, **period.baselines}.items():
            means = {metric: table.point[metric]["mean"] for metric in table.point}
            rows.append({"period": period.name, "forecast": name, **means})
    return pd.DataFrame(rows)


def plot(
    readings: pd.DataFrame, forecasts: pd.DataFrame, ids: Sequence[str] | None, steps: int
) -> "Figure":
    """One panel per sensor: the last readings and the forecasts.

    Args:
        readings: ``unique_id, ds, y``.
        forecasts: ``unique_id, ds, y_hat``.
        ids: Sensors to show; None takes the first four that have a forecast.
        steps: Readings shown before the first forecast.

    Example:
        >>> hours = pd.date_range("2024-01-01", periods=4, freq="h")
        >>> readings = pd.DataFrame({"unique_id": "a", "ds": hours[:3], "y": [1.0, 2.0, 3.0]})
        >>> forecasts = pd.DataFrame({"unique_id": "a", "ds": hours[3:], "y_hat": [3.5]})
        >>> len(plot(readings, forecasts, ids=None, steps=2).axes)
        1
    """
    from matplotlib.figure import Figure

    if "y_hat" not in forecasts.columns:
        raise StreamError("plot: the second frame has no column y_hat. Give what predict() gave.")
    check_alike(forecasts["ds"].dt.tz, zone_of(readings["ds"]))
    ids = list(dict.fromkeys(forecasts["unique_id"]))[:SHOWN] if ids is None else list(ids)
    figure = Figure(figsize=(9, 2.2 * len(ids)), layout="constrained")
    for axes, name in zip(figure.subplots(len(ids), squeeze=False)[:, 0], ids, strict=True):
        made = forecasts[forecasts["unique_id"].astype(str) == name].sort_values("ds")
        read = readings[readings["unique_id"].astype(str) == name].sort_values("ds")
        times = read["ds"]
        shown = times >= times[times < made["ds"].min()].tail(steps).min()
        axes.plot(times[shown], read["y"][shown], color="0.4", label="read")
        axes.plot(made["ds"], made["y_hat"], color="tab:blue", label="forecast")
        axes.set_title(name, loc="left", fontsize="medium")
    figure.axes[0].legend(loc="upper left", frameon=False)
    return figure


def _number(error: float | None) -> str:
    return "none" if error is None else f"{error:.4g}"
