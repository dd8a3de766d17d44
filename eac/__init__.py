"""Continual spatio-temporal graph forecasting with expanding, compressed node prompts."""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "AttentionOverTime": "eac.nn.temporal",
    "Backbone": "eac.backbones.base",
    "ChebyshevLinear": "eac.nn.chebyshev",
    "Combined": "eac.strategies.combined",
    "Compressed": "eac.strategies.compressed",
    "ConvOverTime": "eac.nn.temporal",
    "EAC": "eac.strategies.eac",
    "Forecaster": "eac.training.forecaster",
    "from_published": "eac.serving.published",
    "Global": "eac.data.series.scaling",
    "Graph": "eac.data.core.graph",
    "GraphLinear": "eac.nn.message_passing",
    "GraphStream": "eac.data.core.stream",
    "GraphWaveNet": "eac.backbones.graph_wavenet",
    "Huber": "eac.metrics.losses",
    "load_run": "eac.serving.predictor",
    "LoRA": "eac.strategies.lora",
    "Loss": "eac.metrics.losses",
    "LSTMOverTime": "eac.nn.temporal",
    "MAE": "eac.metrics.losses",
    "MSE": "eac.metrics.losses",
    "OnlineAll": "eac.strategies.online_all",
    "OnlineNew": "eac.strategies.online_new",
    "open_stream": "eac.data.readers.open",
    "PECPM": "eac.strategies.pecpm",
    "Period": "eac.data.core.period",
    "PeriodData": "eac.data.batches.datamodule",
    "PerNode": "eac.data.series.scaling",
    "Pretrain": "eac.strategies.pretrain",
    "PromptPool": "eac.nn.prompt_pool",
    "Quantile": "eac.metrics.losses",
    "Refresh": "eac.strategies.refresh",
    "Retrain": "eac.strategies.retrain",
    "RevIN": "eac.backbones.revin",
    "Robust": "eac.data.series.scaling",
    "SeasonalMLP": "eac.backbones.seasonal",
    "Shorter": "eac.training.callbacks",
    "STAEformer": "eac.backbones.staeformer",
    "STBP": "eac.strategies.stbp",
    "STBPBackbone": "eac.backbones.stbp",
    "STGNN": "eac.backbones.stgnn",
    "STID": "eac.backbones.stid",
    "STKEC": "eac.strategies.stkec",
    "STRAP": "eac.strategies.strap",
    "Strategy": "eac.strategies.base",
    "StreamForecaster": "eac.estimator.stream_forecaster",
    "StreamRunner": "eac.training.runner",
    "STTTC": "eac.strategies.st_ttc",
    "SyntheticStream": "eac.data.simulator.synthetic",
    "TEAM": "eac.strategies.team",
    "TFMoE": "eac.strategies.tfmoe",
    "TrafficStream": "eac.strategies.traffic_stream",
    "Universal": "eac.backbones.universal",
    "WarmupCosine": "eac.training.schedules",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    """Imports a public name on first use, so that ``import eac`` costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'eac' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
