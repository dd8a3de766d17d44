"""What a run says of itself at its start: its header, and settings that came from Python."""

from importlib.metadata import version
from typing import Any

import torch
import yaml

from eac.data.batches.datamodule import PeriodData
from eac.described import description
from eac.errors import ConfigError
from eac.records.record import RunRecord
from eac.training.forecaster import Forecaster

UNSAID = "model_unsaid"
"""Key of a configuration that says why it does not say how the model was built."""


def header(forecaster: Forecaster, data: PeriodData) -> RunRecord:
    """The record of a run without its periods."""
    import lightning

    import eac

    stream = data.stream
    return RunRecord(
        stream=stream.name,
        unit=stream.unit,
        source=stream.source,
        protocol=data.protocol.name,
        seed=data.seed,
        null_value=data.null_value,
        versions={
            "eac": eac.__version__,
            "torch": torch.__version__,
            "torch-geometric": version("torch-geometric"),
            "lightning": lightning.__version__,
        },
    )


def describe(forecaster: Forecaster, data: PeriodData) -> str:
    """Settings of a run that was started from Python, as YAML, with the sizes of its weights."""
    settings = {
        "stream": data.stream.name,
        "protocol": data.protocol.name,
        "seed": data.seed,
        "window": data.window,
        "horizon": data.horizon,
        "batch_size": data.batch_size,
        "fractions": list(data.fractions),
        **_model(forecaster),
        "parameters": {name: str([*p.shape]) for name, p in forecaster.named_parameters()},
    }
    return yaml.safe_dump(settings, sort_keys=False)


def made(forecaster: Forecaster) -> dict[str, Any]:
    """How backbone, strategy and loss were made.

    Raises:
        ConfigError: If that cannot be said in a configuration.
    """
    *parts, revin = forecaster.made_from
    said = {
        name: description(part)
        for name, part in zip(("backbone", "strategy", "loss"), parts, strict=True)
    }
    return said if revin is None else said | {"revin": revin}


def made_or_nothing(forecaster: Forecaster) -> dict[str, Any]:
    """The same; nothing where it cannot be said."""
    try:
        return made(forecaster)
    except ConfigError:
        return {}


def _model(forecaster: Forecaster) -> dict[str, Any]:
    """How the model was built, or why that cannot be said."""
    try:
        return {"model": made(forecaster)}
    except ConfigError as error:
        return {UNSAID: str(error)}
