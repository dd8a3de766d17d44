"""What every strategy that stands on another one guarantees: it forgets no hook."""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch

from eac.backbones.stgnn import STGNN
from eac.strategies.base import PeriodContext, PeriodPlan, Strategy
from eac.strategies.wrapper import Wrapper
from tests.contracts.discovered import WINDOW, concrete, small_backbone
from tests.strategies.contexts import contexts
from tests.streams import tiny_stream

REMARKS = {"begin_notes", "note", "take_notes", "record_update", "take_update"}
HOOKS = sorted(
    {name for name, part in vars(Strategy).items() if inspect.isfunction(part) and name[0] != "_"}
    - REMARKS
)


def recording() -> Strategy:
    """A strategy that writes down which of its hooks were called."""

    def hook(name: str) -> Callable[..., Any]:
        def call(self: Strategy, *args: Any) -> Any:
            self.note(name)
            return PeriodPlan() if name == "plan" else getattr(Strategy, name)(self, *args)

        return call

    return type("Recording", (Strategy,), {name: hook(name) for name in HOOKS})()


@cache
def first_context() -> PeriodContext:
    return next(contexts(tiny_stream()))


def arguments(hook: str) -> tuple[Any, ...]:
    """What the hook takes, small."""
    context = first_context()
    backbone, batch = small_backbone(STGNN), context.current.tensors.batch(torch.zeros(1).long())
    known = {
        "context": context,
        "backbone": backbone,
        "node_ids": context.current.period.node_ids,
        "inputs": batch.inputs,
        "features": torch.zeros(1, batch.y.shape[1], WINDOW),
        "y_hat": torch.zeros_like(batch.y),
        "batch": batch,
        "memory": None,
        "since": None,
    }
    return tuple(
        known[name] for name in [*inspect.signature(getattr(Strategy, hook)).parameters][1:]
    )


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("wrapper", concrete(Wrapper), ids=lambda cls: cls.__name__)
def test_every_hook_reaches_the_strategy_inside(wrapper, hook):
    strategy = wrapper(recording())
    getattr(strategy, hook)(*arguments(hook))
    assert hook in strategy.take_notes()
