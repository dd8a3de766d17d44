"""What a model is measured against in the same run: naive forecasts, and a gradient booster."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.windows import gather
from eac.errors import ConfigError
from eac.metrics.baselines import naive_errors, same_slot
from eac.metrics.horizon import HorizonErrors
from eac.metrics.smoothed import has_smoothed, smoothed_errors
from eac.typing import NodeSeries

Peer: TypeAlias = Literal["lightgbm"]

TREES, LEAVES = 150, 63
LAST = 12
"""Readings before the forecast among the features."""
MAX_ROWS = 400_000
"""Training rows of one horizon; more are thinned out evenly."""
CHUNK = 512
"""Windows whose features are gathered at once."""


def check_peers(peers: Sequence[Peer]) -> None:
    """Raises ``ConfigError`` at once where a peer's library is missing.

    Example:
        >>> check_peers(())
    """
    if "lightgbm" in peers:
        _lightgbm()


def baseline_errors(
    data: PeriodData, null_value: float | None, peers: Sequence[Peer] = ()
) -> dict[str, HorizonErrors]:
    """Errors of the naive forecasts, and of the peers asked for, on the period's test windows.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> sorted(baseline_errors(data, None))
        ['average', 'day', 'last', 'smoothed', 'week']
    """
    period, test = data.period, data.starts("test")
    where = (period.series, test, data.window, data.horizon, period.calendar, null_value)
    errors = naive_errors(*where)
    if has_smoothed(period.calendar):
        errors["smoothed"] = smoothed_errors(*where)
    if "lightgbm" in peers:
        errors["lightgbm"] = lightgbm_errors(data, null_value)
    return errors


def lightgbm_errors(
    data: PeriodData, null_value: float | None, *, trees: int = TREES
) -> HorizonErrors:
    """Errors of one gradient-boosted model per horizon, fitted anew on all before the test part.

    The features are the last 12 readings, the readings of the forecast slot a day and a week
    before it, its slot of the day and day of the week, and the node; the loss is absolute.

    Args:
        data: The period.
        null_value: Targets equal to this are left out of training and errors.
        trees: Boosting rounds.
    """
    library, series = _lightgbm(), data.period.series
    test = data.starts("test")
    known_by_then = torch.arange(int(data.starts("train")[0]), int(data.starts("val")[-1]) + 1)
    forecasts = torch.empty(len(test), series.shape[1], data.horizon)
    for step in range(data.horizon):
        rows, target = _training_rows(data, known_by_then, step, null_value)
        known = library.Dataset(rows, target, categorical_feature=[rows.shape[1] - 1])
        model = library.train(_settings(data.seed), known, trees)
        for chunk, at in zip(test.split(CHUNK), torch.arange(len(test)).split(CHUNK), strict=True):
            told = features(series, data.period.calendar, chunk + data.window, step)
            forecast = model.predict(told.reshape(-1, told.shape[-1]))
            forecasts[at, :, step] = torch.from_numpy(forecast).float().reshape(told.shape[:2])
    errors = HorizonErrors(series.shape[1], data.horizon, null_value)
    y = gather(series, test + data.window, data.horizon)
    errors.update(forecasts, y.nan_to_num(0.0), ~y.isnan())
    return errors


def features(
    series: NodeSeries, calendar: Calendar, first: Int[Tensor, " batch"], step: int
) -> Float[ndarray, "batch node feature"]:
    """What the peer is told of a target ``step`` steps after the first one; NaN where unknown.

    Args:
        series: Raw readings, NaN where missing.
        calendar: Clock of the period.
        first: Step of the first target of each window; everything before it is known.
        step: Position of the target in the forecast, from 0.
    """
    num_nodes, at = series.shape[1], first + step
    unknown = torch.full((len(first), num_nodes), torch.nan)
    last = gather(torch.cat([unknown[:1].expand(LAST, -1), series]), first, LAST)
    seasons = [
        same_slot(series, first, unknown, step + 1, cycle)[..., -1:]
        for cycle in (calendar.steps_per_day, calendar.steps_per_week)
    ]
    clock = torch.stack([calendar.slot_of_day(at), calendar.day_of_week(at)], dim=-1)
    clock = clock[:, None].expand(-1, num_nodes, -1).float()
    node = torch.arange(num_nodes).float()[None, :, None].expand(len(first), -1, -1)
    return torch.cat([last, *seasons, clock, node], dim=-1).numpy()


def _training_rows(
    data: PeriodData, starts: Int[Tensor, " window"], step: int, null_value: float | None
) -> tuple[Float[ndarray, "row feature"], Float[ndarray, " row"]]:
    series, calendar = data.period.series, data.period.calendar
    starts = starts[:: -(-len(starts) * series.shape[1] // MAX_ROWS)]
    rows, targets = [], []
    for chunk in starts.split(CHUNK):
        y = series[chunk + data.window + step].numpy()
        told = features(series, calendar, chunk + data.window, step)
        counted = ~np.isnan(y) if null_value is None else ~np.isnan(y) & (y != null_value)
        rows.append(told[counted])
        targets.append(y[counted])
    return np.concatenate(rows), np.concatenate(targets)


def _settings(seed: int) -> dict[str, Any]:
    return {
        "objective": "regression_l1",
        "num_leaves": LEAVES,
        "learning_rate": 0.1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": torch.get_num_threads(),
        "verbosity": -1,
    }


def _lightgbm() -> Any:
    try:
        import lightgbm
    except ImportError as error:
        raise ConfigError(
            "the peer lightgbm needs the library of that name. Install it with: "
            "pip install 'eac[peers]'"
        ) from error
    return lightgbm
