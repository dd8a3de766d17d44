"""What a model is measured against in the same run: naive forecasts, and a gradient booster."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from eac.data.batches.datamodule import PeriodData
from eac.data.core.among import EVERY, Among
from eac.data.core.blocks import drop_pages, hand_back
from eac.data.core.calendar import Calendar
from eac.data.core.windows import gather
from eac.errors import ConfigError
from eac.metrics.baselines import Windows, same_slot
from eac.metrics.horizon import HorizonErrors
from eac.metrics.smoothed import has_smoothed, smoothed_errors
from eac.typing import NodeIndex, NodeSeries

Peer: TypeAlias = Literal["lightgbm"]

TREES, LEAVES = 150, 63
LAST = 12
"""Readings before the forecast among the features."""
MAX_ROWS = 400_000
"""Training rows of one horizon; more are thinned out evenly."""
CHUNK = 512
"""Windows whose features are gathered at once."""


@runtime_checkable
class Booster(Protocol):
    """A gradient-boosted model of one step of the horizon.

    Example:
        >>> class Same:
        ...     def predict(self, data):
        ...         return data[:, LAST - 1]
        >>> isinstance(Same(), Booster)
        True
    """

    def predict(self, data: Float[ndarray, "row feature"]) -> Float[ndarray, " row"]:
        """One forecast for each row."""
        ...


class Boosters:
    """Gradient-boosted models, one for each step of the horizon, of the last period asked for.

    Args:
        null_value: Targets equal to this are left out of training.
        trees: Boosting rounds.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> stream = SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200)
        >>> data = PeriodData(stream, window=4, horizon=2)
        >>> len(Boosters(null_value=None, trees=2).of(data))  # one for each step
        2
    """

    def __init__(self, null_value: float | None, trees: int = TREES):
        self._null_value, self._trees = null_value, trees
        self._fitted: tuple[int, Sequence[Booster]] | None = None

    def of(self, data: PeriodData) -> Sequence[Booster]:
        """Models fitted on everything before the test part of a period; kept for the next call.

        The features are the last 12 readings, the readings of the forecast slot a day and a week
        before it, its slot of the day and day of the week, and the node; the loss is absolute.
        """
        if self._fitted is None or self._fitted[0] != data.index:
            self._fitted = data.index, [self._fit(data, step) for step in range(data.horizon)]
        return self._fitted[1]

    def _fit(self, data: PeriodData, step: int) -> Booster:
        known = torch.arange(int(data.starts("train")[0]), int(data.starts("val")[-1]) + 1)
        rows, target = _training_rows(data, known, step, self._null_value)
        dataset = _lightgbm().Dataset(rows, target, categorical_feature=[rows.shape[1] - 1])
        return _lightgbm().train(_settings(data.seed), dataset, self._trees)


def boosters_of(peers: Sequence[Peer], null_value: float | None) -> Boosters | None:
    """What fits the peers asked for; None without any.

    Args:
        peers: By name.
        null_value: Targets equal to this are left out of training.

    Raises:
        ConfigError: If a peer's library is missing.

    Example:
        >>> boosters_of((), None) is None
        True
    """
    if "lightgbm" not in peers:
        return None
    _lightgbm()
    return Boosters(null_value)


def baseline_errors(
    data: PeriodData,
    null_value: float | None,
    boosters: Boosters | None = None,
    among: Among = EVERY,
) -> dict[str, HorizonErrors]:
    """Errors of the naive forecasts, and of the peers asked for, on the period's test windows.

    Args:
        data: The period.
        null_value: Targets equal to this are left out.
        boosters: Of the peers.
        among: Nodes that means and choices are over, where processes divide them.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=300))
        >>> sorted(baseline_errors(data, None))
        ['average', 'day', 'last', 'smoothed', 'week']
    """
    period, test = data.period, data.starts("test")
    hand_back()
    drop_pages(period.by_node)  # what follows reads the series by step
    windows = Windows(test, data.window, data.horizon, period.calendar, null_value, among)
    errors = windows.naive(period.series)
    hand_back()
    if has_smoothed(period.calendar):
        errors["smoothed"] = smoothed_errors(period.series, windows)
    if boosters is not None:
        errors["lightgbm"] = lightgbm_errors(data, null_value, boosters.of(data))
    return errors


def lightgbm_errors(
    data: PeriodData, null_value: float | None, models: Sequence[Booster]
) -> HorizonErrors:
    """Errors of models that ``Boosters`` fitted on the period, on its test windows.

    Args:
        data: The period.
        null_value: Targets equal to this are left out.
        models: One for each step of the horizon.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> class Same:
        ...     def predict(self, data):
        ...         return data[:, LAST - 1]
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> float(lightgbm_errors(data, None, [Same()] * data.horizon).mae()) > 0
        True
    """
    series = data.period.series
    errors = HorizonErrors(series.shape[1], data.horizon, null_value)
    for chunk in data.starts("test").split(CHUNK):
        y = gather(series, chunk + data.window, data.horizon)
        y_hat = boosted(models, data, chunk, torch.arange(series.shape[1]))
        errors.update(y_hat, y.nan_to_num(0.0), ~y.isnan())
    return errors


def boosted(
    models: Sequence[Booster],
    data: PeriodData,
    starts: Int[Tensor, " batch"],
    nodes: NodeIndex,
    *,
    known: bool = True,
) -> Float[Tensor, "batch chosen horizon"]:
    """Forecasts of some nodes; those that the models do not know are told them as unknown.

    Args:
        models: One for each step of the horizon.
        data: The period.
        starts: First steps of the windows.
        nodes: Rows of the period.
        known: False where the models have never seen these nodes.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> class Same:
        ...     def predict(self, data):
        ...         return data[:, LAST - 1]
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> boosted([Same()] * 12, data, torch.tensor([100]), torch.tensor([0, 2])).shape
        torch.Size([1, 2, 12])
    """
    forecasts = torch.empty(len(starts), len(nodes), len(models))
    for step, model in enumerate(models):
        told = features(data.period.series, data.period.calendar, starts + data.window, step)
        told = told[:, nodes.numpy()]
        if not known:
            told[..., -1] = np.nan
        y_hat = model.predict(told.reshape(-1, told.shape[-1]))
        forecasts[..., step] = torch.from_numpy(y_hat).float().reshape(told.shape[:2])
    return forecasts


def features(
    series: NodeSeries, calendar: Calendar, first: Int[Tensor, " batch"], step: int
) -> Float[ndarray, "batch node feature"]:
    """What the peer is told of a target ``step`` steps after the first one; NaN where unknown.

    Args:
        series: Raw readings, NaN where missing.
        calendar: Clock of the period.
        first: Step of the first target of each window; everything before it is known.
        step: Position of the target in the forecast, from 0.

    Example:
        >>> series = torch.arange(48.0)[:, None]
        >>> told = features(series, Calendar(24), torch.tensor([30]), step=0)
        >>> told.shape, float(told[0, 0, LAST - 1])
        ((1, 1, 17), 29.0)
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
