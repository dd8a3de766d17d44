"""Every class below an extension point of the package, built as small as it can be."""

import inspect

from eac.backbones.base import Backbone
from eac.cli.discovery import import_extension_points
from eac.strategies.base import Strategy
from eac.strategies.eac import EAC

WINDOW, HORIZON, HIDDEN = 6, 3, 8


def concrete(base: type) -> list[type]:
    """The classes of the package below ``base`` that can be built, in order of their names."""
    import_extension_points()
    return sorted(_concrete(base), key=lambda c: c.__name__)


def small_backbone(cls: type[Backbone]) -> Backbone:
    """A backbone for short windows, narrow where its constructor allows it."""
    known = inspect.signature(cls).parameters
    return cls(window=WINDOW, horizon=HORIZON, **{"hidden": HIDDEN} if "hidden" in known else {})


def default_strategy(cls: type[Strategy]) -> Strategy:
    """A strategy with its defaults; one that works on top of another stands on EAC."""
    arguments = inspect.signature(cls).parameters.values()
    needed = [a.name for a in arguments if a.default is a.empty and a.annotation is Strategy]
    return cls(**{name: EAC() for name in needed})


def _concrete(base: type) -> set[type]:
    found = set()
    for cls in base.__subclasses__():
        if cls.__module__.startswith("eac.") and not inspect.isabstract(cls):
            found.add(cls)
        found |= _concrete(cls)
    return found
