"""Every class below an extension point of the package, built as small as it can be."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from eac.backbones.base import Backbone
from eac.backbones.outputs import ManyOutputs
from eac.backbones.revin import RevIN
from eac.backbones.seasonal import SeasonalMLP
from eac.backbones.stgnn import STGNN
from eac.backbones.stid import STID
from eac.backbones.universal import GRAPH_LAYERS, TEMPORAL_OPERATORS, Universal
from eac.cli.discovery import import_extension_points
from eac.strategies.base import Strategy
from eac.strategies.eac import EAC

WINDOW, HORIZON = 6, 3
SMALL = {
    "hidden": 8,
    "adaptive": 4,
    "skip": 8,
    "readout": 8,
    "feed_forward": 8,
    "num_layers": 1,
}
"""Sizes given to a backbone whose constructor has an argument of that name."""

VARIANTS: dict[type[Backbone], tuple[dict[str, Any], ...]] = {
    Universal: tuple(
        {"graph_layer": graph_layer, "temporal": temporal}
        for graph_layer in GRAPH_LAYERS
        for temporal in TEMPORAL_OPERATORS
    )
}
"""Settings that make another network of a backbone, each held to the contract."""

NORMALISED: tuple[type[Backbone], ...] = (STGNN, STID, SeasonalMLP)
"""Backbones held to the contract inside ``RevIN`` too: of two hops, of none, and of one."""


def concrete(base: type) -> list[type]:
    """The classes of the package below ``base`` that can be built, in order of their names.

    ``RevIN`` and ``ManyOutputs`` stand around another backbone.
    """
    import_extension_points()
    return sorted(_concrete(base) - {RevIN, ManyOutputs}, key=lambda c: c.__name__)


def small_backbone(cls: type[Backbone], **settings: Any) -> Backbone:
    """A backbone for short windows, narrow where its constructor allows it."""
    known = inspect.signature(cls).parameters
    small = {name: size for name, size in SMALL.items() if name in known}
    return cls(window=WINDOW, horizon=HORIZON, **small | settings)


def backbone_makers() -> dict[str, Callable[[], Backbone]]:
    """Makers of every discovered backbone, in all its variants, by a name for the test."""
    makers = {}
    for cls in concrete(Backbone):
        for settings in VARIANTS.get(cls, ({},)):
            name = "-".join([cls.__name__, *(value.__name__ for value in settings.values())])
            makers[name] = partial(small_backbone, cls, **settings)
    for cls in NORMALISED:
        makers[f"RevIN-{cls.__name__}"] = partial(_normalised, cls)
    return makers


def default_strategy(cls: type[Strategy]) -> Strategy:
    """A strategy with its defaults; one that works on top of another stands on EAC."""
    arguments = inspect.signature(cls).parameters.values()
    needed = [a.name for a in arguments if a.default is a.empty and a.annotation is Strategy]
    return cls(**{name: EAC() for name in needed})


def _normalised(cls: type[Backbone]) -> Backbone:
    return RevIN(small_backbone(cls))


def _concrete(base: type) -> set[type]:
    found = set()
    for cls in base.__subclasses__():
        if cls.__module__.startswith("eac.") and not inspect.isabstract(cls):
            found.add(cls)
        found |= _concrete(cls)
    return found
