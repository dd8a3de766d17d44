"""Artifacts that leave a run and come into another one, as a folder of their own."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from eac.artifacts.artifact import GRAPH_FILE, Artifact, check_artifact, read_artifact
from eac.artifacts.checkpoint import CARD_FILE, STATE_FILE, load_tensors
from eac.artifacts.kept import IMPORTED, imported, kept_folders
from eac.class_paths import check_trusted
from eac.errors import CheckpointError, EACError, RunError
from eac.files import digest, refuse_links, write_json, writing_folder
from eac.names import encode_name
from eac.records.details import read_details
from eac.records.jsonfile import format_header, read_as
from eac.records.manifest import MANIFEST_FILE, kept_files, read_manifest, seal, verify

ABOUT_FILE = "about.json"
ABOUT_FORMAT = "eac.artifact"
LARGEST = 1 << 34
"""Bytes of the largest file that is taken from elsewhere."""


@dataclass(frozen=True)
class About:
    """What a person reads of an artifact before taking it.

    Attributes:
        id: Of the artifact.
        period: Name of the period that left it.
        base_sha256: SHA-256 of the state that it completes; None: it is whole.
        holds: Numbers in the state by kind: ``prompts``, ``update``, ``network``.
        sensors: How many sensors it forecasts.
        first: First time stamp, or slot, of its readings.
        last: The last one.
        mae: Mean absolute error in the test part by steps ahead, and their mean.
        backbone: Class and settings.
        strategy: Class and settings.
        window: Past steps in.
        horizon: Future steps out.
        step_seconds: Time between two readings.
    """

    id: str
    period: str
    base_sha256: str | None
    holds: dict[str, int]
    sensors: int
    first: str | None
    last: str | None
    mae: dict[str, float | None] = field(default_factory=dict)
    backbone: dict[str, Any] | None = None
    strategy: dict[str, Any] | None = None
    window: int | None = None
    horizon: int | None = None
    step_seconds: float | None = None


def about(folder: Path) -> About:
    """What is known of the artifact in a folder.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     _ = write_sample_period(Path(run))
        ...     print(about(Path(run, "period-00-0")).sensors)
        3
    """
    if (folder / ABOUT_FILE).is_file():
        return read_as(About, folder / ABOUT_FILE, ABOUT_FORMAT)
    artifact, details = read_artifact(folder), read_details(folder)
    metrics = artifact.metrics if isinstance(artifact.metrics, dict) else {}
    return About(
        id=artifact.id,
        period=artifact.period,
        base_sha256=artifact.base_sha256,
        holds=holdings(folder),
        sensors=len(artifact.node_ids),
        first=None if details is None else details.quality.first,
        last=None if details is None else details.quality.last,
        mae=metrics.get("point", {}).get("MAE", {}),
        backbone=artifact.backbone,
        strategy=artifact.strategy,
        window=artifact.window,
        horizon=artifact.horizon,
        step_seconds=None if artifact.data is None else artifact.data.step_seconds,
    )


def holdings(folder: Path) -> dict[str, int]:
    """Numbers that the state of an artifact holds itself, beside its base, by kind.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.checkpoint import SavedState, write_state
        >>> import torch
        >>> tensors = {"strategy.pool.basis": torch.ones(3, 2), "backbone.readout": torch.ones(4)}
        >>> with TemporaryDirectory() as folder:
        ...     _ = write_state(Path(folder), SavedState(tensors, {}), None)
        ...     print(holdings(Path(folder)))
        {'network': 4, 'prompts': 6}
    """
    counts: dict[str, int] = {}
    for name, tensor in load_tensors(folder).items():
        kind = "prompts" if name.startswith("strategy.") else "network"
        kind = "update" if ".parametrizations." in name and kind == "network" else kind
        counts[kind] = counts.get(kind, 0) + tensor.numel()
    return counts


def export_artifact(folder: Path, output: Path) -> About:
    """Copies an artifact to a new folder, with what a person should know of it and digests.

    Args:
        folder: Of a period that is done, or of an imported artifact.
        output: A folder that does not exist yet.

    Raises:
        CheckpointError: If the artifact is damaged.
        WriteError: If there is something at ``output``.
    """
    for problem in check_artifact(folder):
        raise CheckpointError(problem)
    known = about(folder)
    if known.backbone is None or known.strategy is None:
        raise RunError(
            f"{folder / CARD_FILE} does not say how its model was built, so that no other run "
            "could load it. Train it with: eac run"
        )
    with writing_folder(output) as target:
        _copied(folder, read_artifact(folder), target)
        write_json(target / ABOUT_FILE, format_header(ABOUT_FORMAT) | asdict(known))
        seal(target, {})
    return known


def import_artifact(run_dir: Path, source: Path, trust: Sequence[str] = ()) -> Path:
    """Takes an exported artifact into a run, beside its periods, and returns its folder.

    Files are compared with their digests; no class is loaded, and one that is not of this package
    is refused unless its module is trusted.

    Args:
        run_dir: The run; its base must be that of the artifact. A new one takes whole artifacts.
        source: The exported folder.
        trust: Modules with classes of your own that the artifact may name.

    Raises:
        CheckpointError: If a file is missing or damaged.
        ConfigError: If a class is not trusted.
        RunError: If the artifact completes another base, or is there already.
    """
    for problem in _problems(source):
        raise CheckpointError(
            f"{source} cannot be imported: {problem} Export it again: eac artifacts export"
        )
    artifact = read_artifact(source)
    for part in (artifact.backbone, artifact.strategy, artifact.loss):
        check_trusted(part, trust, str(source / CARD_FILE))
    if artifact.data is not None and artifact.data.scaling is not None:
        check_trusted(asdict(artifact.data.scaling), trust, str(source / CARD_FILE))
    _check_base(run_dir, artifact, source)
    if any(read_artifact(folder).id == artifact.id for folder in kept_folders(run_dir)):
        raise RunError(f"{run_dir} holds the artifact {artifact.id[:12]} already.")
    target = run_dir / f"{IMPORTED}{artifact.id[:12]}-{encode_name(artifact.period)}"
    with writing_folder(target) as folder:
        _copied(source, artifact, folder)
        shutil.copyfile(source / ABOUT_FILE, folder / ABOUT_FILE)
        seal(folder, {})
    return target


def check_imported(run_dir: Path) -> Iterator[str]:
    """What is damaged of the artifacts that were imported, one sentence each.

    Example:
        >>> list(check_imported(Path("a folder without imported artifacts")))
        []
    """
    for folder in imported(run_dir):
        yield from _problems(folder)


def _copied(source: Path, artifact: Artifact, target: Path) -> None:
    for name in _names(artifact):
        shutil.copyfile(source / name, target / name)


def _names(artifact: Artifact) -> list[str]:
    """The files of an artifact."""
    names = [CARD_FILE, STATE_FILE, GRAPH_FILE if artifact.graph_sha256 else ""]
    return [*filter(None, names), *([artifact.calibration.name] if artifact.calibration else [])]


def _problems(source: Path) -> Iterator[str]:
    """What is wrong with an exported folder, one sentence each."""
    if not source.is_dir():
        yield f"{source} is no folder."
        return
    try:
        refuse_links(source)
        artifact, manifest = read_artifact(source), read_manifest(source)
        about(source)
    except EACError as error:
        yield str(error)
        return
    names = {*_names(artifact), ABOUT_FILE}
    odd = [name for name in names if Path(name).name != name or (source / name).is_symlink()]
    extra = sorted({path.name for path in kept_files(source)} - names)
    large = [n for n in names if (source / n).is_file() and (source / n).stat().st_size > LARGEST]
    if manifest is None:
        yield f"{source / MANIFEST_FILE} is missing."
    elif set(manifest.files) != names:
        yield f"{source / MANIFEST_FILE} names other files than the artifact has."
    elif odd or extra or large:
        yield f"{source / (odd + extra + large)[0]} is no file of an artifact."
    else:
        yield from _damaged(source)


def _damaged(source: Path) -> Iterator[str]:
    try:
        verify(source / ABOUT_FILE)
    except EACError as error:
        yield str(error)
    yield from check_artifact(source)


def _check_base(run_dir: Path, artifact: Artifact, source: Path) -> None:
    """Refuses an artifact whose base the run does not hold."""
    if artifact.base_sha256 is None:
        return
    states = [folder / STATE_FILE for folder in kept_folders(run_dir)]
    digests = [digest(path) for path in states if path.is_file()]
    if artifact.base_sha256 not in digests:
        held = ", ".join(found[:12] for found in digests[:1]) or "none"
        raise RunError(
            f"{source} completes the base {artifact.base_sha256[:12]}, but {run_dir} holds another "
            f"one ({held}). Give a run that was trained from that base, or import the base first: "
            "export the first period of its run."
        )
