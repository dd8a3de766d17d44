"""What a run leaves behind, as JSON: one record per period and one header per run.

The runner writes these records and the reports read them. Nothing here needs torch.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eac.errors import CheckpointError, RunError
from eac.files import json_bytes, write_bytes
from eac.records.folders import PERIOD_FILE, done_folders
from eac.records.horizon_table import (
    Groups,
    HorizonTable,
    check_tables,
    finite_or_none,
    mean_table,
    tables_to_json,
)
from eac.records.intervals import ByLevel, Intervals, mean_by_level
from eac.records.jsonfile import StrPath, convert, doctor, format_header
from eac.records.manifest import read_verified_json, seal, write_noted
from eac.records.newcomers import Newcomers
from eac.records.update import UpdateRecord

PERIOD_FORMAT = "eac.period"
RUN_FORMAT = "eac.run"
RUN_FILE = "run.json"


@dataclass(frozen=True)
class NodeCounts:
    """How many nodes of a period are kept, new, returned and gone.

    Example:
        >>> NodeCounts(kept=95, new=3).gone
        0
    """

    kept: int = 0
    new: int = 0
    returned: int = 0
    gone: int = 0


@dataclass(frozen=True)
class SensorErrors:
    """MAE of each node over all steps of the horizon; None where nothing was observed.

    Example:
        >>> SensorErrors(("a", "b"), (3.5, None)).mae[0]
        3.5
    """

    node_ids: tuple[str, ...]
    mae: tuple[float | None, ...]


@dataclass(frozen=True)
class PeriodRecord:
    """What was trained and measured in one period.

    Attributes:
        name: Name of the period.
        num_nodes: Nodes in the period.
        nodes: The same, by how they relate to the periods before.
        trainable_parameters: Parameters tuned in this period.
        total_parameters: All parameters of the model, frozen ones included.
        fit_seconds: Wall time of training, probes before it included.
        epochs: Epochs trained.
        best_epoch: Epoch whose state was kept, from 0; None when nothing was trained.
        val_metric: Validation error of that epoch.
        groups: Test errors of "all" nodes and of those "kept", "new" and "returned"; a group
            without nodes may be absent.
        baselines: Test errors of the naive forecasts "last", "day", "week", "average" and
            "smoothed", which older runs lack, and of peers such as "lightgbm".
        fingerprint: Digest of the period's data.
        strategy: Class name of the strategy.
        backbone: Class name of the backbone.
        notes: Remarks for the reader of a report.
        sensors: Error of each node, when kept.
        before: Test errors, by group, before training on this period: of the model as the
            "previous" period left it, and of one "untrained"; empty unless asked for.
        past: Test errors after training, by the name of an earlier period and by group then.
        intervals: How well intervals held their level; None where none were made.
        update: The low-rank update of the backbone, where there was one.
        newcomers: How well new sensors were forecast soon after they joined; None without any.

    Example:
        >>> table = HorizonTable({"MAE": {"mean": 2.0}}, {"MAE": {"avg": 2.0}})
        >>> record = PeriodRecord(
        ...     "2024-01", 2, NodeCounts(new=2), trainable_parameters=12, total_parameters=100,
        ...     fit_seconds=1.5, epochs=3, best_epoch=1, val_metric=2.1, groups={"all": table},
        ... )
        >>> record.errors.point["MAE"]["mean"]
        2.0
    """

    name: str
    num_nodes: int
    nodes: NodeCounts
    trainable_parameters: int
    total_parameters: int
    fit_seconds: float
    epochs: int
    best_epoch: int | None
    val_metric: float | None
    groups: dict[str, HorizonTable]
    baselines: dict[str, HorizonTable] = field(default_factory=dict)
    fingerprint: str = ""
    strategy: str = ""
    backbone: str = ""
    notes: tuple[str, ...] = ()
    sensors: SensorErrors | None = None
    before: dict[str, Groups] = field(default_factory=dict)
    past: dict[str, Groups] = field(default_factory=dict)
    intervals: Intervals | None = None
    update: UpdateRecord | None = None
    newcomers: Newcomers | None = None

    def __post_init__(self):
        if "all" not in self.groups:
            raise ValueError(
                f"record of period {self.name!r} has groups {sorted(self.groups)}; "
                "the errors of 'all' nodes must be among them."
            )

    @property
    def errors(self) -> HorizonTable:
        """Test errors of all nodes."""
        return self.groups["all"]

    def to_json(self) -> dict[str, Any]:
        """The record as plain dictionaries; the errors of all nodes also stand on their own."""
        content = dict(vars(self))
        content["nodes"] = dict(vars(self.nodes))
        content["val_metric"] = finite_or_none(self.val_metric)
        for name in ("groups", "baselines"):
            content[name] = tables_to_json(content[name])
        for name in ("before", "past"):
            content[name] = {key: tables_to_json(tables) for key, tables in content[name].items()}
        content["notes"] = list(self.notes)
        content["update"] = None if self.update is None else self.update.to_json()
        if self.sensors is not None:
            mae = [finite_or_none(value) for value in self.sensors.mae]
            content["sensors"] = {"node_ids": list(self.sensors.node_ids), "mae": mae}
        if self.newcomers is None:
            content.pop("newcomers", None)
        else:
            content["newcomers"] = self.newcomers.to_json()
        if self.intervals is None:
            content.pop("intervals", None)
        else:
            content["intervals"] = self.intervals.to_json()
        return format_header(PERIOD_FORMAT) | content | self.errors.to_json()

    @staticmethod
    def from_json(value: object, where: str = PERIOD_FILE) -> "PeriodRecord":
        """Reads what ``to_json`` gave; ``where`` names the file in error messages.

        Raises:
            CheckpointError: If the version is another one or a field is missing or wrong.
        """
        record = convert(PeriodRecord, value, PERIOD_FORMAT, where)
        tables = {"groups": record.groups, "baselines": record.baselines}
        tables |= {f"before.{name}": groups for name, groups in record.before.items()}
        tables |= {f"past.{name}": groups for name, groups in record.past.items()}
        try:
            for place, groups in tables.items():
                check_tables(groups, place)
        except ValueError as error:
            raise CheckpointError(f"{where}: {error}. {doctor(where)}") from error
        return record


@dataclass(frozen=True)
class RunRecord:
    """One run over a stream: what it was run on, and the record of each finished period.

    Attributes:
        stream: Name of the stream.
        unit: Unit of the readings.
        source: Where the data come from.
        protocol: Name of the protocol.
        seed: Seed of the run.
        null_value: Targets equal to this were left out of the errors.
        versions: Versions of the libraries used.
        periods: Finished periods in order of time.
        asked: Names of the periods that the run was last asked for; empty in older runs.
        target: What is measured; empty where nobody said it, and in older runs.

    Example:
        >>> run = RunRecord("bergen", "vehicles/h", "", "strict", seed=42, target="vehicles")
        >>> run.mean_baselines(), len(run.periods)
        ({}, 0)
    """

    stream: str
    unit: str
    source: str
    protocol: str
    seed: int | None
    null_value: float | None = None
    versions: dict[str, str] = field(default_factory=dict)
    periods: tuple[PeriodRecord, ...] = ()
    asked: tuple[str, ...] = ()
    target: str = ""

    def mean(self, group: str = "all") -> HorizonTable:
        """Errors of one group of nodes, averaged over the periods that have it."""
        return mean_table([p.groups[group] for p in self.periods if group in p.groups])

    def mean_baselines(self) -> dict[str, HorizonTable]:
        """Errors of each naive forecast that every period has, averaged over the periods."""
        names = self.periods[0].baselines if self.periods else ()
        shared = [name for name in names if all(name in p.baselines for p in self.periods)]
        return {name: mean_table([p.baselines[name] for p in self.periods]) for name in shared}

    def mean_intervals(self) -> dict[str, ByLevel]:
        """``coverage`` and ``winkler`` by level, averaged over the periods that have intervals."""
        made = [p.intervals for p in self.periods if p.intervals is not None]
        if not made:
            return {}
        return {
            "coverage": mean_by_level([m.coverage for m in made]),
            "winkler": mean_by_level([m.winkler for m in made]),
        }

    def to_json(self) -> dict[str, Any]:
        """The header as plain dictionaries, with the mean over periods but not the periods."""
        content = {key: value for key, value in vars(self).items() if key != "periods"}
        content["asked"] = list(self.asked)
        return format_header(RUN_FORMAT) | content | {"mean": self.mean().to_json()}

    @staticmethod
    def from_json(value: object, where: str = RUN_FILE) -> "RunRecord":
        """Reads the header that ``to_json`` gave, without periods.

        Raises:
            CheckpointError: If the version is another one or a field is missing or wrong.
        """
        return replace(convert(RunRecord, value, RUN_FORMAT, where), periods=())


def write_period(directory: StrPath, record: PeriodRecord) -> None:
    """Writes ``metrics.json``, whose existence says that the period is done, and its manifest."""
    content = json_bytes(record.to_json())
    seal(directory, {PERIOD_FILE: content})
    write_bytes(Path(directory) / PERIOD_FILE, content)


def read_period(directory: StrPath) -> PeriodRecord:
    """Reads the record that ``write_period`` wrote."""
    path = Path(directory) / PERIOD_FILE
    return PeriodRecord.from_json(read_verified_json(path), str(path))


def write_run(directory: StrPath, record: RunRecord) -> None:
    """Writes ``run.json``, the header of a run; the periods stand in their own files."""
    write_noted(Path(directory) / RUN_FILE, json_bytes(record.to_json()))


def read_run(directory: StrPath) -> RunRecord:
    """Reads the header of a run and the records of its finished periods.

    Raises:
        RunError: If the directory is missing or is not a run.
        CheckpointError: If a file in it is damaged or of another version.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_run(folder, RunRecord("bergen", "vehicles/h", "", "strict", seed=42))
        ...     print(read_run(folder).seed, len(read_run(folder).periods))
        42 0
    """
    root = Path(directory)
    if not root.is_dir():
        raise RunError(f"{root} is not a directory. Give the directory named by --run.dir.")
    if not (root / RUN_FILE).is_file():
        raise RunError(
            f"{root} holds no {RUN_FILE}, so it is not a run. "
            "Give the directory named by --run.dir."
        )
    done = done_folders(root)
    for position, (index, path) in enumerate(done):
        if index != position:
            raise CheckpointError(
                f"{root}: period {position} is not done, but {path.name} is. A mean over the "
                f"others would be another number. {doctor(root / RUN_FILE)}"
            )
    return replace(read_header(root), periods=tuple(read_period(path) for _, path in done))


def read_header(directory: StrPath) -> RunRecord:
    """Reads the header of a run, without its periods."""
    path = Path(directory) / RUN_FILE
    return RunRecord.from_json(read_verified_json(path), str(path))
