"""Settings that no run of periods can work with, refused before anything is read or written."""

import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer

from eac.checks import check_least
from eac.errors import ConfigError
from eac.training.forecaster import Forecaster

MAX_SEED = 2**32 - 1
MAX_STEPS = 100_000
"""Of a window or a horizon; a layer's weights grow with them."""
MAX_WINDOWS = 1 << 20
"""Of a batch, and of a validation; a step takes time and memory for each."""
PRECISIONS = ("32", "32-true", "16", "16-mixed", "bf16", "bf16-mixed", "None")


@dataclass(frozen=True)
class _Limit:
    """What a setting of the Trainer may be, and what to give instead."""

    allowed: Callable[[Any], bool]
    advice: str


def _some(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and value > 0)


_TRAINER = {
    "max_epochs": _Limit(lambda n: n is None or n == -1 or n > 0, "Give 1 or more."),
    "min_epochs": _Limit(lambda n: n is None or n >= 0, "Give 0 or more."),
    "max_steps": _Limit(lambda n: n == -1 or n > 0, "Give 1 or more, or -1 for no limit."),
    "max_time": _Limit(
        lambda t: t is None, "Each period must end its epochs: give trainer.max_epochs."
    ),
    "fast_dev_run": _Limit(
        lambda n: not n,
        "It keeps no weights. For a quick look give --trainer.max_epochs 1 "
        "--trainer.limit_train_batches 3.",
    ),
    "barebones": _Limit(lambda on: not on, "It keeps no weights. Leave it out."),
    "overfit_batches": _Limit(
        lambda n: not n, "It changes what is tested on. Give trainer.limit_train_batches."
    ),
    "enable_checkpointing": _Limit(
        lambda on: on is not False, "The best weights of a period are kept. Leave it out."
    ),
    "check_val_every_n_epoch": _Limit(
        lambda n: n == 1, "Each epoch is validated, to keep the best. Leave it out."
    ),
    "val_check_interval": _Limit(_some, "Give more than 0, or leave it out."),
    "limit_train_batches": _Limit(_some, "Give more than 0, or leave it out."),
    "limit_val_batches": _Limit(_some, "Give more than 0: validation chooses the weights."),
    "limit_test_batches": _Limit(_some, "Give more than 0: a period is done when it is tested."),
    "accumulate_grad_batches": _Limit(lambda n: n >= 1, "Give 1 or more."),
    "gradient_clip_val": _Limit(lambda n: n is None or n >= 0, "Give 0 or more, or null."),
    "precision": _Limit(
        lambda p: str(p) in PRECISIONS, "Weights are kept in 32 bits. Give 32-true or bf16-mixed."
    ),
}


MOST = 10**9
"""Of any number that counts something."""
LAUNCHED = ("WORLD_SIZE", "SLURM_NTASKS", "NODE_RANK", "GROUP_RANK", "MASTER_ADDR")
"""What launchers of several machines leave in the environment."""


def check_seed(seed: object) -> None:
    """Refuses a seed that is no whole number of 32 bits."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise ConfigError(f"seed_everything: {seed} is not a whole number from 0 to {MAX_SEED}.")


def check_settings(config: Namespace, *, all_periods: bool) -> None:
    """Refuses what cannot work, of the settings that can be judged by themselves.

    Args:
        config: The parsed configuration.
        all_periods: Whether it is of a run over all periods rather than of one.

    Raises:
        ConfigError: Names the key, its value and what to give.
    """
    trainer = config["trainer"]
    for key, limit in _TRAINER.items() if all_periods else ():
        if key in trainer and not limit.allowed(trainer[key]):
            raise ConfigError(f"trainer.{key}: {trainer[key]} cannot be. {limit.advice}")
    _check_devices(trainer)
    data = config["data"]
    sizes = {key: data.get(key) for key in ("window", "horizon")}
    check_least(1, **sizes)
    most = dict.fromkeys(sizes, MAX_STEPS) | dict.fromkeys(
        ("batch_size", "val_windows"), MAX_WINDOWS
    )
    for key, largest in most.items():
        value = data.get(key)
        if value is not None and value > largest:
            raise ConfigError(f"data.{key}: {value} cannot be. Give at most {largest}.")
    for group in ("model", "data"):
        _check_numbers(config.get(group), group)
    if all_periods and not (config["run"]["watch_interval"] > 0):
        raise ConfigError(
            f"run.watch_interval: {config['run']['watch_interval']} cannot be. Give seconds, such "
            "as 10."
        )


def check_trainer(make_trainer: Callable[[Path, list], Trainer]) -> None:
    """Makes a Trainer once, so that what it refuses is said before the first period.

    Raises:
        ConfigError: Says what the Trainer says.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            make_trainer(Path(folder), [])
        except (MisconfigurationException, ValueError, TypeError, ImportError) as error:
            raise ConfigError(f"trainer: {one_line(error)}.{no_gpu(error)}") from error


def check_optimizer(model: Forecaster) -> None:
    """Makes optimizer and schedule once for a weight of their own.

    Raises:
        ConfigError: Says what they say.
    """
    try:
        optimizer = model._optimizer([torch.nn.Parameter(torch.zeros(1))])
        if model._lr_scheduler is not None:
            model._lr_scheduler(optimizer)
    except (ValueError, TypeError, AssertionError, ZeroDivisionError) as error:
        raise ConfigError(f"model.optimizer or model.lr_scheduler: {one_line(error)}.") from error


def _check_devices(trainer: Namespace) -> None:
    """Refuses more processes than there are cores: each is a whole copy of the run.

    Other machines are those of a launcher, which says so in the environment.
    """
    devices, cores = str(trainer.get("devices")), os.cpu_count() or 1
    machines = trainer.get("num_nodes") or 1
    if machines > 1 and not any(name in os.environ for name in LAUNCHED):
        raise ConfigError(
            f"trainer.num_nodes: {machines} cannot be: nothing has started this run on another "
            "machine, and it would wait for them. Start it on each with torchrun, as "
            "docs/scaling.md says, or leave num_nodes out."
        )
    on_cpu = trainer.get("accelerator") == "cpu" or not torch.cuda.is_available()
    if on_cpu and devices.isdigit() and int(devices) > cores:
        raise ConfigError(f"trainer.devices: {devices} cannot be: this machine has {cores} cores.")


def _check_numbers(value: object, where: str) -> None:
    """Refuses numbers that are no numbers, anywhere in a group of settings."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}: {value} cannot be. Give a finite number.")
    if isinstance(value, int) and abs(value) > MOST:
        raise ConfigError(f"{where}: {value} cannot be. Give at most {MOST}.")
    if isinstance(value, list | tuple):
        for position, item in enumerate(value):
            _check_numbers(item, f"{where}[{position}]")
    elif hasattr(value, "items"):
        for key, item in value.items():  # pyright: ignore[reportAttributeAccessIssue]
            _check_numbers(item, f"{where}.{key}".replace(".init_args", ""))


def one_line(error: Exception) -> str:
    """What an exception says, without line breaks; of several reasons those that name a cause."""
    lines = [line.strip(" -") for line in str(error).partition("Errors:")[2].splitlines()]
    causes = [line for line in lines if line and not line.startswith(("Expected", "Given value"))]
    return " ".join(" ".join(causes or [str(error)]).split())[:300].rstrip(".!")


def no_gpu(error: Exception) -> str:
    """What to do where a GPU is asked for and none is there; "" otherwise."""
    if "gpu" in str(error).lower() and not torch.cuda.is_available():
        return " There is no GPU here that torch can use: give --trainer.accelerator cpu."
    return ""
