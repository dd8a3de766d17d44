"""Builds the model of a run again from the configuration that the run keeps."""

import importlib
import inspect
from argparse import ArgumentError
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from eac.backbones.base import Backbone
from eac.errors import RunError
from eac.metrics.losses import Loss
from eac.strategies.base import Strategy
from eac.training.forecaster import Forecaster
from eac.training.run_header import UNSAID


def rebuild(run_dir: Path, *, window: int, horizon: int) -> Forecaster:
    """The model of a run as its configuration says, with first weights.

    Raises:
        RunError: If the configuration does not say it, or its classes cannot be found.
    """
    path = run_dir / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    if not isinstance(config, dict) or "model" not in config:
        reason = config.get(UNSAID) if isinstance(config, dict) else None
        raise RunError(
            f"{path} does not say how the model was built{f': {reason}' if reason else ''}. Build "
            f"the same model and give it: eac.load_run({str(run_dir)!r}, "
            "eac.Forecaster(YourBackbone(...), YourStrategy(...)))."
        )
    model = config["model"]
    backbone = _with_sizes(model["backbone"], window=window, horizon=horizon)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--backbone", type=Backbone)
    parser.add_argument("--strategy", type=Strategy)
    parser.add_argument("--loss", type=Loss | None)
    try:
        parts = {"backbone": backbone, "strategy": model["strategy"], "loss": model.get("loss")}
        settings = parser.parse_object(parts)
        built = parser.instantiate_classes(settings)
    except (ArgumentError, ImportError, AttributeError, TypeError, ValueError) as error:
        raise RunError(
            f"the model that {path} describes cannot be built here: {error}. Build it and give "
            f"it: eac.load_run({str(run_dir)!r}, eac.Forecaster(...))."
        ) from error
    parts = built["backbone"], built["strategy"]
    return Forecaster(*parts, loss=built["loss"], revin=model.get("revin"))


def _with_sizes(backbone: dict[str, Any], **sizes: int) -> dict[str, Any]:
    """The backbone with the sizes of its windows, which follow from the data when it is run."""
    module, _, name = backbone["class_path"].rpartition(".")
    taken = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    given = {key: value for key, value in sizes.items() if key in taken}
    return backbone | {"init_args": given | backbone.get("init_args", {})}
