"""No part of a configuration takes a negative number that has no sense."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import eac.strategies
from eac.backbones.stgnn import STGNN
from eac.data.series import scaling
from eac.errors import ConfigError
from eac.strategies.base import Strategy
from eac.strategies.eac import EAC
from eac.training import callbacks, schedules

BELOW_ZERO = {("Refresh", "margin"), ("PECPM", "novelty")}
"""What may be -1: shares by which something may be worse, and a cosine."""
GIVEN: dict[str, Any] = {"strategy": EAC, "optimizer": lambda: torch.optim.SGD([torch.zeros(1)])}


def kinds() -> Iterator[type]:
    """Every strategy, schedule, scaling and callback of ours that a configuration builds."""
    rooms = [
        importlib.import_module(f"eac.strategies.{found.name}")
        for found in pkgutil.iter_modules(eac.strategies.__path__)
    ]
    for module in (*rooms, schedules, scaling):
        for kind in vars(module).values():
            mine = inspect.isclass(kind) and kind.__module__ == module.__name__
            wanted = (Strategy, torch.optim.lr_scheduler.LRScheduler, scaling.Scaling)
            if mine and issubclass(kind, wanted) and not inspect.isabstract(kind):
                yield kind
    yield callbacks.Shorter


def numbers() -> Iterator[tuple[type, str]]:
    """Each of their settings that is a number."""
    for kind in kinds():
        for name, setting in inspect.signature(kind).parameters.items():
            plain = isinstance(setting.default, int | float) and setting.default is not True
            if plain and setting.default is not False and (kind.__name__, name) not in BELOW_ZERO:
                yield kind, name


@pytest.mark.parametrize(
    ("kind", "name"), [*numbers()], ids=lambda one: getattr(one, "__name__", one)
)
def test_a_negative_number_is_refused_by_name(kind, name):
    needed = {key: GIVEN[key]() for key in inspect.signature(kind).parameters if key in GIVEN}
    with pytest.raises(ConfigError, match=rf"{name}\W*-1"):
        kind(**needed, **{name: -1}).attach(STGNN())


def test_something_is_looked_at():
    assert {kind.__name__ for kind, _ in numbers()} >= {"EAC", "Refresh", "Shorter", "WarmupCosine"}
