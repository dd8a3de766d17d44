"""What a run keeps of its data beside the model, so that it can forecast from new readings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from eac.artifacts.artifact import GRAPH_FILE, Artifact, ClassSettings, read_artifact
from eac.artifacts.checkpoint import CARD_FILE, load_card
from eac.class_paths import find_class
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.preparation import part_scaler
from eac.data.core.calendar import DAY, Calendar
from eac.data.core.clock_rules import ClockRules
from eac.data.core.covariates import CovariateScale
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.pieces import count_readings
from eac.data.series.scaling import Scaler, Scaling
from eac.errors import CheckpointError, EACError, StreamError
from eac.files import write_tensors
from eac.protocols.protocol import PROTOCOLS, Protocol
from eac.records.folders import done_folders
from eac.records.jsonfile import doctor
from eac.records.manifest import verify
from eac.records.tensorfile import check_tensors

OLDER = "was made by an eac that kept less of its data. Train it again to forecast from it."


@dataclass(frozen=True, eq=False)
class SavedData:
    """Settings of the data of a run, its last graph, and the scale of every sensor it ever saw.

    Attributes:
        window: Past steps in.
        horizon: Future steps out.
        protocol: How readings are scaled.
        scaling: In place of the protocol's, if any.
        carry: Share of a reading that a gap keeps with each step.
        holidays: Country whose holidays are marked, if any.
        covariates: What the model takes that is known ahead, if anything.
        step: Time between two readings.
        days_per_week: Days after which the week repeats.
        clock: How the clock of the run goes; None where it was not kept.
        ended: Time stamp of the last reading trained on, where that is known.
        never_read: Sensors of the last period without any reading in it.
        graph: Graph of the last period, over the first nodes of ``node_ids``.
        node_ids: Those of the last period, in order, then those of earlier ones.
        inputs: Scaler of the readings, in order of ``node_ids``.
        targets: Scaler of the forecasts, in order of ``node_ids``.
    """

    window: int
    horizon: int
    protocol: Protocol
    scaling: Scaling | None
    carry: float
    holidays: str | None
    covariates: CovariateScale | None
    step: timedelta
    days_per_week: int
    clock: ClockRules | None
    ended: datetime | None
    never_read: frozenset[str]
    graph: Graph
    node_ids: tuple[str, ...]
    inputs: Scaler
    targets: Scaler

    @property
    def current_ids(self) -> tuple[str, ...]:
        """Ids of the last period, in order."""
        return self.node_ids[: self.graph.num_nodes]


def data_card(data: PeriodData) -> dict[str, Any]:
    """The entries of a period's card that ``load_data`` reads.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> data_card(data)["data"]["window"]
        12
    """
    tensors, calendar = data.full, data.period.calendar
    card: dict[str, Any] = {
        "scaler": _scaler_card(tensors.scaler),
        "draws": data.draws.position,
        "data": {
            "window": data.window,
            "horizon": data.horizon,
            "protocol": data.protocol.name,
            "scaling": _scaling_card(data.layout.scaling),
            "carry": data.layout.carry,
            "holidays": data.layout.holidays,
            "covariates": _covariates_card(data),
            "step_seconds": _step(calendar).total_seconds(),
            "days_per_week": calendar.days_per_week,
            "clock": ClockRules.of(calendar).card(),
            "ended": _ended(data.period),
            "never_read": _never_read(data.period),
        },
    }
    if tensors.scaler.trivial:
        test = data.period.series[data.split.test.start : data.split.test.stop]
        own = part_scaler(test, data.layout)
        card["input_scaler"] = _scaler_card(own)
    return card


def load_draws(directory: Path) -> int | None:
    """Where a done period left the random numbers of its run; None where that is not kept.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     _ = write_sample_period(Path(run))
        ...     print(load_draws(Path(run, "period-00-0")))
        None
    """
    return load_card(directory).get("draws")


def save_graph(directory: Path, graph: Graph) -> str:
    """Writes the graph of a period, and returns its SHA-256.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     print(len(save_graph(Path(folder), Graph.empty(3))))  # SHA-256
        64
    """
    tensors = {"edge_index": graph.edge_index, "edge_weight": graph.edge_weight}
    return write_tensors(directory / GRAPH_FILE, tensors)


def done_periods(run_dir: Path) -> list[Path]:
    """Directories of the periods of a run that are done, in order.

    Example:
        >>> done_periods(Path("a folder without a run"))
        []
    """
    return [path for _, path in done_folders(run_dir)]


def load_data(directories: list[Path], *, trust: Sequence[str] = ()) -> SavedData:
    """What the done periods of a run say of its data; the last one that has a sensor counts.

    Args:
        directories: Of the periods up to the one to forecast with, in order.
        trust: Modules with classes of your own that the run may name.

    Raises:
        CheckpointError: If the run was made before these things were kept, or is damaged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     _ = write_sample_period(Path(run))
        ...     print(load_data([Path(run, "period-00-0")]).window)
        12
    """
    last = read_artifact(directories[-1])
    said = last.data
    if said is None or not last.graph_sha256:
        raise CheckpointError(f"{directories[-1].parent} {OLDER}")
    artifacts = [last, *map(read_artifact, directories[-2::-1])]
    try:
        node_ids, inputs, targets = _scalers(artifacts)
        return SavedData(
            window=said.window,
            horizon=said.horizon,
            protocol=PROTOCOLS[said.protocol],
            scaling=_load_scaling(said.scaling, last.path(CARD_FILE), trust),
            carry=said.carry,
            holidays=said.holidays,
            covariates=_load_covariates(said.covariates),
            step=timedelta(seconds=said.step_seconds),
            days_per_week=said.days_per_week,
            clock=None if said.clock is None else ClockRules.of_card(said.clock),
            ended=None if said.ended is None else datetime.fromisoformat(said.ended),
            never_read=frozenset(said.never_read),
            graph=load_graph(last),
            node_ids=node_ids,
            inputs=inputs,
            targets=targets,
        )
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, EACError):
            raise
        path = last.path(CARD_FILE)
        raise CheckpointError(f"{path} says what cannot be: {error!r}. {doctor(path)}") from error


def load_graph(artifact: Artifact) -> Graph:
    """The graph of a period as the run keeps it.

    Raises:
        CheckpointError: If it is damaged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     _ = write_sample_period(Path(run))
        ...     print(load_graph(read_artifact(Path(run, "period-00-0"))).num_nodes)
        3
    """
    path = artifact.path(GRAPH_FILE)
    if verify(path) != artifact.graph_sha256:
        raise CheckpointError(
            f"{path} is damaged: it is not the file that {CARD_FILE} describes. {doctor(path)}"
        )
    check_tensors(path)
    try:
        return Graph(len(artifact.node_ids), **load_file(path))
    except (OSError, SafetensorError, StreamError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}). {doctor(path)}") from error


def _scalers(artifacts: list[Artifact]) -> tuple[tuple[str, ...], Scaler, Scaler]:
    """Every id with its scalers, those of the newest period that has it."""
    rows: dict[str, tuple[float, ...]] = {}
    trivial = artifacts[0].input_scaler is not None
    for one in artifacts:
        target, given = one.scaler, one.input_scaler or one.scaler
        values = (given.mean, given.scale, target.mean, target.scale)
        for node, *row in zip(one.node_ids, *values, strict=True):
            rows.setdefault(node, tuple(row))
    table = torch.tensor(list(rows.values()))
    inputs, targets = Scaler(table[:, 0], table[:, 1]), Scaler(table[:, 2], table[:, 3], trivial)
    return tuple(rows), inputs, targets


def _ended(period: Period) -> str | None:
    last = period.calendar.time_of(period.num_steps - 1)
    return None if last is None else last.isoformat()


def _never_read(period: Period) -> list[str]:
    counts = count_readings(period.series).tolist()
    return [node for node, count in zip(period.node_ids, counts, strict=True) if not count]


def _step(calendar: Calendar) -> timedelta:
    return DAY / calendar.steps_per_day if calendar.step is None else calendar.step


def _scaler_card(scaler: Scaler) -> dict[str, list[float]]:
    return {"mean": scaler.mean.tolist(), "scale": scaler.scale.tolist()}


def _covariates_card(data: PeriodData) -> dict[str, Any] | None:
    scale = data.ready.scales.covariates
    return None if scale is None else {name: list(values) for name, values in vars(scale).items()}


def _load_covariates(card: dict[str, Any] | None) -> CovariateScale | None:
    if card is None:
        return None
    return CovariateScale(**{name: tuple(values) for name, values in card.items()})


def _scaling_card(scaling: Scaling | None) -> dict[str, Any] | None:
    if scaling is None:
        return None
    kind = type(scaling)
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": vars(scaling)}


def _load_scaling(card: ClassSettings | None, where: Path, trust: Sequence[str]) -> Scaling | None:
    if card is None:
        return None
    make = cast(
        "Callable[..., Scaling]",
        find_class(card.class_path, Scaling, trust=trust, where=str(where)),
    )
    return make(**card.init_args)
