"""Class paths in files: those that moved are found, and only trusted classes are loaded."""

import importlib
import importlib.util
import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from eac.errors import ConfigError

T = TypeVar("T")

TRUSTED = (
    "eac",
    "torch.optim",
    "lightning.pytorch.callbacks.EarlyStopping",
    "lightning.pytorch.callbacks.LearningRateMonitor",
    "lightning.pytorch.callbacks.ModelSummary",
    "lightning.pytorch.callbacks.RichProgressBar",
    "lightning.pytorch.callbacks.TQDMProgressBar",
    "lightning.pytorch.callbacks.Timer",
    "lightning.pytorch.cli.ReduceLROnPlateau",
    "lightning.pytorch.loggers",
)
"""Packages, modules and classes that the configuration of a run may name."""

_ROOMS = {
    "eac.data": {
        "eac.data.core": "graph calendar covariates period stream windows pieces",
        "eac.data.parsing": "files tabular columns",
        "eac.data.readers": "covariate_table npy npz table frame open",
        "eac.data.manage": "convert describe expect nearest",
        "eac.data.simulator": "roads sensors demand simulation synthetic",
        "eac.data.series": "scaling mapped readings holidays ahead",
        "eac.data.batches": "batch tensors sampler drawing datamodule",
    },
    "eac.data.readers": {"eac.data.parsing": "columns files form grid hours stamps tabular"},
    "eac.data.batches": {"eac.data.series": "ahead clock history holidays mapped readings scaling"},
    "eac.training": {"eac.training.results": "intervals recording report_data run_header testing"},
}
MOVED = {
    f"{package}.{module}": f"{room}.{module}"
    for package, rooms in _ROOMS.items()
    for room, modules in rooms.items()
    for module in modules.split()
} | {
    "eac.training.checkpoint": "eac.artifacts.checkpoint",
    "eac.training.saved_data": "eac.artifacts.saved_data",
    "eac.training.predictor": "eac.serving.predictor",
    "eac.training.recent": "eac.serving.recent",
    "eac.training.rebuild": "eac.serving.rebuild",
    "eac.training.published": "eac.serving.published",
    "eac.data.protocol": "eac.protocols.protocol",
    "eac.data.published_draws": "eac.protocols.published_draws",
}
"""Modules that moved, from where older files name them to where they are."""

_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def current_path(path: str) -> str:
    """The class path that an older one became.

    Example:
        >>> current_path("eac.data.scaling.PerNode")
        'eac.data.series.scaling.PerNode'
    """
    module, _, name = path.rpartition(".")
    return f"{MOVED[module]}.{name}" if module in MOVED else path


def current_paths(config: Any) -> Any:
    """The same configuration with every class path as it is now.

    Example:
        >>> current_paths({"class_path": "eac.strategies.eac.EAC", "init_args": {"rank": 6}})
        {'class_path': 'eac.strategies.eac.EAC', 'init_args': {'rank': 6}}
    """
    if isinstance(config, dict):
        return {key: current_paths(value) for key, value in config.items()}
    if isinstance(config, list):
        return [current_paths(value) for value in config]
    return current_path(config) if isinstance(config, str) else config


def check_trusted(config: Any, trust: Sequence[str], where: str) -> None:
    """Refuses the configuration of a run that names a class of an unknown module; loads nothing.

    Args:
        config: As it was read.
        trust: Modules and packages that may be named besides those of this package.
        where: Names the file in messages.

    Raises:
        ConfigError: Names the class, and how to allow it.

    Example:
        >>> check_trusted({"model": {"class_path": "eac.backbones.stgnn.STGNN"}}, [], "config.yaml")
    """
    for key, path in _paths(config):
        if is_trusted(path, trust) or (key != "class_path" and not _is_module(path)):
            continue
        module = path.rpartition(".")[0]
        raise ConfigError(
            f"{where} names the class {path!r}, which is not part of eac. A run directory is data "
            f"and loads no code by itself. If you trust it, say so: --trust {module}, or "
            f"trust=[{module!r}] in Python."
        )


def is_trusted(path: str, trust: Sequence[str] = ()) -> bool:
    """Whether a class path lies in a package, module or class that is trusted.

    Example:
        >>> is_trusted("eac.strategies.eac.EAC"), is_trusted("my.module.Mine")
        (True, False)
        >>> is_trusted("my.module.Mine", trust=["my"])
        True
    """
    return any(path == one or path.startswith(f"{one}.") for one in (*TRUSTED, *trust))


def find_class(path: str, base: type[T], *, trust: Sequence[str] = (), where: str) -> type[T]:
    """The class that a file names.

    Args:
        path: Its class path, of now or of before it moved.
        base: What it must be a kind of.
        trust: Modules that may be loaded besides those of this package.
        where: Names the file in messages.

    Raises:
        ConfigError: If it is not trusted, is not there, or is something else.

    Example:
        >>> from eac.data.series.scaling import Scaling
        >>> find_class("eac.data.scaling.PerNode", Scaling, where="card.json").__name__
        'PerNode'
    """
    check_trusted({"class_path": path}, trust, where)
    module, _, name = current_path(path).rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None) if module else None
    except ImportError as error:
        raise ConfigError(
            f"{where} names the class {path!r}, whose module cannot be loaded: {error}. Install "
            "what it needs, or use the eac that wrote the file."
        ) from error
    if not (isinstance(found, type) and issubclass(found, base)):
        kind = base.__name__
        raise ConfigError(
            f"{where} names {path!r}, which is no {kind} of this eac. Use the eac that wrote the "
            "file, as its run.json says."
        )
    return found


def _paths(config: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text that may be a class path, with the key it stands under."""
    if isinstance(config, dict):
        for name, value in config.items():
            yield from _paths(value, str(name))
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _paths(value, key)
    elif isinstance(config, str) and key == "class_path":
        if "." in config:  # a short name is one of this package
            yield key, config
    elif isinstance(config, str) and key not in _TEXTS and _PATH.fullmatch(config):
        yield key, config


_TEXTS = ("stream", "dir", "source", "unit", "name", "save_dir", "default_root_dir", "monitor")
"""Settings that are never classes; a file name can look like a class path."""


def _is_module(path: str) -> bool:
    """Whether the first name of a path is a module that could be loaded; loads nothing."""
    try:
        return importlib.util.find_spec(path.split(".")[0]) is not None
    except (ImportError, ValueError):
        return True
