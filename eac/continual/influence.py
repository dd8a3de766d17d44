"""How learning on some nodes moves the loss of the others."""

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eac.typing import NodeIndex

Model = TypeVar("Model", bound=nn.Module)

STEP = 1e-3
"""Length of the probing step, relative to that of the parameters."""


def influence(
    model: Model, node_losses: Callable[[Model], Float[Tensor, " node"]], learned: NodeIndex
) -> Float[Tensor, " node"]:
    """First-order influence of learning on the nodes ``learned`` on each node's loss.

    The influence on node i is the product of two gradients: that of the mean loss of ``learned``
    and that of the loss of node i. Positive means that learning there helps node i, negative that
    it harms it. All products come from two forward passes on either side of the parameters
    (central difference), so that the cost does not grow with the square of the nodes.

    Args:
        model: Whose parameters are probed; a copy is, it stays as it is.
        node_losses: The loss of each node under a model, differentiable.
        learned: Rows of the nodes that are learned on.

    Example:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> def losses(probe):
        ...     return (probe.weight[0] - torch.tensor([1.0, 2.0, -1.0])).square()
        >>> found = influence(model, losses, torch.tensor([0]))
        >>> found.sign()  # learning on the first node helps the second and harms the third
        tensor([ 1.,  1., -1.])
    """
    probe = copy.deepcopy(model).requires_grad_(True)
    parameters = list(probe.parameters())
    target = node_losses(probe)[learned].mean()
    found = torch.autograd.grad(target, parameters, allow_unused=True)
    pairs = zip(parameters, found, strict=True)
    gradient = [torch.zeros_like(p) if g is None else g for p, g in pairs]
    length = _norm(gradient)
    if length == 0:
        return torch.zeros_like(node_losses(probe).detach())
    step = STEP * float(_norm(parameters).clamp_min(1e-3) / length)
    with torch.no_grad():
        _shift(parameters, gradient, step)
        ahead = node_losses(probe)
        _shift(parameters, gradient, -2 * step)
        return (ahead - node_losses(probe)) / (2 * step)


def _norm(tensors: list[Tensor] | list[nn.Parameter]) -> Float[Tensor, ""]:
    return torch.stack([t.detach().square().sum() for t in tensors]).sum().sqrt()


def _shift(parameters: list[nn.Parameter], direction: list[Tensor], step: float) -> None:
    for parameter, part in zip(parameters, direction, strict=True):
        parameter.add_(part, alpha=step)
