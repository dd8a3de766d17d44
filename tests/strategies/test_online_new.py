from eac.strategies.online_new import OnlineNew


def test_the_first_period_trains_everything(context_of, model_of):
    plan = model_of(OnlineNew()).plan_period(context_of(0))
    assert (plan.train, plan.loss_nodes, plan.graph_nodes) == (True, None, None)


def test_the_loss_counts_new_nodes_and_the_graph_reaches_two_hops(context_of, model_of, names):
    context = context_of(1)
    plan = model_of(OnlineNew()).plan_period(context)
    assert names(context, plan.loss_nodes) == "ij"
    assert names(context, plan.graph_nodes) == "ghij"  # g hears h, h hears i
    assert plan.start == "previous"


def test_a_period_is_skipped_without_new_nodes_even_if_one_returns(context_of, model_of):
    assert not model_of(OnlineNew()).plan_period(context_of(2)).train
    assert not model_of(OnlineNew()).plan_period(context_of(3)).train
