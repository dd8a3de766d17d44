"""Reversible instance normalisation: exact, safe where little was read, and consistent."""

import math
from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from eac.backbones.base import Backbone
from eac.backbones.revin import Level, RevIN
from eac.backbones.seasonal import SeasonalMLP
from eac.backbones.stgnn import STGNN
from eac.data.batches.batch import Batch, Inputs
from eac.data.batches.datamodule import PeriodData
from eac.data.core.graph import Graph
from eac.data.series.scaling import PerNode, Scaler
from eac.errors import ConfigError
from eac.strategies.eac import EAC
from eac.strategies.online_new import OnlineNew
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_stream

BATCH, NODES, WINDOW, HORIZON, LAGS = 6, 4, 8, 3, 2
LEAST = 0.1


class Repeat(Backbone):
    """Forecasts the first readings of the window, as it sees them."""

    def __init__(self, window=WINDOW, horizon=HORIZON):
        super().__init__()
        self.window, self.horizon, self.hidden = window, horizon, window

    def encode(self, inputs: Inputs, graph: Graph) -> Float[Tensor, "batch node hidden"]:
        return inputs.x

    def decode(
        self, features: Float[Tensor, "batch node hidden"], inputs: Inputs
    ) -> Float[Tensor, "batch node horizon"]:
        return features[..., : self.horizon]


@pytest.fixture
def given():
    shape = (BATCH, NODES, LAGS, WINDOW + HORIZON)
    observed = torch.rand(BATCH, NODES, WINDOW) < 0.8
    return Inputs(
        torch.randn(BATCH, NODES, WINDOW) * 3 + 5,
        observed=observed,
        history=torch.randn(shape) * 3 + 5,
        history_observed=torch.rand(shape) < 0.8,
    )


def test_a_window_sent_through_and_back_is_the_window(given):
    full = replace(given, observed=None)
    y_hat = RevIN(Repeat(), LEAST)(full, Graph.empty(NODES))
    torch.testing.assert_close(y_hat, full.x[..., :HORIZON])


def test_the_statistics_are_those_of_the_readings_present(given):
    x, observed = given.x.clone(), given.observed.clone()
    observed[0, 0] = torch.tensor([1, 1, 0, 0, 1, 0, 0, 1], dtype=torch.bool)
    x[0, 0] = torch.tensor([2.0, 4.0, 99.0, 99.0, 6.0, 99.0, 99.0, 8.0])
    level = Level.of(replace(given, x=x, observed=observed), LEAST)

    assert float(level.mean[0, 0]) == pytest.approx(5)
    assert float(level.scale[0, 0]) == pytest.approx(math.sqrt(5 + LEAST**2))
    seen = level.apply(replace(given, x=x, observed=observed)).x[0, 0]
    torch.testing.assert_close(seen[observed[0, 0]], torch.tensor([-3.0, -1, 1, 3]) / 5.01**0.5)
    assert not seen[~observed[0, 0]].any()


def test_a_forecast_moves_and_stretches_with_its_window(given):
    full = replace(given, observed=None)
    model = RevIN(STGNN(WINDOW, HORIZON, hidden=5), least=1e-4)
    graph = Graph.empty(NODES)
    moved = model(replace(full, x=7 * full.x + 30), graph)
    torch.testing.assert_close(moved, 7 * model(full, graph) + 30, rtol=1e-3, atol=1e-3)


def test_a_constant_window_gives_a_finite_forecast_and_gradient(given):
    constant = replace(given, x=torch.full_like(given.x, 3.0), observed=None)
    model = RevIN(STGNN(WINDOW, HORIZON, hidden=5), LEAST)
    y_hat = model(constant, Graph.empty(NODES))
    y_hat.square().sum().backward()
    assert y_hat.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    level = Level.of(constant, LEAST)
    torch.testing.assert_close(level.scale, torch.full_like(level.scale, LEAST))


def test_a_window_without_readings_is_left_alone(given):
    silent = replace(given, observed=torch.zeros_like(given.observed))
    seen = Level.of(silent, LEAST).apply(silent)
    assert torch.equal(seen.x, silent.x)
    torch.testing.assert_close(
        seen.history, silent.history.masked_fill(~silent.history_observed, 0.0)
    )


def test_history_is_scaled_like_the_window_and_stays_unknown_where_it_was(given):
    level = Level.of(given, LEAST)
    seen = level.apply(given).history
    expected = (given.history[2, 1, 1, 4] - level.mean[2, 1]) / level.scale[2, 1]
    known = bool(given.history_observed[2, 1, 1, 4])
    assert float(seen[2, 1, 1, 4]) == pytest.approx(float(expected) if known else 0.0, abs=1e-5)
    assert not seen[~given.history_observed].any()


def test_neighbours_computed_once_or_afresh_or_for_single_nodes_are_the_same(given):
    graph = Graph.from_dense(torch.rand(NODES, NODES))
    model = RevIN(SeasonalMLP(WINDOW, HORIZON, hidden=8, num_blocks=1, lags=("1d", "1w")), LEAST)
    near = torch.einsum("ij,bjw->biw", graph.mean_matrix.to_dense(), given.x)
    expected = model(given, graph)
    torch.testing.assert_close(model(replace(given, neighbour_x=near), graph), expected)

    alone = replace(
        given,
        x=given.x[:, 1:2],
        observed=given.observed[:, 1:2],
        history=given.history[:, 1:2],
        history_observed=given.history_observed[:, 1:2],
        neighbour_x=near[:, 1:2],
    )
    torch.testing.assert_close(model(alone, Graph.empty(1)), expected[:, 1:2])


def test_a_backbone_of_several_hops_is_not_given_neighbours_beforehand():
    assert STGNN(WINDOW, HORIZON).needs.neighbours is not None
    assert RevIN(STGNN(WINDOW, HORIZON)).needs.neighbours is None


def test_level_and_scaling_of_the_data_are_one_map_for_what_starts_from_data(given):
    level = Level.of(given, LEAST)
    scaler = Scaler(torch.arange(1.0, 5), torch.arange(2.0, 6))
    y_hat = torch.randn(BATCH, NODES, HORIZON)
    expected = scaler.inverse(level.restore(y_hat))
    torch.testing.assert_close(level.after(scaler).inverse(y_hat), expected)


@pytest.mark.parametrize("scaling", [None, PerNode()])
def test_forecasts_in_other_units_than_the_readings_are_refused(scaling, tmp_path):
    model = Forecaster(STGNN(12, 12, hidden=4), EAC(rank=2), revin=LEAST)
    data = PeriodData(tiny_stream(), protocol="published", scaling=scaling)
    runner = StreamRunner(model, data, run_dir=tmp_path, make_trainer=DefaultTrainer(max_epochs=1))
    if scaling is None:
        with pytest.raises(ConfigError, match=r"--data\.scaling PerNode"):
            runner.run()
    else:
        assert len(runner.run().periods) == 4


def test_a_deviation_of_zero_is_refused():
    with pytest.raises(ConfigError, match="positive"):
        RevIN(STGNN(), 0.0)


@pytest.mark.parametrize("strategy", [EAC(rank=2), OnlineNew()], ids=["frozen", "subgraph"])
def test_it_runs_over_a_stream_with_gaps_under_frozen_and_partial_training(strategy, tmp_path):
    backbone = SeasonalMLP(hidden=8, num_blocks=1, lags=("1d",))
    model = Forecaster(backbone, strategy, revin=LEAST)
    data = PeriodData(tiny_stream(missing=True), seed=3, batch_size=16)
    run = StreamRunner(model, data, run_dir=tmp_path, make_trainer=DefaultTrainer(max_epochs=1))
    assert all(math.isfinite(period.val_metric or 0) for period in run.run().periods)


def test_the_loss_of_start_from_is_that_of_normalised_windows(given):
    backbone = SeasonalMLP(WINDOW, HORIZON, hidden=8, num_blocks=1, lags=("1d", "1w"))
    full = replace(given, history_observed=torch.ones_like(given.history_observed))
    y = full.history[:, :, 1, WINDOW:]
    everything = torch.ones_like(y, dtype=torch.bool)
    scaler = Scaler(torch.full((NODES,), 7.0), torch.full((NODES,), 3.0))
    starts = torch.arange(BATCH)
    batch = Batch(full, scaler.inverse(y), everything, Graph.empty(NODES), scaler, starts)
    RevIN(backbone, LEAST).start_from(batch)
    trust = backbone.trust.sigmoid()
    torch.testing.assert_close(trust, torch.full_like(trust, 0.999), rtol=0, atol=1e-5)
