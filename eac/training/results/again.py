"""Windows that are forecast once more after a test, and what is kept of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eac.artifacts.checkpoint import SavedState
from eac.continual.features import evaluating
from eac.data.batches.batch import Batch
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.share import Share
from eac.training.forecaster import Forecaster

ORIGINS = 288
NODE_WINDOWS = 8_000_000
"""Windows x nodes that are forecast once more; a large network gets shorter traces."""
SAMPLED = 1 << 19
"""The same where a few sensors are forecast without the others: their traces stay whole."""
OTHERS = 1 << 18
"""Windows x nodes of the other sensors of a large network, whose features are described."""
DESCRIBED = 256
"""Sensors that are forecast beside the chosen ones where no process holds them all."""
NODE_WINDOWS_AT_ONCE = 1 << 13
IN_PARTS = 1 << 19
"""Windows x nodes of a batch that is forecast in parts."""


def forecast_again(
    model: Forecaster, data: PeriodData, rows: Int[Tensor, " chosen"]
) -> tuple[Float[Tensor, "origin chosen horizon"], Float[Tensor, "sensor hidden"]]:
    """Forecasts of some sensors at the last origins of the test, and sensors' mean features.

    Windows come in order of time from the first that the bound allows, since a strategy may learn
    from them; only the last ones are kept. Where a sensor's forecast does not depend on the other
    sensors of the batch, a large network is forecast at the chosen sensors and at some others,
    evenly spread.
    """
    if not data.ready.made:
        return _of_some(model, data, rows)
    starts, num_nodes = data.starts("test"), data.period.num_nodes
    alone = data.ready.in_parts and model.strategy.forecasts_apart
    some = torch.arange(num_nodes)
    if alone and len(starts) * num_nodes > SAMPLED:
        starts = starts[-SAMPLED:]
        count = max(1, OTHERS // len(starts))
        some = torch.linspace(0, num_nodes - 1, count).round().long()
        batches = forecasting_batches(model, data, starts, torch.cat([rows, some]))
        chosen, described = torch.arange(len(rows)), slice(len(rows), None)
    else:
        starts = starts[-max(1, NODE_WINDOWS // num_nodes) :]
        batches, chosen, described = forecasting_batches(model, data, starts), rows, slice(None)
    kept = min(data.period.calendar.steps_per_week, ORIGINS, len(starts))
    forecasts, total = [], torch.zeros(len(some), model.backbone.hidden, dtype=torch.float64)
    with undisturbed(model):
        for batch in batches:
            y_hat, features = _forecast(model, batch)
            forecasts = [*forecasts, y_hat[:, chosen].cpu()][-kept:]
            total += features[:, described].double().sum(0).cpu()
    return torch.cat(forecasts)[-kept:], total / len(starts)


def _of_some(
    model: Forecaster, data: PeriodData, rows: Int[Tensor, " chosen"]
) -> tuple[Float[Tensor, "origin chosen horizon"], Float[Tensor, "sensor hidden"]]:
    """The same of a period that was read and not made ready: the chosen and some others alone."""
    period, count = data.period, min(DESCRIBED, data.period.num_nodes)
    some = torch.linspace(0, period.num_nodes - 1, count).round().long()
    held = torch.cat([rows, some]).unique()
    share, ready = Share.at(period, held), data.ready
    share = share.scaled(ready.scales, ready.tested.tensors.network)
    own = data.of_share(share).prepared(model.backbone.needs)
    model.select_nodes(own.period.node_ids)
    found = forecast_again(model, own, torch.searchsorted(held, rows))
    model.select_nodes(period.node_ids)
    return found


def _forecast(
    model: Forecaster, batch: Batch
) -> tuple[Float[Tensor, "batch node horizon"], Float[Tensor, "batch node hidden"]]:
    inputs = model.strategy.adapt_input(batch.inputs)
    features = model.backbone.encode(inputs, batch.graph)
    features = model.strategy.adapt_features(features, inputs)
    y_hat = model.loss.point(batch.scaler.inverse(model.backbone.decode(features, inputs)))
    return model.strategy.adapt_forecast(y_hat, batch), features


def forecasting_batches(
    model: Forecaster,
    data: PeriodData,
    starts: Int[Tensor, " window"],
    nodes: Int[Tensor, " chosen"] | None = None,
) -> Iterator[Batch]:
    """Windows in order of time, a bounded number at once, on the device of the model.

    Args:
        model: What forecasts them.
        data: The period.
        starts: First steps of the windows.
        nodes: Rows of those that are gathered; None gathers all.

    Example:
        >>> from eac import EAC, STGNN
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> model = Forecaster(STGNN(), EAC(rank=6))
        >>> [batch.y.shape for batch in forecasting_batches(model, data, data.starts("test"))]
        [torch.Size([17, 3, 12])]
    """
    tensors = data.ready.tested.on(model.device)
    if tensors.neighbour_x is None:
        tensors = tensors.with_neighbours(model.backbone.needs.neighbours)
    count = data.period.num_nodes
    if nodes is not None:
        for chunk in starts.split(max(1, model.backbone.at_once // len(nodes))):
            yield tensors.batch(chunk.to(model.device), nodes=nodes.to(model.device))
    elif data.ready.in_parts and len(starts) * count > SAMPLED:
        for chunk in starts.split(max(1, IN_PARTS // count)):
            yield tensors.in_parts(chunk.to(model.device))
    else:
        for chunk in starts.split(max(1, NODE_WINDOWS_AT_ONCE // count)):
            yield tensors.batch(chunk.to(model.device))


@contextmanager
def undisturbed(model: Forecaster) -> Iterator[None]:
    """Puts back everything that forecasting may change: state, modes and randomness.

    Example:
        >>> from eac import EAC, STGNN
        >>> model = Forecaster(STGNN(window=12, horizon=6), EAC(rank=6))
        >>> with undisturbed(model):
        ...     _ = next(model.parameters()).zero_()
        >>> bool(next(model.parameters()).any())
        True
    """
    state = SavedState.of(model)
    with torch.random.fork_rng(devices=[]), torch.no_grad(), evaluating(model):
        model.strategy.begin_forecasts()
        yield
    state.restore(model)
