"""What a finished period leaves: one frozen, verified thing that everything later starts from."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import msgspec

from eac.artifacts.checkpoint import CARD_FILE, STATE_FILE, STATE_FORMAT
from eac.errors import CheckpointError, EACError
from eac.protocols.protocol import ProtocolName
from eac.records.jsonfile import convert, doctor
from eac.records.manifest import read_verified_json, verify

GRAPH_FILE = "graph.safetensors"
_NOT_IN_ID = ("id", "base", "metrics", "directory")


@dataclass(frozen=True)
class ScalerValues:
    """Mean and scale of each node, in the order of ``node_ids``.

    Example:
        >>> ScalerValues(mean=(40.0, 55.0), scale=(10.0, 12.5)).mean
        (40.0, 55.0)
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]


@dataclass(frozen=True)
class ClassSettings:
    """A class and what it was made with, as a configuration says it.

    Example:
        >>> ClassSettings("eac.strategies.eac.EAC", {"rank": 6}).init_args
        {'rank': 6}
    """

    class_path: str
    init_args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSettings:
    """How the data of a run were read; see ``SavedData``.

    Example:
        >>> clock = {"carry": 0.0, "step_seconds": 3600.0, "days_per_week": 7}
        >>> DataSettings(12, 6, "strict", None, **clock).horizon
        6
    """

    window: int
    horizon: int
    protocol: ProtocolName
    scaling: ClassSettings | None
    carry: float
    step_seconds: float
    days_per_week: int
    holidays: str | None = None
    covariates: dict[str, list[Any]] | None = None
    clock: dict[str, Any] | None = None
    ended: str | None = None
    never_read: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeptFile:
    """A further file of an artifact, with its SHA-256.

    Example:
        >>> KeptFile("calibration.safetensors", "0" * 64).name
        'calibration.safetensors'
    """

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """What a finished period leaves, as its ``card.json`` says it.

    Attributes:
        id: SHA-256 of all that follows, but for names of folders and measured errors.
        parent: Id of the artifact that the period began from; None in the first one.
        period: Name of the period.
        fingerprint: Digest of the data of the period.
        node_ids: Nodes of the period, in order.
        base: Folder of the period whose state this one completes; None when it is whole.
        base_sha256: SHA-256 of the state in it.
        state_sha256: SHA-256 of the tensors saved here.
        same_as_base: Names of tensors that are equal to those of the base.
        graph_sha256: SHA-256 of the graph.
        scaler: Scales of the readings.
        input_scaler: Scales of the inputs, where they differ.
        scalers_sha256: SHA-256 of both.
        extra: Memory of the strategy and of layers beside tensors, by module.
        draws: Position in the sequence of random numbers, where the protocol has one.
        data: How the data were read; None in runs of the oldest versions.
        backbone: Class and settings of the backbone; None where it cannot be said.
        strategy: The same of the strategy.
        loss: The same of the loss, whose outputs the backbone has.
        revin: Of ``Forecaster``, where the backbone is normalised.
        calibration: File of calibrated intervals, if there is one.
        metrics: Errors in the test part.
        directory: Where it was read from.
    """

    id: str = ""
    parent: str | None = None
    period: str
    fingerprint: str = ""
    node_ids: tuple[str, ...]
    base: str | None
    base_sha256: str | None
    state_sha256: str
    same_as_base: tuple[str, ...]
    graph_sha256: str = ""
    scaler: ScalerValues
    input_scaler: ScalerValues | None = None
    scalers_sha256: str = ""
    extra: dict[str, dict[str, Any]]
    draws: int | None = None
    data: DataSettings | None = None
    backbone: dict[str, Any] | None = None
    strategy: dict[str, Any] | None = None
    loss: dict[str, Any] | None = None
    revin: float | None = None
    calibration: KeptFile | None = None
    metrics: Any = None
    directory: str = ""

    @property
    def window(self) -> int | None:
        """Past steps in."""
        return None if self.data is None else self.data.window

    @property
    def horizon(self) -> int | None:
        """Future steps out."""
        return None if self.data is None else self.data.horizon

    def path(self, name: str) -> Path:
        """The path of one of its files."""
        return Path(self.directory) / name


def read_artifact(directory: Path) -> Artifact:
    """Reads and checks the card of a period; one of an older version gets the id of its content.

    Raises:
        CheckpointError: If the card is missing, damaged or of another version.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     made = write_sample_period(Path(run))
        ...     print(read_artifact(Path(run, "period-00-0")).id == made.id)
        True
    """
    path = directory / CARD_FILE
    found = convert(Artifact, read_verified_json(path), STATE_FORMAT, str(path))
    artifact = replace(found, directory=str(directory))
    if not found.id:
        graph = directory / GRAPH_FILE
        artifact = replace(artifact, graph_sha256=verify(graph) if graph.is_file() else "")
        return replace(artifact, id=content_id(artifact))
    if found.id != content_id(found) or found.scalers_sha256 != content_hash(
        {"scaler": found.scaler, "input_scaler": found.input_scaler}
    ):
        raise CheckpointError(
            f"{path} is damaged: its id is not that of its content. {doctor(path)}"
        )
    return artifact


def check_artifact(directory: Path) -> Iterator[str]:
    """What is damaged of an artifact, one sentence each; nothing when all is well.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     _ = write_sample_period(Path(run))
        ...     print(list(check_artifact(Path(run, "period-00-0"))))
        []
    """
    try:
        artifact = read_artifact(directory)
    except EACError as error:
        yield str(error)
        return
    expected = {STATE_FILE: artifact.state_sha256}
    if artifact.graph_sha256:
        expected[GRAPH_FILE] = artifact.graph_sha256
    if artifact.calibration is not None:
        expected[artifact.calibration.name] = artifact.calibration.sha256
    for name, said in expected.items():
        try:
            if verify(directory / name) != said:
                yield f"{directory / name} is damaged: it is not the file that {CARD_FILE} names."
        except EACError as error:
            yield str(error)


def content_id(artifact: Artifact) -> str:
    """SHA-256 of what an artifact holds.

    Example:
        >>> said = {"period": "a", "node_ids": ("1",), "base": None, "base_sha256": None}
        >>> said |= {"state_sha256": "", "same_as_base": (), "extra": {}}
        >>> one = Artifact(**said, scaler=ScalerValues(mean=(40.0,), scale=(10.0,)))
        >>> content_id(one) == content_id(replace(one, directory="runs/x"))
        True
    """
    content = {f.name: getattr(artifact, f.name) for f in fields(artifact)}
    return content_hash({name: value for name, value in content.items() if name not in _NOT_IN_ID})


def content_hash(value: Any) -> str:
    """SHA-256 of a value as JSON.

    Example:
        >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
        True
    """
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
