"""What a period leaves behind: its record, its state, its card."""

from collections.abc import Mapping
from pathlib import Path

from eac.artifacts.checkpoint import SavedState, base_of
from eac.artifacts.past import remove_past, save_past
from eac.artifacts.resume_points import remove_checkpoints
from eac.artifacts.saving import save_artifact
from eac.calibration.store import CALIBRATION_FILE
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.reservoir import Reservoir
from eac.data.core.blocks import drop_pages
from eac.data.core.period import NodeChange
from eac.data.manage.suspicious import before_training
from eac.metrics.horizon import HorizonErrors
from eac.plain import logger
from eac.records.record import NodeCounts, PeriodRecord, SensorErrors, write_period
from eac.rundir.checksums import write_checksums
from eac.rundir.requests import asked_of, take_up
from eac.strategies.base import Asked, Strategy
from eac.training.callbacks import CountEpochs
from eac.training.forecaster import Forecaster
from eac.training.processes import is_first, wait_for_all
from eac.training.results.run_header import made_or_nothing
from eac.training.results.testing import by_group

log = logger()


def begin_notes(strategy: Strategy, directory: Path, period: str) -> Asked | None:
    """Takes up what a period is asked for, which is the first note of its record.

    Args:
        strategy: Forgets the notes of the period before.
        directory: Of the period, in that of the run.
        period: Its name.
    """
    if is_first():
        take_up(directory.parent, directory, period)
    wait_for_all()
    asked, why = asked_of(directory.parent, period)
    strategy.begin_notes(why)
    return asked


def log_start(data: PeriodData, change: NodeChange, counts: tuple[int, int]) -> tuple[str, ...]:
    """Says which nodes a period has, how many parameters train, and returns what is odd in it.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> log_start(data, NodeChange.between(data.period.node_ids, (), set()), (40, 400))
        ()
    """
    log.info(
        "period %s: %d nodes (%d kept, %d new, %d returned, %d gone), %d of %d parameters train",
        data.period.name,
        sum(len(ids) for ids in (change.kept, change.new, change.returned)),
        *(len(ids) for ids in vars(change).values()),
        *counts,
    )
    told = tuple(before_training(data.period, data.split))
    for text in told:
        log.warning("period %s: %s", data.period.name, text)
    return told


def period_record(
    model: Forecaster,
    data: PeriodData,
    change: NodeChange,
    counts: tuple[int, int],
    watch: CountEpochs,
    naive: Mapping[str, HorizonErrors],
) -> PeriodRecord:
    """The record of a period whose test has just ended.

    Args:
        model: As tested.
        data: The period.
        change: Its nodes, by how they relate to the periods before.
        counts: Trainable and total parameters.
        watch: What the training was seen to do.
        naive: Errors of the naive forecasts and of peers.
    """
    errors, period = model.errors, data.period
    return PeriodRecord(
        name=period.name,
        num_nodes=period.num_nodes,
        nodes=NodeCounts(**{name: len(ids) for name, ids in vars(change).items()}),
        trainable_parameters=counts[0],
        total_parameters=counts[1],
        fit_seconds=round(watch.seconds, 3),
        epochs=watch.epochs,
        best_epoch=watch.best_epoch,
        val_metric=watch.best_value,
        groups=by_group(errors, period.node_ids, change),
        baselines={name: sums.summary() for name, sums in naive.items()},
        fingerprint=period.fingerprint(),
        strategy=model.strategy.title,
        backbone=type(model.backbone).__name__,
        sensors=SensorErrors(period.node_ids, tuple(errors.node_mae().tolist())),
        notes=model.strategy.take_notes(),
        update=model.strategy.take_update(),
    )


def save_period(
    directory: Path,
    model: Forecaster,
    data: PeriodData,
    record: PeriodRecord,
    *,
    parent: Path | None,
    past: Reservoir | None = None,
) -> None:
    """Writes state and card, then the record that says the period is done.

    Args:
        directory: Of the period.
        model: Whose state is saved.
        data: The period.
        record: Written last.
        parent: Folder of the period that this one began from, if any.
        past: What is kept to rehearse this period and those before it, if anything.
    """
    write_checksums(directory, data.period)
    save_artifact(
        directory,
        SavedState.of(model),
        data,
        base=None if parent is None else base_of(parent),
        parent=parent,
        said={
            **(made_or_nothing(model) or {}),
            "calibration": CALIBRATION_FILE,
            "metrics": record.errors.to_json(),
        },
    )
    drop_pages(data.period.series, data.period.by_node)
    save_past(directory, past)
    write_period(directory, record)
    remove_checkpoints(directory)
    if parent is not None:
        remove_past(parent)
