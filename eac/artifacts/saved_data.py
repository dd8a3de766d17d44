"""What a run keeps of its data beside the model, so that it can forecast from new readings."""

import importlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from eac.artifacts.checkpoint import load_card
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.intake import part_scaler
from eac.data.batches.scaling import Scaler, Scaling
from eac.data.core.calendar import DAY, Calendar
from eac.data.core.covariates import CovariateScale
from eac.data.core.graph import Graph
from eac.data.readers.files import natural_key
from eac.errors import CheckpointError
from eac.files import write_tensors
from eac.protocols.protocol import PROTOCOLS, Protocol
from eac.records.record import PERIOD_FILE

GRAPH_FILE = "graph.safetensors"
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
    graph: Graph
    node_ids: tuple[str, ...]
    inputs: Scaler
    targets: Scaler

    @property
    def current_ids(self) -> tuple[str, ...]:
        """Ids of the last period, in order."""
        return self.node_ids[: self.graph.num_nodes]


def data_card(data: PeriodData) -> dict[str, Any]:
    """The entries of a period's card that ``load_data`` reads."""
    tensors, calendar = data.full, data.period.calendar
    card: dict[str, Any] = {
        "scaler": _scaler_card(tensors.scaler),
        "draws": None if data.draws is None else data.draws.position,
        "data": {
            "window": data.window,
            "horizon": data.horizon,
            "protocol": data.protocol.name,
            "scaling": _scaling_card(data.intake.scaling),
            "carry": data.intake.carry,
            "holidays": data.intake.holidays,
            "covariates": _covariates_card(data),
            "step_seconds": _step(calendar).total_seconds(),
            "days_per_week": calendar.days_per_week,
        },
    }
    if tensors.scaler.trivial:
        test = data.period.series[data.split.test.start : data.split.test.stop]
        own = part_scaler(test, data.protocol, data.window, data.horizon)
        card["input_scaler"] = _scaler_card(own)
    return card


def load_draws(directory: Path) -> int:
    """Random numbers drawn up to the end of a done period.

    Raises:
        CheckpointError: If the run did not draw in the published order.
    """
    position = load_card(directory).get("draws")
    if position is None:
        raise CheckpointError(
            f"{directory} was trained by an eac that drew its random numbers in another order. "
            "Start a new run directory."
        )
    return position


def save_graph(directory: Path, graph: Graph) -> None:
    """Writes the graph of a period, whole or not at all."""
    tensors = {"edge_index": graph.edge_index, "edge_weight": graph.edge_weight}
    write_tensors(directory / GRAPH_FILE, tensors)


def done_periods(run_dir: Path) -> list[Path]:
    """Directories of the periods of a run that are done, in order."""
    found = [p for p in run_dir.glob("period-*") if (p / PERIOD_FILE).is_file()]
    return sorted(found, key=lambda path: natural_key(path.name))


def load_data(directories: list[Path]) -> SavedData:
    """What the done periods of a run say of its data; the last one that has a sensor counts.

    Raises:
        CheckpointError: If the run was made before these things were kept.
    """
    last = directories[-1]
    card = load_card(last)
    if "data" not in card or not (last / GRAPH_FILE).is_file():
        raise CheckpointError(f"{last.parent} {OLDER}")
    said = card["data"]
    node_ids, inputs, targets = _scalers([card, *map(load_card, directories[-2::-1])])
    return SavedData(
        window=said["window"],
        horizon=said["horizon"],
        protocol=PROTOCOLS[said["protocol"]],
        scaling=_load_scaling(said["scaling"], last),
        carry=said["carry"],
        holidays=said.get("holidays"),
        covariates=_load_covariates(said.get("covariates")),
        step=timedelta(seconds=said["step_seconds"]),
        days_per_week=said["days_per_week"],
        graph=Graph(len(card["node_ids"]), **load_file(last / GRAPH_FILE)),
        node_ids=node_ids,
        inputs=inputs,
        targets=targets,
    )


def _scalers(cards: list[dict[str, Any]]) -> tuple[tuple[str, ...], Scaler, Scaler]:
    """Every id with its scalers, those of the newest card that has it."""
    rows: dict[str, tuple[float, ...]] = {}
    trivial = "input_scaler" in cards[0]
    for card in cards:
        target = card["scaler"]
        given = card.get("input_scaler", target)
        values = (given["mean"], given["scale"], target["mean"], target["scale"])
        for node, *row in zip(card["node_ids"], *values, strict=True):
            rows.setdefault(node, tuple(row))
    table = torch.tensor(list(rows.values()))
    inputs, targets = Scaler(table[:, 0], table[:, 1]), Scaler(table[:, 2], table[:, 3], trivial)
    return tuple(rows), inputs, targets


def _step(calendar: Calendar) -> timedelta:
    return DAY / calendar.steps_per_day if calendar.step is None else calendar.step


def _scaler_card(scaler: Scaler) -> dict[str, list[float]]:
    return {"mean": scaler.mean.tolist(), "scale": scaler.scale.tolist()}


def _covariates_card(data: PeriodData) -> dict[str, Any] | None:
    scale = data.covariate_scale
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


def _load_scaling(card: dict[str, Any] | None, where: Path) -> Scaling | None:
    if card is None:
        return None
    module, _, name = card["class_path"].rpartition(".")
    kind = getattr(importlib.import_module(module), name, None)
    if not (isinstance(kind, type) and issubclass(kind, Scaling)):
        raise CheckpointError(f"{where}: {card['class_path']} is no Scaling. Restore the card.")
    return kind(**card["init_args"])
