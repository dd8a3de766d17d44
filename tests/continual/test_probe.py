"""Short trainings: what they measure, and what they leave alone."""

from dataclasses import replace

import pytest
import torch

from eac.backbones.seasonal import SeasonalMLP
from eac.backbones.stgnn import STGNN
from eac.continual import probe as probes
from eac.continual.features import first_week_starts
from eac.continual.probe import (
    Budget,
    TrainingSettings,
    between,
    masked_mse,
    mean_error,
    probe,
    put_state,
    state_of,
    validation_error,
)
from eac.data.batches import spread as spreads
from eac.data.batches.datamodule import PeriodData
from eac.strategies.eac import EAC
from eac.strategies.forecast import Pair
from eac.training.forecaster import Forecaster
from tests.strategies.contexts import begin, contexts
from tests.streams import tiny_stream


@pytest.fixture
def context():
    return next(iter(contexts(tiny_stream(missing=True))))


@pytest.fixture
def pair(context):
    torch.manual_seed(3)
    model = Forecaster(STGNN(hidden=8), EAC(rank=2, seed=1))
    begin(model, context)
    return Pair(model.strategy, model.backbone)


def test_the_error_is_the_mean_absolute_one_in_raw_units(pair, context):
    starts = torch.tensor([0, 7, 30])
    batch = context.current.tensors.batch(starts)
    with torch.no_grad():
        y_hat = batch.scaler.inverse(pair.eval()(batch))
    difference = (y_hat - batch.y).abs()
    expected = float(difference[batch.mask].mean())
    assert mean_error(pair, context.current, starts) == pytest.approx(expected, rel=1e-5)
    row = torch.tensor([2])
    some = float(difference[:, 2][batch.mask[:, 2]].mean())
    assert mean_error(pair, context.current, starts, nodes=row) == pytest.approx(some, rel=1e-5)


def test_a_probe_of_a_large_network_draws_nodes_for_each_window(context, monkeypatch):
    torch.manual_seed(3)
    model = Forecaster(SeasonalMLP(hidden=8, lags=("1d",)), EAC(rank=2, seed=1))
    data = PeriodData(tiny_stream(missing=True), nodes_per_window=1).prepared(model.backbone.needs)
    begin(model, replace(context, current=data.view))
    shapes, nodes = [], []

    def loss(y_hat, batch):
        shapes.append(tuple(batch.y.shape))
        nodes.append(batch.nodes.tolist())
        return masked_mse(y_hat, batch)

    monkeypatch.setattr(probes, "WINDOWS_DRAWN", 2)
    settings = TrainingSettings(loss, batch_size=1, by_node=True, node_windows=2)
    pair = Pair(model.strategy, model.backbone)
    probe(pair, data.view, settings, Budget(steps=5), seed=5)
    assert shapes == [(2, 1, 12)] * 5
    drawn = list(nodes)
    probe(pair, data.view, settings, Budget(steps=5), seed=5)
    assert nodes[5:] == drawn
    assert len({node for batch in drawn for row in batch for node in row}) > 1


def test_a_probe_repeats_itself_and_leaves_the_generator_alone(pair, context):
    start, before = state_of(pair), torch.random.get_rng_state()
    ends = []
    for _ in range(2):
        put_state(pair, start)
        probe(pair, context.current, TrainingSettings(), Budget(steps=3), seed=5)
        ends.append(state_of(pair))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in start)
    assert any(not torch.equal(ends[0][name], start[name]) for name in start)


def test_a_probe_trains_only_what_requires_a_gradient(pair, context):
    pair.backbone.requires_grad_(False)
    start = state_of(pair)
    probe(pair, context.current, TrainingSettings(), Budget(steps=2), seed=5)
    end = state_of(pair)
    same = {name for name in start if torch.equal(start[name], end[name])}
    assert same == {name for name in start if "pool.node" not in name and "basis" not in name}


def test_a_probe_leaves_the_mean_of_the_second_half_of_its_steps(pair, context):
    class Ladder(torch.optim.Optimizer):
        """Adds 1 to every value in each step."""

        def __init__(self, parameters):
            super().__init__(parameters, {})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter += 1

    start = state_of(pair)
    learning = TrainingSettings(optimizer=Ladder, batch_size=16)
    probe(pair, context.current, learning, Budget(steps=4, epochs=9), seed=0)
    moved = pair.backbone.fc.bias.detach() - start["backbone.fc.bias"]
    torch.testing.assert_close(moved, torch.full_like(moved, 3.5))  # of 1, 2 | 3, 4


@pytest.mark.parametrize(
    ("windows", "steps"),
    [(10, 1), (640, 30), (64_000, 250)],  # 3 passes in batches of 64
)
def test_a_budget_is_the_smaller_of_steps_and_passes(windows, steps):
    assert Budget().num_steps(windows, 64) == steps


def test_the_first_week_lies_in_the_training_part(context):
    assert first_week_starts(context.current).tolist() == list(range(96 - 24 + 1))


def test_validation_may_be_thinned_evenly(pair, context):
    thin = mean_error(pair, context.current, torch.tensor([96, 99, 102]))
    assert validation_error(pair, context.current, TrainingSettings(), 3) == pytest.approx(thin)


def test_the_line_between_two_states():
    one, two = {"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 6.0])}
    assert between(one, two, 0.25)["w"].tolist() == [1.5, 3.0]


def test_a_large_network_is_measured_on_some_of_its_nodes(monkeypatch):
    monkeypatch.setattr(spreads, "NODE_WINDOWS", 9)
    stream = tiny_stream()
    data = PeriodData(stream, nodes_per_window=1)
    model = Forecaster(SeasonalMLP(12, 12, hidden=8, num_blocks=1), EAC(rank=2, seed=1))
    model.made_ready(data)
    pair, view = Pair(model.strategy, model.backbone), data.prepared(model.backbone.needs).view
    starts = torch.tensor([0, 7, 30])
    some = spreads.spread(starts, 4)
    assert some is not None

    batch = view.tensors.batch(starts)
    with torch.no_grad():
        y_hat = batch.scaler.inverse(pair.eval()(batch))
    difference = (y_hat - batch.y).abs().mean(-1)
    expected = float(difference.gather(1, some.at(starts)).mean())

    assert mean_error(pair, view, starts, training=TrainingSettings(by_node=True)) == pytest.approx(
        expected, rel=1e-5
    )
    everything = mean_error(pair, view, starts)
    assert everything == pytest.approx(float(difference.mean()), rel=1e-5)
    assert everything != pytest.approx(expected, rel=1e-5)
