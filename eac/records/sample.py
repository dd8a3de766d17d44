"""Small records and details with plain numbers: for examples, and to try a page without a model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from eac.records.details import (
    Dispersion,
    PeriodDetails,
    Quality,
    SensorMap,
    SensorTrace,
    Traces,
    write_details,
)
from eac.records.horizon_table import METRICS, HorizonTable
from eac.records.jsonfile import StrPath
from eac.records.record import (
    NodeCounts,
    PeriodRecord,
    RunRecord,
    SensorErrors,
    write_period,
    write_run,
)

HORIZON = 4
ERRORS = (8.0, 12.0)
"""Of the model in the periods of a sample; the best naive forecast has 10."""


def sample_table(value: float) -> HorizonTable:
    """Errors of ``value`` at every step, so that every mean is ``value`` too.

    Example:
        >>> sample_table(8.0).point["MAE"]
        {'1': 8.0, '2': 8.0, '3': 8.0, '4': 8.0, 'mean': 8.0}
    """
    steps: dict[str, float | None] = {str(step): value for step in range(1, HORIZON + 1)}
    return HorizonTable(
        {metric: steps | {"mean": value} for metric in METRICS},
        {metric: steps | {"avg": value} for metric in METRICS},
    )


def sample_period(name: str, value: float, nodes: str = "abc") -> PeriodRecord:
    """One period whose sensors err by ``value``, ``value`` + 1 and so on.

    Example:
        >>> sample_period("0", 8.0).sensors
        SensorErrors(node_ids=('a', 'b', 'c'), mae=(8.0, 9.0, 10.0))
    """
    return PeriodRecord(
        name=name,
        num_nodes=len(nodes),
        nodes=NodeCounts(kept=len(nodes) - 1, new=1, gone=1),
        trainable_parameters=40,
        total_parameters=400,
        fit_seconds=1.5,
        epochs=3,
        best_epoch=1,
        val_metric=1.0,
        groups={
            "all": sample_table(value),
            "kept": sample_table(value),
            "new": sample_table(value + 1),
        },
        baselines={"last": sample_table(20.0), "week": sample_table(10.0)},
        fingerprint=f"print of {name}",
        strategy="EAC",
        backbone="STGNN",
        sensors=SensorErrors(tuple(nodes), tuple(value + i for i in range(len(nodes)))),
    )


def with_past(record: PeriodRecord, **errors: float) -> PeriodRecord:
    """The record of a run that tested earlier periods: ``p0`` is the error in period "0".

    Example:
        >>> with_past(sample_period("1", 12.0), p0=9.0).past["0"]["all"].point["MAE"]["mean"]
        9.0
    """
    past = {name.strip("p"): {"all": sample_table(value)} for name, value in errors.items()}
    return replace(record, past=past)


def sample_run(values: tuple[float, ...] = ERRORS) -> RunRecord:
    """A run whose periods "0", "1", ... have these errors, and were tested again after each.

    Example:
        >>> [period.name for period in sample_run().periods]
        ['0', '1']
    """
    periods = tuple(
        with_past(
            sample_period(str(index), value),
            **{f"p{earlier}": value + 1 for earlier in range(index)},
        )
        for index, value in enumerate(values)
    )
    about = ("made", "veh/h", "made by hand", "strict", 1)
    return RunRecord(*about, versions={"eac": "0"}, periods=periods)


def sample_details(name: str, nodes: str = "abc", *, placed: bool = True) -> PeriodDetails:
    """Six origins of one bad and one good sensor, in a period whose name is a number.

    Example:
        >>> sample_details("0").quality.longest_gap
        7
    """
    places = tuple((5.0 + i, 60.0 + i % 2) for i in range(len(nodes)))
    trace = SensorTrace(
        nodes[0],
        (1.0, 2.0, None, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0),
        (None,) * 9,
        tuple(tuple(float(o + lead) for lead in range(HORIZON)) for o in range(6)),
    )
    return PeriodDetails(
        name=name,
        quality=Quality(
            num_steps=100,
            num_edges=2,
            num_isolated=1,
            first="2020-01-01 00:00",
            last="2020-01-05 03:00",
            missing_share=0.125,
            zero_share=0.0,
            low=1.0,
            mean=5.0,
            high=9.0,
            longest_gap=7,
            num_silent=0,
            num_constant=1,
            warnings=(f"1 node with one constant reading: {nodes[-1]}",),
        ),
        map=SensorMap(tuple(nodes), places if placed else None, ((0, 1),), len(nodes)),
        traces=Traces("2020-01-04T12:00:00", 3600.0, 84, (1, 2, 3, 4), (trace,), (trace,)),
        spectrum=(2.0, 1.0, 0.0),
        dispersion=Dispersion((0.0, float(name)), 0.5),
    )


def write_sample(
    directory: StrPath,
    run: RunRecord | None = None,
    details: Callable[[str], PeriodDetails] = sample_details,
) -> Path:
    """Writes a run with the details of its periods into a folder: all that reports read.

    Args:
        directory: The folder.
        run: With its periods; None takes ``sample_run()``.
        details: Gives those of a period by its name.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.records.record import read_run
        >>> with TemporaryDirectory() as folder:
        ...     print(read_run(write_sample(folder)).mean().point["MAE"]["mean"])
        10.0
    """
    made, root = run or sample_run(), Path(directory)
    write_run(root, replace(made, periods=()))
    for index, period in enumerate(made.periods):
        folder = root / f"period-{index:02d}-{period.name}"
        write_details(folder, details(period.name))
        write_period(folder, period)
    return root
