"""Makes every strategy, backbone, loss and stream known by its short name."""

import importlib
import pkgutil

ROOMS = ("eac.backbones", "eac.strategies", "eac.data", "eac.metrics")


def import_extension_points() -> None:
    """Imports the modules in which subclasses live, so that configurations can name them."""
    for room in ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            importlib.import_module(module.name)
