import pytest
import torch

from eac.data.batches.batch import Inputs
from eac.strategies.pecpm import PECPM, cosine


def small(**settings):
    return PECPM(num_patterns=6, **settings)


def begin(model, context):
    plan = model.plan_period(context)
    model.begin_period(context, plan)
    return plan


def test_features_attend_over_the_bank(model_of):
    strategy = model_of(PECPM(num_patterns=2)).strategy
    with torch.no_grad():
        strategy.bank.patterns.copy_(torch.tensor([[4.0, 0, 0, 0], [0, 8.0, 0, 0]]))
    h = torch.tensor([[[0.0, 0.0, 7.0, 0.0]]])  # scores 0 and 0: half of each pattern
    strategy.eval()
    assert strategy.adapt_features(h, Inputs(h)).tolist() == [[[2, 4, 7, 0]]]


def test_a_window_is_matched_with_its_best_shapes(model_of):
    strategy = model_of(PECPM(num_patterns=3, matches=2, match=1.0, keep=0.0)).strategy
    with torch.no_grad():
        shapes = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0.0, 0, 0, -1.0]])
        strategy.shapes.patterns.copy_(shapes)
        strategy.bank.patterns.zero_()
    strategy.train()
    x = torch.tensor([[[3.0, 1.0, 0.0, 0.0]]])
    strategy.adapt_features(torch.zeros(1, 1, 4), Inputs(x))
    # cosines 3 : 1 : 0 become 3/4, 1/4, 0 against an attention of thirds
    by_hand = (3 / 4 - 1 / 3) ** 2 + (1 / 4 - 1 / 3) ** 2 + (1 / 3) ** 2
    backbone = model_of(small()).backbone
    assert strategy.penalty(backbone).item() == pytest.approx(by_hand, rel=1e-5)
    assert strategy.penalty(backbone).item() == 0


def test_a_window_of_zeros_matches_nothing():
    assert cosine(torch.zeros(1, 4), torch.ones(3, 4)).tolist() == [[0, 0, 0]]


def test_the_first_period_fills_the_bank_with_shapes_of_windows(context_of, model_of):
    model = model_of(small())
    before = model.strategy.shapes.patterns.clone()
    begin(model, context_of(0))
    assert not torch.equal(model.strategy.shapes.patterns, before)
    assert len(model.strategy.bank.patterns) == 6
    assert not model.strategy.shapes.patterns.requires_grad


def test_novel_windows_expand_the_bank_next_to_the_nearest_pattern(context_of, model_of):
    model = model_of(small(expand=2, novelty=1.1))
    begin(model, context_of(0))
    begin(model, context_of(1))
    shapes, bank = model.strategy.shapes.patterns, model.strategy.bank.patterns
    assert (len(shapes), len(bank)) == (8, 8)
    nearest = cosine(shapes[6:], shapes[:6]).argmax(-1)
    assert torch.equal(bank[6:], bank[nearest])
    assert bank.requires_grad


def test_nothing_novel_leaves_the_bank_as_it_was(context_of, model_of):
    model = model_of(small(novelty=-1.1))
    begin(model, context_of(0))
    begin(model, context_of(1))
    assert len(model.strategy.bank.patterns) == len(model.strategy.shapes.patterns) == 6


def test_joined_and_evolved_nodes_are_learned_on(context_of, model_of, names):
    plan = model_of(small(evolved=0.2, replayed=0.0)).plan_period(context_of(1))
    chosen = names(context_of(1), plan.loss_nodes)
    assert {"i", "j"} < set(chosen)
    assert len(chosen) == 3


def test_old_patterns_are_held_new_ones_are_free(context_of, model_of):
    model = model_of(small(expand=2, novelty=1.1, keep=3.0, ewc=0.0))
    begin(model, context_of(0))
    begin(model, context_of(1))
    with torch.no_grad():
        model.strategy.bank.patterns[0] += 0.5  # four values
        model.strategy.bank.patterns[7] += 9.0
    assert model.strategy.penalty(model.backbone).item() == pytest.approx(3 * 4 * 0.25)


def test_a_grown_bank_survives_saving_into_a_fresh_model(context_of, model_of, copied):
    model = model_of(small(expand=2, novelty=1.1))
    begin(model, context_of(0))
    begin(model, context_of(1))
    fresh = copied(model, small(expand=2, novelty=1.1))
    batch = context_of(1).current.tensors.batch(torch.arange(3))
    model.eval(), fresh.eval()
    assert torch.equal(fresh(batch), model(batch))
    assert torch.equal(
        fresh.strategy.penalty(fresh.backbone), model.strategy.penalty(model.backbone)
    )


def test_a_node_that_never_reads_is_no_obstacle(stream, context_of, model_of, names, empty_node):
    silent = empty_node(stream, "d")
    model = model_of(small(evolved=0.5, replayed=0.5))
    begin(model, context_of(0, silent))
    context = context_of(1, silent)
    plan = begin(model, context)
    assert "d" not in names(context, plan.loss_nodes)
    assert model.strategy.bank.patterns.isfinite().all()


def test_a_period_of_new_nodes_alone_is_learned_whole_and_brings_patterns(
    context_of, model_of, names, strangers
):
    model = model_of(small(expand=2, novelty=1.1))
    begin(model, context_of(0, strangers))
    context = context_of(1, strangers)
    plan = begin(model, context)
    assert names(context, plan.loss_nodes) == "uvwxyz"
    assert len(model.strategy.bank.patterns) == 8
