"""The best of the naive forecasts of a period."""

from eac.records.record import PeriodRecord

PEERS = ("lightgbm",)
"""Forecasts in a record that are trained, and so no naive ones."""


def best_naive(period: PeriodRecord, metric: str) -> tuple[str, float] | None:
    """Name and error of the naive forecast with the smallest error; None where there is none.

    Example:
        >>> from eac.records.sample import sample_period
        >>> best_naive(sample_period("2024", 8.0), "MAE")
        ('week', 10.0)
    """
    errors = {
        name: value
        for name, table in period.baselines.items()
        if name not in PEERS and (value := table.point[metric].get("mean")) is not None
    }
    return min(errors.items(), key=lambda item: item[1]) if errors else None
