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


def _model(forecaster: Forecaster) -> dict[str, Any]:
    """How the model was built, or why that cannot be said."""
    parts = {"backbone": forecaster.backbone, "strategy": forecaster.strategy}
    try:
        return {"model": {name: description(part) for name, part in parts.items()}}
    except ConfigError as error:
        return {UNSAID: str(error)}
