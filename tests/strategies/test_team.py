import pytest
import torch

from eac.continual.drift import daily_drift, relative_wasserstein
from eac.strategies.team import TEAM


def scores(context, measure):
    """A score by id for the nodes of both periods, over the last week (42 steps) of training."""
    weeks = []
    for view in (context.previous, context.current):
        week = view.period.series[78:120]
        weeks.append(dict(zip(view.period.node_ids, week.unbind(1), strict=True)))
    before, after = weeks
    shared = [node for node in after if node in before]
    return {n: measure(before[n][:, None], after[n][:, None]).item() for n in shared}


def drift(before, after):
    return daily_drift(before, after, 6)


def test_the_first_period_trains_everything(context_of, model_of):
    plan = model_of(TEAM()).plan_period(context_of(0))
    assert (plan.train, plan.loss_nodes, plan.graph_nodes) == (True, None, None)


def test_nodes_next_to_joined_and_gone_ones_are_learned_on(context_of, model_of, names):
    context = context_of(1)  # i and j joined beside h; b left a and c
    plan = model_of(TEAM(drifted=0.0, replayed=0.0)).plan_period(context)
    assert names(context, plan.loss_nodes) == "achij"


def test_drifted_and_stable_nodes_are_added(context_of, model_of, names):
    context = context_of(3)  # nothing joins or leaves
    plan = model_of(TEAM(drifted=0.25, replayed=0.12)).plan_period(context)
    moved = scores(context, drift)
    drifted = sorted(moved, key=moved.get)[-2:]
    distance = scores(context, relative_wasserstein)
    stable = min((n for n in distance if n not in drifted), key=distance.get)
    assert names(context, plan.loss_nodes) == "".join(sorted([*drifted, stable]))


def test_a_node_that_left_is_missed_even_if_it_is_the_only_change(context_of, model_of, names):
    context = context_of(2)  # b returned beside a and c; j left i
    plan = model_of(TEAM(drifted=0.0, replayed=0.0)).plan_period(context)
    assert names(context, plan.loss_nodes) == "abci"


def test_old_weights_are_held_and_survive_saving(context_of, model_of, copied):
    model, context = model_of(TEAM(ewc=2.0)), context_of(1)
    assert model.strategy.penalty(model.backbone).item() == 0
    model.begin_period(context, model.plan_period(context))
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.sub_(0.5)
    penalty = model.strategy.penalty(model.backbone)
    importance = model.strategy.ewc.importance.sum().item()
    assert penalty.item() == pytest.approx(0.25 * importance, rel=1e-4)
    fresh = copied(model, TEAM(ewc=2.0))
    assert torch.equal(fresh.strategy.penalty(fresh.backbone), penalty)


def test_a_node_that_never_reads_does_not_disturb_the_choice(
    stream, context_of, model_of, names, empty_node
):
    context = context_of(3, empty_node(stream, "e"))
    plan = model_of(TEAM(drifted=0.5, replayed=0.5)).plan_period(context)
    assert "e" not in names(context, plan.loss_nodes)


def test_a_period_of_new_nodes_alone_has_no_drift_and_is_learned_whole(
    context_of, model_of, names, strangers
):
    context = context_of(1, strangers)
    plan = model_of(TEAM()).plan_period(context)
    assert names(context, plan.loss_nodes) == "uvwxyz"
