import torch
from torch import nn

from eac.continual.influence import influence


def losses_of(x, y):
    return lambda layer: (layer(x)[:, 0] - y).square()


def test_influence_is_the_product_of_the_gradients_of_two_losses():
    layer = nn.Linear(3, 1).double()
    x, y = torch.randn(5, 3).double(), torch.randn(5).double()
    found = influence(layer, losses_of(x, y), torch.tensor([1, 2]))
    rows = []
    for loss in losses_of(x, y)(layer):
        grads = torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True)
        rows.append(torch.cat([g.reshape(-1) for g in grads]))
    gradient = torch.stack(rows)
    assert torch.allclose(found, gradient @ gradient[1:3].mean(0), rtol=1e-6)


def test_the_model_stays_bit_for_bit_as_it_was():
    layer = nn.Linear(3, 1)
    before = [p.detach().clone() for p in layer.parameters()]
    influence(layer, losses_of(torch.randn(5, 3), torch.randn(5)), torch.tensor([0]))
    assert all(torch.equal(a, b) for a, b in zip(before, layer.parameters(), strict=True))
    assert all(p.grad is None for p in layer.parameters())


def test_nodes_without_anything_to_learn_influence_nobody():
    layer = nn.Linear(3, 1)
    x = torch.randn(5, 3)
    found = influence(layer, losses_of(x, layer(x)[:, 0].detach()), torch.tensor([0]))
    assert found.tolist() == [0] * 5
