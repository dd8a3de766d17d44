"""Errors by metric and horizon: the table that records hold and reports show."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

METRICS: dict[str, str] = {"MAE": "", "RMSE": "", "MAPE": "%", "WAPE": "%"}
"""Names of the metrics, and their unit; empty for that of the readings."""
ALWAYS = ("MAE", "RMSE", "MAPE", "WAPE")
"""Metrics that every record holds, also an old one."""

Errors: TypeAlias = dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class HorizonTable:
    """Errors by metric and horizon; None where nothing was observed or the error is not finite.

    MAE and RMSE are in units of the readings, MAPE and WAPE in percent.

    Attributes:
        point: Errors at each step, keys "1", "2", ..., and "mean" over the steps.
        cumulative: Errors over the steps up to each, keys "1", "2", ..., and "avg", the mean of
            those values.

    Example:
        >>> point = {"MAE": {"1": 2.0, "2": 4.0, "mean": 3.0}}
        >>> table = HorizonTable(point, {"MAE": {"1": 2.0, "2": 3.0, "avg": 2.5}})
        >>> table.horizon, table.point["MAE"]["mean"]
        (2, 3.0)
    """

    point: Errors
    cumulative: Errors

    @property
    def horizon(self) -> int:
        """Number of steps forecast."""
        return sum(key.isdigit() for key in next(iter(self.point.values()), {}))

    def to_json(self) -> dict[str, Errors]:
        """The table as plain dictionaries, without NaN."""
        return {"point": _finite(self.point), "cumulative": _finite(self.cumulative)}


Groups: TypeAlias = dict[str, HorizonTable]
"""Errors by group of nodes; "all" is always among them."""


def mean_table(tables: Sequence[HorizonTable]) -> HorizonTable:
    """The mean of each entry over the tables that have a value for it.

    Example:
        >>> one, two = (
        ...     HorizonTable({"MAE": {"mean": error}}, {"MAE": {"avg": error}})
        ...     for error in (2.0, 4.0)
        ... )
        >>> mean_table([one, two]).point["MAE"]["mean"]
        3.0
    """
    return HorizonTable(
        _mean_errors([table.point for table in tables]),
        _mean_errors([table.cumulative for table in tables]),
    )


def first_steps(table: HorizonTable, horizon: int) -> HorizonTable:
    """The errors of the first steps, and their summaries: as if no more were forecast.

    Example:
        >>> point = {"MAE": {"1": 2.0, "2": 4.0, "mean": 3.0}}
        >>> table = HorizonTable(point, {"MAE": {"1": 2.0, "2": 3.0, "avg": 2.5}})
        >>> first_steps(table, 1).point
        {'MAE': {'1': 2.0, 'mean': 2.0}}
    """
    return HorizonTable(
        _first_errors(table.point, horizon, "mean"), _first_errors(table.cumulative, horizon, "avg")
    )


def mean_or_none(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are there; None when there is none.

    Example:
        >>> mean_or_none([1.0, None, 3.0]), mean_or_none([None])
        (2.0, None)
    """
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present else None


def check_tables(tables: Groups, where: str) -> None:
    """Refuses tables that lack a metric or its summary.

    Raises:
        ValueError: Names the table by ``where`` and its name.

    Example:
        >>> try:
        ...     check_tables({"all": HorizonTable({}, {})}, "groups")
        ... except ValueError as error:
        ...     print(error)
        field 'groups.all.point.MAE.mean' is missing
    """
    for name, table in tables.items():
        for kind, errors, summary in (
            ("point", table.point, "mean"),
            ("cumulative", table.cumulative, "avg"),
        ):
            for metric in ALWAYS:
                if summary not in errors.get(metric, {}):
                    raise ValueError(f"field '{where}.{name}.{kind}.{metric}.{summary}' is missing")


def tables_to_json(tables: Groups) -> dict[str, Any]:
    """The tables as plain dictionaries.

    Example:
        >>> table = HorizonTable({"MAE": {"mean": 2.0}}, {"MAE": {"avg": 2.0}})
        >>> tables_to_json({"all": table})["all"]["point"]
        {'MAE': {'mean': 2.0}}
    """
    return {name: table.to_json() for name, table in tables.items()}


def finite_or_none(value: float | None) -> float | None:
    """The value; None where it is not finite, which JSON cannot say.

    Example:
        >>> finite_or_none(2.5), finite_or_none(float("inf"))
        (2.5, None)
    """
    return value if value is not None and math.isfinite(value) else None


def _finite(errors: Errors) -> Errors:
    return {
        metric: {key: finite_or_none(value) for key, value in by_horizon.items()}
        for metric, by_horizon in errors.items()
    }


def _mean_errors(tables: Sequence[Errors]) -> Errors:
    first = tables[0] if tables else {metric: {} for metric in METRICS}
    return {
        metric: {
            key: mean_or_none(table.get(metric, {}).get(key) for table in tables) for key in row
        }
        for metric, row in first.items()
    }


def _first_errors(errors: Errors, horizon: int, summary: str) -> Errors:
    cut: Errors = {}
    for metric, by_horizon in errors.items():
        steps = {k: v for k, v in by_horizon.items() if k.isdigit() and int(k) <= horizon}
        cut[metric] = steps | {summary: mean_or_none(steps.values())}
    return cut
