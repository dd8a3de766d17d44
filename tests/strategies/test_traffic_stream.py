import numpy as np
import pytest
import torch
from torch.nn import functional as F

from eac.continual.features import last_week_starts
from eac.continual.fisher import flat
from eac.strategies.traffic_stream import TrafficStream, drift_scores


def numpy_drift(model, context):
    """Drift of each node by id, written out in numpy."""
    features = []
    for view in (context.previous, context.current):
        rows = []
        for start in last_week_starts(view).tolist():
            batch = view.tensors.batch(torch.tensor([start]))
            with torch.no_grad():
                h = model.backbone.encode(batch.inputs, batch.graph) + batch.inputs.x
            present = view.tensors.observed(range(start, start + 4)).any(0)
            rows.append(torch.where(present[:, None], h[0], torch.nan))
        features.append(dict(zip(view.period.node_ids, torch.stack(rows).unbind(1), strict=True)))
    before, after = features
    return {node: numpy_score(before[node], after[node]) for node in after if node in before}


def numpy_score(before, after):
    score = 0.0
    for channel in range(before.shape[1]):
        shares = []
        for values in (before[:, channel], after[:, channel]):
            values = values[~values.isnan()].numpy()
            scaled = (values - values.min()) / (values.max() - values.min())
            counts, _ = np.histogram(scaled, bins=10, range=(0, 1))
            shares.append(counts / counts.sum())
        p, q = shares
        m = (p + q) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = [np.nansum(a * np.log(a / m)) for a in (p, q)]
        score += np.sqrt(sum(parts) / 2)
    return score


def test_the_first_period_trains_everything_without_a_penalty(context_of, model_of):
    model = model_of(TrafficStream())
    plan = model.plan_period(context_of(0))
    model.begin_period(context_of(0), plan)
    assert (plan.train, plan.loss_nodes, plan.graph_nodes) == (True, None, None)
    assert model.strategy.penalty(model.backbone).item() == 0


def test_drift_agrees_with_a_calculation_in_numpy_node_by_node(context_of, model_of):
    model, context = model_of(TrafficStream()), context_of(1)
    found = drift_scores(context.previous, context.current, model.backbone)
    twin = numpy_drift(model, context)
    for node, score in zip(context.current.period.node_ids, found.tolist(), strict=True):
        assert score == pytest.approx(twin.get(node, float("nan")), rel=1e-4, nan_ok=True)


def test_new_drifted_and_stable_nodes_are_chosen(context_of, model_of, names):
    context = context_of(1)
    model = model_of(TrafficStream(drifted=0.25, replayed=0.12))
    twin = numpy_drift(model, context)
    order = sorted(twin, key=twin.get)
    plan = model.plan_period(context)
    assert names(context, plan.loss_nodes) == "".join(sorted(["i", "j", *order[-2:], order[0]]))
    assert set(plan.loss_nodes.tolist()) <= set(plan.graph_nodes.tolist())


def test_random_replay_follows_the_seed(context_of, model_of):
    model = model_of(TrafficStream(replay="random", replayed=0.4))
    plans = [model.plan_period(context_of(1)).loss_nodes for _ in range(2)]
    assert torch.equal(*plans)


def test_returned_nodes_are_learned_on_and_quiet_periods_still_train(context_of, model_of, names):
    model = model_of(TrafficStream())
    context = context_of(2)
    chosen = names(context, model.plan_period(context).loss_nodes)
    assert "b" in chosen
    assert len(chosen) == 3  # b, one drifted, one replayed
    assert len(model.plan_period(context_of(3)).loss_nodes) == 2


def test_a_node_that_never_reads_is_neither_drifted_nor_replayed(
    stream, context_of, model_of, names, empty_node
):
    context = context_of(1, empty_node(stream, "d"))
    model = model_of(TrafficStream(drifted=0.5, replayed=0.5))
    assert names(context, model.plan_period(context).loss_nodes) == "acefghij"


def test_the_choice_does_not_depend_on_the_order_of_the_nodes(stream, context_of, model_of, names):
    from eac.data.core.stream import MemoryStream

    order = torch.randperm(9)
    permuted = MemoryStream([stream.load(0), stream.load(1).permute(order)])
    model = model_of(TrafficStream(drifted=0.25, replayed=0.12))
    chosen = [names(c, model.plan_period(c).loss_nodes) for c in map(context_of, [1])]
    context = context_of(1, permuted)
    assert names(context, model.plan_period(context).loss_nodes) == chosen[0]


def test_planning_changes_nothing(context_of, model_of):
    model = model_of(TrafficStream())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    model.plan_period(context_of(1))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.backbone.training


def test_fisher_is_taken_on_the_training_windows_of_the_period_that_begins(context_of, model_of):
    model, context = model_of(TrafficStream()), context_of(1)
    model.begin_period(context, model.plan_period(context))
    total = torch.zeros_like(flat(model.backbone.parameters()))
    starts = torch.arange(120 - 4 - 2 + 1)  # 60 % of 200 steps
    for chunk in starts.split(64):
        batch = context.current.tensors.batch(chunk)
        y = batch.scaler.scale_target(batch.y)
        error = (model.backbone(batch.inputs, batch.graph) - y)[batch.mask]
        grads = torch.autograd.grad(error.square().mean(), list(model.backbone.parameters()))
        total += flat(grads).square()
    assert torch.allclose(model.strategy.ewc.importance, total, rtol=1e-3, atol=1e-7)


def test_the_penalty_is_that_of_the_departure_and_survives_saving(context_of, model_of, copied):
    model, context = model_of(TrafficStream(ewc=0.5)), context_of(1)
    model.begin_period(context, model.plan_period(context))
    importance = model.strategy.ewc.importance
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.add_(0.1)
    penalty = model.strategy.penalty(model.backbone)
    assert penalty.item() == pytest.approx(0.25 * 0.01 * importance.sum().item(), rel=1e-4)
    fresh = copied(model, TrafficStream(ewc=0.5))
    assert torch.equal(fresh.strategy.penalty(fresh.backbone), penalty)


def test_other_readings_after_training_change_neither_choice_nor_fisher(
    stream, context_of, model_of
):
    from dataclasses import replace

    from eac.data.core.stream import MemoryStream

    changed = []
    for period in stream:
        series = period.series.clone()
        series[120:] = F.dropout(series[120:]) + 500
        changed.append(replace(period, series=series))
    model = model_of(TrafficStream())
    found = []
    for context in (context_of(1), context_of(1, MemoryStream(changed))):
        plan = model.plan_period(context)
        model.begin_period(context, plan)
        found.append((plan.loss_nodes, model.strategy.ewc.importance.clone()))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
