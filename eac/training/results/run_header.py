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
from eac.training.trainers import DefaultTrainer

UNSAID = "model_unsaid"
"""Key of a configuration that says why it does not say how the model was built."""


def header(data: PeriodData) -> RunRecord:
    """The record of a run without its periods.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> header(data).protocol
        'strict'
    """
    import lightning

    import eac

    stream = data.stream
    return RunRecord(
        stream=stream.name,
        target=stream.target,
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


def describe(forecaster: Forecaster, data: PeriodData, make_trainer: object = None) -> str:
    """Settings of a run that was started from Python, as YAML, with the sizes of its weights.

    Args:
        forecaster: The model, as built.
        data: Settings of windows and protocol.
        make_trainer: Makes the Trainers; the package's own can be described.

    Example:
        >>> from eac import EAC, STGNN
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> describe(Forecaster(STGNN(), EAC(rank=6)), data).splitlines()[1]
        'protocol: strict'
    """
    settings = {
        "stream": data.stream.name,
        "protocol": data.protocol.name,
        "seed": data.seed,
        **_data(data),
        **_model(forecaster),
        **_learning(forecaster),
        **_trainer(make_trainer),
        "parameters": {name: str([*p.shape]) for name, p in forecaster.named_parameters()},
    }
    return yaml.safe_dump(settings, sort_keys=False)


def _data(data: PeriodData) -> dict[str, Any]:
    names = (
        *("window", "horizon", "batch_size", "val_windows", "rehearsal", "disguise"),
        *("level_shift", "nodes_per_window", "steps_per_epoch", "refit_epochs"),
    )
    return {name: getattr(data, name) for name in names} | {
        "fractions": list(data.fractions),
        "carry": data.layout.carry,
        "holidays": data.layout.holidays,
        "scaling": _made(data.layout.scaling),
        "null_value": data.null_value,
    }


def _model_made(forecaster: Forecaster) -> dict[str, Any]:
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
    """The same; nothing where it cannot be said.

    Example:
        >>> from eac import EAC, STGNN
        >>> model = Forecaster(STGNN(), EAC(rank=6))
        >>> made_or_nothing(model)["strategy"]
        {'class_path': 'eac.strategies.eac.EAC', 'init_args': {'rank': 6}}
    """
    try:
        return _model_made(forecaster)
    except ConfigError:
        return {}


def _model(forecaster: Forecaster) -> dict[str, Any]:
    """How the model was built, or why that cannot be said."""
    try:
        return {"model": _model_made(forecaster)}
    except ConfigError as error:
        return {UNSAID: str(error)}


def _learning(forecaster: Forecaster) -> dict[str, Any]:
    """How the model learns, from an optimizer and a schedule that their factories make."""
    optimizer, schedule = forecaster.make_optimizer()
    groups = [
        {name: _plain(value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]
    return {
        "loss": _made(forecaster.loss),
        "loss_steps": forecaster.loss_steps,
        "loss_units": forecaster.loss_units,
        "optimizer": {"class_path": _path(optimizer), "init_args": {"groups": groups}},
        "lr_scheduler": _made(schedule),
    }


def _trainer(make_trainer: object) -> dict[str, Any]:
    if not isinstance(make_trainer, DefaultTrainer):
        return {}
    return {"trainer": {"max_epochs": make_trainer.max_epochs, "patience": make_trainer.patience}}


def _made(part: object) -> dict[str, Any] | None:
    """Class of an object, and those of its attributes that are plain values."""
    if part is None:
        return None
    named = {name.lstrip("_"): value for name, value in vars(part).items() if name != "training"}
    plain = {name: _plain(value) for name, value in named.items() if _is_plain(value)}
    return {"class_path": _path(part), "init_args": plain}


def _path(part: object) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _plain(value: object) -> Any:
    """A value as YAML holds it; of anything else its name."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if _is_plain(value) else str(value)
