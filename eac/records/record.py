"""What a run leaves behind, as JSON: one record per period and one header per run.

The runner writes these records and the reports read them. Nothing here needs torch.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import NoneType
from typing import Any

from eac.errors import RunError
from eac.files import write_json
from eac.records.horizon_table import (
    Groups,
    HorizonTable,
    finite_or_none,
    mean_table,
    read_tables,
    tables_to_json,
)
from eac.records.jsonfile import Fields, StrPath, format_header, read_json

PERIOD_FORMAT = "eac.period"
RUN_FORMAT = "eac.run"
PERIOD_FILE = "metrics.json"
RUN_FILE = "run.json"

_NUMBER = (int, float, NoneType)


@dataclass(frozen=True)
class NodeCounts:
    """How many nodes of a period are kept, new, returned and gone."""

    kept: int = 0
    new: int = 0
    returned: int = 0
    gone: int = 0


@dataclass(frozen=True)
class SensorErrors:
    """MAE of each node over all steps of the horizon; None where nothing was observed."""

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
        fit_seconds: Wall time of training.
        epochs: Epochs trained.
        best_epoch: Epoch whose state was kept, from 0; None when nothing was trained.
        val_metric: Validation error of that epoch.
        groups: Test errors of "all" nodes and of those "kept", "new" and "returned"; a group
            without nodes may be absent.
        baselines: Test errors of the naive forecasts "last", "day", "week" and "average", and of
            peers such as "lightgbm".
        fingerprint: Digest of the period's data.
        strategy: Class name of the strategy.
        backbone: Class name of the backbone.
        notes: Remarks for the reader of a report.
        sensors: Error of each node, when kept.
        before: Test errors, by group, before training on this period: of the model as the
            "previous" period left it, and of one "untrained"; empty unless asked for.
        past: Test errors after training on this period, by the name of an earlier period and by
            group, nodes being kept, new or returned as they were then; empty unless asked for.
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
        if self.sensors is not None:
            mae = [finite_or_none(value) for value in self.sensors.mae]
            content["sensors"] = {"node_ids": list(self.sensors.node_ids), "mae": mae}
        return format_header(PERIOD_FORMAT) | content | self.errors.to_json()

    @staticmethod
    def from_json(value: object, where: str = PERIOD_FILE) -> "PeriodRecord":
        """Reads what ``to_json`` gave; ``where`` names the file in error messages.

        Raises:
            CheckpointError: If the version is another one or a field is missing or wrong.
        """
        source = Fields.of_format(value, PERIOD_FORMAT, where)
        counts = source.inner("nodes")
        return PeriodRecord(
            name=source.take("name", str),
            num_nodes=source.take("num_nodes", int),
            nodes=NodeCounts(**{key: counts.take(key, int) for key in vars(NodeCounts())}),
            trainable_parameters=source.take("trainable_parameters", int),
            total_parameters=source.take("total_parameters", int),
            fit_seconds=source.take("fit_seconds", (int, float)),
            epochs=source.take("epochs", int),
            best_epoch=source.take("best_epoch", (int, NoneType)),
            val_metric=source.take("val_metric", _NUMBER),
            groups=read_tables(source.inner("groups"), require="all"),
            baselines=read_tables(source.inner("baselines")),
            fingerprint=source.take("fingerprint", str),
            strategy=source.take("strategy", str),
            backbone=source.take("backbone", str),
            notes=tuple(source.take("notes", list)),
            sensors=_sensors(source),
            before=_transfer(source, "before"),
            past=_transfer(source, "past"),
        )


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
    """

    stream: str
    unit: str
    source: str
    protocol: str
    seed: int | None
    null_value: float | None = None
    versions: dict[str, str] = field(default_factory=dict)
    periods: tuple[PeriodRecord, ...] = ()

    def mean(self, group: str = "all") -> HorizonTable:
        """Errors of one group of nodes, averaged over the periods that have it."""
        return mean_table([p.groups[group] for p in self.periods if group in p.groups])

    def mean_baselines(self) -> dict[str, HorizonTable]:
        """Errors of each naive forecast that every period has, averaged over the periods."""
        names = self.periods[0].baselines if self.periods else ()
        shared = [name for name in names if all(name in p.baselines for p in self.periods)]
        return {name: mean_table([p.baselines[name] for p in self.periods]) for name in shared}

    def to_json(self) -> dict[str, Any]:
        """The header as plain dictionaries, with the mean over periods but not the periods."""
        content = {key: value for key, value in vars(self).items() if key != "periods"}
        return format_header(RUN_FORMAT) | content | {"mean": self.mean().to_json()}

    @staticmethod
    def from_json(value: object, where: str = RUN_FILE) -> "RunRecord":
        """Reads the header that ``to_json`` gave, without periods.

        Raises:
            CheckpointError: If the version is another one or a field is missing or wrong.
        """
        source = Fields.of_format(value, RUN_FORMAT, where)
        return RunRecord(
            stream=source.take("stream", str),
            unit=source.take("unit", str),
            source=source.take("source", str),
            protocol=source.take("protocol", str),
            seed=source.take("seed", (int, NoneType)),
            null_value=source.take("null_value", _NUMBER),
            versions=dict(source.take("versions", dict)),
        )


def write_period(directory: StrPath, record: PeriodRecord) -> None:
    """Writes ``metrics.json``, whose existence says that the period is done."""
    write_json(Path(directory) / PERIOD_FILE, record.to_json())


def read_period(directory: StrPath) -> PeriodRecord:
    """Reads the record that ``write_period`` wrote."""
    path = Path(directory) / PERIOD_FILE
    return PeriodRecord.from_json(read_json(path), str(path))


def write_run(directory: StrPath, record: RunRecord) -> None:
    """Writes ``run.json``, the header of a run; the periods stand in their own files."""
    write_json(Path(directory) / RUN_FILE, record.to_json())


def read_run(directory: StrPath) -> RunRecord:
    """Reads the header of a run and the records of its finished periods.

    Raises:
        RunError: If the directory is missing or is not a run.
        CheckpointError: If a file in it is damaged or of another version.
    """
    root = Path(directory)
    if not root.is_dir():
        raise RunError(f"{root} is not a directory. Give the directory named by --run.dir.")
    if not (root / RUN_FILE).is_file():
        raise RunError(
            f"{root} holds no {RUN_FILE}, so it is not a run. "
            "Give the directory named by --run.dir."
        )
    done = [path.parent for path in root.glob(f"period-*/{PERIOD_FILE}")]
    periods = tuple(read_period(path) for path in sorted(done, key=_period_position))
    header = RunRecord.from_json(read_json(root / RUN_FILE), str(root / RUN_FILE))
    return replace(header, periods=periods)


def _period_position(directory: Path) -> tuple[int, str]:
    number = directory.name.split("-", 2)[1]
    if not number.isdigit():
        raise RunError(
            f"{directory} is not named period-<number>-<name>. Give it back its name or remove it."
        )
    return int(number), directory.name


def _transfer(source: Fields, key: str) -> dict[str, Groups]:
    if key not in source.content:  # records written before transfer was measured
        return {}
    inner = source.inner(key)
    return {name: read_tables(inner.inner(name), require="all") for name in inner.content}


def _sensors(source: Fields) -> SensorErrors | None:
    if source.take("sensors", (dict, NoneType)) is None:
        return None
    sensors = source.inner("sensors")
    return SensorErrors(tuple(sensors.take("node_ids", list)), tuple(sensors.take("mae", list)))
