"""STRAP: what is stored, and how it is mixed in."""

import pytest
import torch

from eac.artifacts.checkpoint import SavedState
from eac.backbones.stgnn import STGNN
from eac.data.batches.batch import Inputs
from eac.data.core.stream import MemoryStream
from eac.errors import ConfigError
from eac.strategies.strap import STRAP
from eac.training.forecaster import Forecaster
from tests.strategies.contexts import begin, contexts, forecasts, shake
from tests.streams import CHURN, tiny_period, tiny_stream


def strategy_of(model: Forecaster) -> STRAP:
    assert isinstance(model.strategy, STRAP)
    return model.strategy


def model_with(**settings):
    torch.manual_seed(0)
    return Forecaster(STGNN(), STRAP(patterns=6, matches=2, **settings))


def after_period_0(stream, **settings):
    model = model_with(**settings)
    context = next(contexts(stream))
    begin(model, context)
    strategy_of(model).end_period(context, model.backbone)
    return model, context


def test_features_are_seven_tenths_own_and_three_tenths_retrieved():
    strategy = strategy_of(model_with())
    strategy.temporal.add(torch.ones(1, 12), torch.full((1, 12), 10.0))
    strategy.spatiotemporal.add(torch.ones(1, 12), torch.full((1, 12), 30.0))
    features = torch.full((2, 3, 12), 100.0)
    got = strategy.adapt_features(features, Inputs(torch.randn(2, 3, 12)))
    torch.testing.assert_close(got, torch.full((2, 3, 12), 0.7 * 100 + 0.3 * (10 + 30) / 2))


def test_an_empty_library_changes_nothing():
    features = torch.randn(2, 3, 12)
    strategy = strategy_of(model_with())
    assert strategy.adapt_features(features, Inputs(torch.randn(2, 3, 12))) is features


def test_what_is_stored_are_windows_of_the_training_part_with_their_features():
    model, context = after_period_0(tiny_stream())
    tensors, train = context.current.tensors, context.current.split.train
    starts = torch.arange(train.stop - 24 + 1)
    batch = tensors.batch(starts)
    windows = batch.inputs.x.reshape(-1, 12)
    features = model.backbone.eval().encode(batch.inputs, batch.graph).reshape(-1, 12)
    unit = torch.nn.functional.normalize(windows)
    found = torch.cdist(strategy_of(model).temporal.keys, unit).argmin(1)
    torch.testing.assert_close(strategy_of(model).temporal.keys, unit[found])
    torch.testing.assert_close(strategy_of(model).temporal.values, features[found].detach())


def test_windows_with_all_their_readings_are_preferred():
    period = tiny_period("p", "ab", num_steps=200)
    series = period.series.clone()
    series[::13, 0] = torch.nan
    gappy = MemoryStream([type(period)(**{**vars(period), "series": series})], name="gappy")
    model, context = after_period_0(gappy)
    whole = context.current.tensors.scaled(range(200))[:, 1].unfold(0, 12, 1)
    unit = torch.nn.functional.normalize(whole)
    nearest = torch.cdist(strategy_of(model).temporal.keys, unit).min(1).values
    assert nearest.max() < 1e-3


def test_the_order_of_nodes_does_not_change_what_is_stored():
    stored = [
        strategy_of(after_period_0(MemoryStream([period], name="one"))[0]).temporal
        for period in (
            tiny_period("p", "abcd"),
            tiny_period("p", "abcd").permute(torch.tensor([2, 3, 1, 0])),
        )
    ]
    torch.testing.assert_close(stored[0].keys, stored[1].keys)
    torch.testing.assert_close(stored[0].values, stored[1].values)


def test_the_library_grows_by_period_and_is_taken_up_by_a_fresh_model():
    model, fresh = model_with(), model_with()
    periods = list(contexts(tiny_stream(missing=True)))
    for context in periods:
        begin(model, context)
        shake(model)
        strategy_of(model).end_period(context, model.backbone)
    assert (
        len(strategy_of(model).temporal) == len(strategy_of(model).spatiotemporal) == 6 * len(CHURN)
    )
    SavedState.of(model).restore(fresh)
    assert torch.equal(forecasts(fresh, periods[-1]), forecasts(model, periods[-1]))


def test_settings_without_meaning_are_refused():
    with pytest.raises(ConfigError, match=r"own=1\.5"):
        STRAP(own=1.5)
