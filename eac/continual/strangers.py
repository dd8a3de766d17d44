"""Sensors that a model has never seen."""

from collections.abc import Sequence

from torch import nn

from eac.nn.prompt_pool import PromptPool


def welcome(model: nn.Module, known: Sequence[str], unseen: Sequence[str]) -> None:
    """Gives sensors that a model has never seen the mean of the prompts of those it knows.

    Args:
        model: Grows by the rows of unknown sensors.
        known: Sensors that it was trained on.
        unseen: Sensors to be forecast that are not among them.

    Example:
        >>> pool = PromptPool(width=12, rank=2)
        >>> _ = pool.grow(["a", "b"])
        >>> welcome(pool, known=["a", "b"], unseen=["c"])
        >>> bool((pool.factors(["c"])[0] - pool.factors(["a", "b"]).mean(0)).abs().max() < 1e-6)
        True
    """
    for pool in model.modules():
        if not isinstance(pool, PromptPool) or not set(known) <= {*pool.node_ids}:
            continue
        mean = pool.factors(known).mean(0)
        if pool.grow(unseen):
            pool.place(unseen, mean.expand(len(unseen), -1))
