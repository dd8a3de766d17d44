import math

import pytest
import torch

from eac.data.batches.batch import Inputs
from eac.strategies.forecast import Pair
from eac.strategies.stkec import STKEC, day_clusters, node_losses


def small(**settings):
    return STKEC(num_patterns=3, **settings)


def batch_of(context, count=4):
    return context.current.tensors.batch(torch.arange(count))


def test_features_gain_what_they_recall(model_of):
    strategy = model_of(STKEC(num_patterns=2)).strategy
    with torch.no_grad():
        strategy.memory.patterns.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 2.0, 0, 0]]))
    h = torch.tensor([[[3.0, 5.0, 7.0, 0.0]]])
    # scores (3, 10) bring 3 times the first pattern and 10 times the second
    assert strategy.adapt_features(h, Inputs(h)).tolist() == [[[6, 25, 7, 0]]]


def test_the_first_period_adds_a_tenth_of_the_cross_entropy_to_the_clusters(context_of, model_of):
    model, context = model_of(small()), context_of(0)
    model.begin_period(context, model.plan_period(context))
    labels = model.strategy.labels
    assert labels.tolist() == day_clusters(context.current, 3, context.seed).tolist()
    with torch.no_grad():
        model.strategy.memory.patterns.zero_()
    batch = batch_of(context)
    model.train().scaled_forecast(batch.inputs, batch.graph)
    model.strategy.adapt_features(torch.randn(4, 8, 4), batch.inputs)
    # a memory of zeros scores all three clusters alike
    penalty = model.strategy.penalty(model.backbone)
    assert penalty.item() == pytest.approx(0.1 * math.log(3), rel=1e-5)


@pytest.mark.parametrize("gradient", [True, False])
def test_the_cluster_term_has_a_gradient_unless_switched_off(gradient, context_of, model_of):
    model, context = model_of(small(cluster_gradient=gradient)), context_of(0)
    model.begin_period(context, model.plan_period(context))
    model.strategy.train()
    model.strategy.adapt_features(torch.randn(4, 8, 4), batch_of(context).inputs)
    model.strategy.penalty(model.backbone).backward()
    assert model.strategy.memory.patterns.grad.abs().sum().item() > 0 or not gradient
    assert gradient or not model.strategy.memory.patterns.grad.any()


def test_a_node_without_readings_belongs_to_no_cluster(stream, context_of, model_of, empty_node):
    context = context_of(0, empty_node(stream, "c"))
    model = model_of(small())
    model.begin_period(context, model.plan_period(context))
    assert model.strategy.labels[2].item() == -1
    batch = batch_of(context)
    assert model.train().scaled_forecast(batch.inputs, batch.graph).isfinite().all()
    assert model.strategy.penalty(model.backbone).isfinite()


def test_later_periods_have_no_cluster_term(context_of, model_of):
    model, context = model_of(small()), context_of(1)
    model.begin_period(context, model.plan_period(context))
    model.strategy.train()
    model.strategy.adapt_features(torch.randn(4, 9, 4), batch_of(context).inputs)
    assert model.strategy.penalty(model.backbone).item() == 0


def test_joined_and_most_influenced_nodes_are_chosen(context_of, model_of, names):
    model, context = model_of(small(influenced=0.25, replayed=0.0)), context_of(1)
    joined = [i for i, node in enumerate(context.current.period.node_ids) if node in "ij"]
    pair = Pair(model.strategy, model.backbone).eval()
    parameters = [p for p in pair.parameters() if p.requires_grad]

    def gradient(loss):
        grads = torch.autograd.grad(loss, parameters, retain_graph=True)
        return torch.cat([g.reshape(-1) for g in grads])

    losses = node_losses(pair, context.current)
    target = gradient(losses[joined].mean())
    influence = {
        node: (gradient(loss) @ target).abs().item()
        for node, loss in zip(context.current.period.node_ids, losses, strict=True)
        if node not in "ij"
    }
    most = sorted(influence, key=influence.get)[-2:]
    chosen = names(context, model.plan_period(context).loss_nodes)
    assert chosen == "".join(sorted(["i", "j", *most]))


def test_without_a_node_to_join_some_are_still_chosen(context_of, model_of):
    plan = model_of(small()).plan_period(context_of(3))
    assert len(plan.loss_nodes) == 2


def test_node_losses_are_mean_squared_errors_over_readings_present(context_of, model_of):
    model, context = model_of(small()), context_of(0)
    pair = Pair(model.strategy, model.backbone).eval()
    total = node_losses(pair, context.current)
    view = context.current
    starts = torch.arange(114, 72, -4).flip(0)[-10:]  # a week of 42 steps holds 10 windows
    batch = view.tensors.batch(starts)
    error = (pair(batch) - batch.scaler.scale_target(batch.y)).square()
    by_hand = [error[:, n][batch.mask[:, n]].mean().item() for n in range(8)]
    assert total.tolist() == pytest.approx(by_hand, rel=1e-4)


def test_backbone_and_memory_are_held_and_survive_saving(context_of, model_of, copied):
    model, context = model_of(small(ewc=2.0)), context_of(1)
    model.begin_period(context, model.plan_period(context))
    with torch.no_grad():
        model.strategy.memory.patterns.add_(0.5)
    importance = model.strategy.ewc.importance[-12:]
    penalty = model.strategy.penalty(model.backbone)
    assert importance.sum() > 0
    assert penalty.item() == pytest.approx(0.25 * importance.sum().item(), rel=1e-4)
    fresh = copied(model, small(ewc=2.0))
    assert torch.equal(fresh.strategy.penalty(fresh.backbone), penalty)


def test_planning_changes_nothing(context_of, model_of):
    model = model_of(small())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = (model.plan_period(context_of(1)).loss_nodes for _ in range(2))
    assert torch.equal(first, second)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
