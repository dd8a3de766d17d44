"""Builds the model of a run again from what the run says of it."""

import inspect
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from eac.artifacts.artifact import Artifact
from eac.backbones.base import Backbone
from eac.class_paths import check_trusted, current_paths, find_class
from eac.errors import CheckpointError, EACError, RunError
from eac.metrics.losses import Loss
from eac.records.manifest import verify
from eac.records.yamlfile import read_yaml
from eac.strategies.base import Strategy
from eac.training.forecaster import Forecaster
from eac.training.results.run_header import UNSAID


def rebuild(
    run_dir: Path, artifact: Artifact, *, window: int, horizon: int, trust: Sequence[str] = ()
) -> Forecaster:
    """The model of a period as its artifact or its configuration says, with first weights.

    Args:
        run_dir: Directory of the run.
        artifact: What the period left.
        window: Past steps in.
        horizon: Future steps out.
        trust: Modules with classes of your own that the run may name.

    Raises:
        RunError: If neither says it, or its classes cannot be found.
        ConfigError: If a class is not part of this package, nor trusted.
    """
    said, where = _said(run_dir, artifact)
    check_trusted(said, trust, where)
    said = current_paths(said)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--backbone", type=Backbone)
    parser.add_argument("--strategy", type=Strategy)
    parser.add_argument("--loss", type=Loss | None)
    try:
        backbone = _with_sizes(said["backbone"], trust, where, window=window, horizon=horizon)
        parts = {"backbone": backbone, "strategy": said["strategy"], "loss": said.get("loss")}
        built = parser.instantiate_classes(parser.parse_object(parts))
        model = built["backbone"], built["strategy"]
        return Forecaster(*model, loss=built["loss"], revin=said.get("revin"))
    except EACError:
        raise
    except (ArgumentError, ImportError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"the model that {where} describes cannot be built here: {error}. Build it and give "
            f"it: eac.load_run({str(run_dir)!r}, eac.Forecaster(...))."
        ) from error


def _said(run_dir: Path, artifact: Artifact) -> tuple[dict[str, Any], str]:
    """What is said of the model, and where."""
    if artifact.backbone is not None and artifact.strategy is not None:
        names = ("backbone", "strategy", "loss", "revin")
        return {name: getattr(artifact, name) for name in names}, str(artifact.path("card.json"))
    path = run_dir / "config.yaml"
    config = None
    if path.is_file():
        verify(path)
        config = read_yaml(path, error=CheckpointError)
    model = config.get("model") if isinstance(config, dict) else None
    if not isinstance(model, dict) or not {"backbone", "strategy"} <= model.keys():
        reason = config.get(UNSAID) if isinstance(config, dict) else None
        raise RunError(
            f"{path} does not say how the model was built{f': {reason}' if reason else ''}. Build "
            f"the same model and give it: eac.load_run({str(run_dir)!r}, "
            "eac.Forecaster(YourBackbone(...), YourStrategy(...)))."
        )
    return model, str(path)


def _with_sizes(
    backbone: Mapping[str, Any], trust: Sequence[str], where: str, **sizes: int
) -> dict[str, Any]:
    """The backbone with the sizes of its windows, which follow from the data when it is run."""
    kind = find_class(str(backbone["class_path"]), Backbone, trust=trust, where=where)
    taken = inspect.signature(kind).parameters
    given = {key: value for key, value in sizes.items() if key in taken}
    return dict(backbone) | {"init_args": given | backbone.get("init_args", {})}
