"""Copies of a module that share its tensors."""

import copy
from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def twin(module: Module) -> Module:
    """A copy with modules and memories of its own around the very same parameters and buffers.

    What is replaced or added in the copy, such as the rows of a grown pool, leaves the module as it
    is; so each of several threads may have one. Values must not be changed in place.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> other = twin(layer)
        >>> other.weight is layer.weight, other is layer
        (True, False)
    """
    tensors = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})
