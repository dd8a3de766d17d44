"""Continual spatio-temporal graph forecasting with expanding, compressed node prompts."""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "EAC": "eac.strategies.eac",
    "Forecaster": "eac.training.forecaster",
    "Graph": "eac.data.core.graph",
    "GraphStream": "eac.data.core.stream",
    "OnlineAll": "eac.strategies.online_all",
    "Period": "eac.data.core.period",
    "PeriodData": "eac.data.batches.datamodule",
    "Pretrain": "eac.strategies.pretrain",
    "PromptPool": "eac.nn.prompt_pool",
    "Retrain": "eac.strategies.retrain",
    "STGNN": "eac.backbones.stgnn",
    "StreamRunner": "eac.training.runner",
    "SyntheticStream": "eac.data.simulator.synthetic",
    "from_published": "eac.serving.published",
    "load_run": "eac.serving.predictor",
    "open_stream": "eac.data.readers.open",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    """Imports a public name on first use, so that ``import eac`` costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'eac' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
