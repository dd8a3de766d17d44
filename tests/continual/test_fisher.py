import torch
from torch import nn

from eac.continual.fisher import EWC, diagonal_fisher, flat


def linear(weight, bias):
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([weight]))
        layer.bias.fill_(bias)
    return layer


def test_fisher_is_the_sum_over_batches_of_squared_mean_gradients():
    layer = linear([1.0, -1.0], 0.5)
    x = torch.tensor([[[1.0, 2.0]], [[3.0, 1.0]]])  # two batches of one
    losses = ((layer(batch) - 1.0).square().mean() for batch in x)
    # errors -1.5 and 1.5; gradients 2 * error * (x1, x2, 1)
    by_hand = [(-3.0) ** 2 + 9.0**2, (-6.0) ** 2 + 3.0**2, (-3.0) ** 2 + 3.0**2]
    assert diagonal_fisher(list(layer.parameters()), losses).tolist() == by_hand


def test_what_a_loss_does_not_use_or_what_is_frozen_counts_nothing():
    used, unused = linear([1.0, 1.0], 0.0), linear([1.0, 1.0], 0.0)
    used.bias.requires_grad_(False)
    parameters = [*used.parameters(), *unused.parameters()]
    found = diagonal_fisher(parameters, [used(torch.ones(1, 2)).sum()])
    assert found.tolist() == [1, 1, 0, 0, 0, 0]


def test_the_penalty_is_half_the_weighted_squared_departure():
    layer = linear([1.0, 2.0], 0.0)
    ewc = EWC.over(layer.parameters(), weight=0.5)
    assert ewc.penalty(layer.parameters()).item() == 0
    ewc.consolidate(layer.parameters(), torch.tensor([4.0, 1.0, 100.0]))
    assert ewc.penalty(layer.parameters()).item() == 0
    with torch.no_grad():
        layer.weight.add_(torch.tensor([[3.0, -2.0]]))
    assert ewc.penalty(layer.parameters()).item() == 0.25 * (4 * 9 + 1 * 4)


def test_the_penalty_pulls_back_to_the_anchor():
    layer = linear([1.0, 2.0], 0.0)
    ewc = EWC.over(layer.parameters(), weight=2.0)
    ewc.consolidate(layer.parameters(), torch.ones(3))
    with torch.no_grad():
        layer.bias.add_(5.0)
    ewc.penalty(layer.parameters()).backward()
    assert layer.bias.grad.tolist() == [10]


def test_what_is_held_survives_saving():
    layer = linear([1.0, 2.0], 0.0)
    ewc = EWC.over(layer.parameters(), weight=2.0)
    ewc.consolidate(layer.parameters(), torch.tensor([1.0, 2.0, 3.0]))
    fresh = EWC.over(layer.parameters(), weight=2.0)
    fresh.load_state_dict(ewc.state_dict())
    assert fresh.anchor.tolist() == flat(layer.parameters()).tolist()
    assert fresh.importance.tolist() == [1, 2, 3]
