"""What earlier periods of a run learned of nodes that its last period lacks."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from eac.artifacts.checkpoint import load_card, load_state
from eac.nn.prompt_pool import PromptPool


def restore(model: nn.Module, directories: Sequence[Path]) -> None:
    """Puts back the state of the last of these periods, with the prompts of nodes that are gone."""
    load_state(directories[-1]).restore(model)
    _remember_gone(model, directories[:-1])


def _remember_gone(model: nn.Module, directories: Sequence[Path]) -> None:
    """Archives the prompts that nodes had when they left.

    Args:
        model: With the state of a later period.
        directories: Of the periods before that one, in order.
    """
    pools = {name: one for name, one in model.named_modules() if isinstance(one, PromptPool)}
    for directory in reversed(directories):
        extra = load_card(directory)["extra"]
        ids = {name: extra.get(f"{name}._extra_state", {}).get("node_ids", []) for name in pools}
        if all({*ids[name]} <= {*pool.node_ids, *pool.archived} for name, pool in pools.items()):
            continue
        tensors = load_state(directory).tensors
        for name, pool in pools.items():
            own = {key: tensors[f"{name}.{key}"] for key in ("settled", "node_factor")}
            pool.remember(own, ids[name])


def recall_all(model: nn.Module) -> None:
    """Brings back every prompt, to forecast for any node that was ever there.

    Example:
        >>> pool = PromptPool(width=12, rank=2)
        >>> _ = pool.grow(["a", "b"])
        >>> pool.retire(present=["a"])
        >>> recall_all(pool)
        >>> pool.node_ids
        ['a', 'b']
    """
    for module in model.modules():
        if isinstance(module, PromptPool):
            module.recall(module.archived)
