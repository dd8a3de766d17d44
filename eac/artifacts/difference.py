"""In what two artifacts differ."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from eac.artifacts.artifact import Artifact, read_artifact
from eac.artifacts.checkpoint import load_state


@dataclass(frozen=True)
class Difference:
    """In what the second of two artifacts differs from the first.

    Attributes:
        joined: Sensors of the second alone.
        left: Sensors of the first alone.
        settings: Old and new value of each setting that differs, by its dotted name.
        tensors: How far each tensor that differs has moved, as a share of its old norm; None where
            its shape is another, or only one of them has it.
        mae: Mean absolute errors in the test parts.

    Example:
        >>> moved = Difference(("c",), (), {}, {"strategy.pool.node_factor": 0.1}, (41.0, 40.5))
        >>> moved.joined, moved.mae
        (('c',), (41.0, 40.5))
    """

    joined: tuple[str, ...]
    left: tuple[str, ...]
    settings: dict[str, tuple[Any, Any]]
    tensors: dict[str, float | None]
    mae: tuple[float | None, float | None]


def difference(first: Path, second: Path) -> Difference:
    """Compares the artifacts in two folders of one run.

    Raises:
        CheckpointError: If one of them is damaged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     _ = write_sample_period(Path(run))
        ...     same = difference(Path(run, "period-00-0"), Path(run, "period-00-0"))
        >>> same.joined, same.left
        ((), ())
    """
    old, new = read_artifact(first), read_artifact(second)
    before, after = set(old.node_ids), set(new.node_ids)
    said, given = dict(_settings(old)), dict(_settings(new))
    changed = {
        name: (said.get(name), given.get(name))
        for name in sorted(said.keys() | given.keys())
        if said.get(name) != given.get(name)
    }
    return Difference(
        joined=tuple(node for node in new.node_ids if node not in before),
        left=tuple(node for node in old.node_ids if node not in after),
        settings=changed,
        tensors=_moved(load_state(first).tensors, load_state(second).tensors),
        mae=(_mae(old), _mae(new)),
    )


def _moved(
    old: Mapping[str, torch.Tensor], new: Mapping[str, torch.Tensor]
) -> dict[str, float | None]:
    moved: dict[str, float | None] = {}
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new or old[name].shape != new[name].shape:
            moved[name] = None
        elif not torch.equal(old[name], new[name]):
            was, now = old[name].double(), new[name].double()
            moved[name] = float((now - was).norm() / was.norm().clamp_min(1e-12))
    return moved


def _settings(artifact: Artifact) -> Iterator[tuple[str, Any]]:
    data = {} if artifact.data is None else asdict(artifact.data)
    for name in ("ended", "never_read"):
        data.pop(name, None)
    whole = {name: getattr(artifact, name) for name in ("backbone", "strategy", "loss", "revin")}
    yield from _flat(whole | {"data": data}, "")


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _mae(artifact: Artifact) -> float | None:
    metrics = artifact.metrics if isinstance(artifact.metrics, dict) else {}
    return metrics.get("point", {}).get("MAE", {}).get("mean")
