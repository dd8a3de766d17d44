"""Runs written by hand: records and details without a model, and without torch."""

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
from eac.records.record import (
    NodeCounts,
    PeriodRecord,
    RunRecord,
    SensorErrors,
    write_period,
    write_run,
)

HORIZON = 4


def table(value: float) -> HorizonTable:
    """Errors of ``value`` at every step, so that every mean is ``value`` too."""
    steps: dict[str, float | None] = {str(step): value for step in range(1, HORIZON + 1)}
    return HorizonTable(
        {metric: steps | {"mean": value} for metric in METRICS},
        {metric: steps | {"avg": value} for metric in METRICS},
    )


def period(name: str, value: float, nodes: str = "abc") -> PeriodRecord:
    """One period whose sensors err by ``value``, ``value`` + 1 and so on."""
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
        groups={"all": table(value), "kept": table(value), "new": table(value + 1)},
        baselines={"last": table(20.0), "week": table(10.0)},
        fingerprint=f"print of {name}",
        strategy="EAC",
        backbone="STGNN",
        sensors=SensorErrors(tuple(nodes), tuple(value + i for i in range(len(nodes)))),
    )


def details(name: str, nodes: str = "abc", *, placed: bool = True) -> PeriodDetails:
    """Six origins of one bad and one good sensor."""
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
            warnings=("1 node with one constant reading: </script><b>",),
        ),
        map=SensorMap(tuple(nodes), places if placed else None, ((0, 1),), len(nodes)),
        traces=Traces("2020-01-04T12:00:00", 3600.0, 84, (1, 2, 3, 4), (trace,), (trace,)),
        spectrum=(2.0, 1.0, 0.0),
        dispersion=Dispersion((0.0, float(name)), 0.5),
    )


def with_past(record: PeriodRecord, **errors: float) -> PeriodRecord:
    """The record of a run that tested earlier periods, of these names and errors."""
    past = {name.strip("p"): {"all": table(value)} for name, value in errors.items()}
    return replace(record, past=past)


def write_example(
    directory: Path, values: tuple[float, ...] = (8.0, 12.0), *, placed: bool = True
) -> Path:
    """A finished run whose periods "0", "1", ... have these errors."""
    write_run(
        directory, RunRecord("made", "veh/h", "made by hand", "strict", 1, versions={"eac": "0"})
    )
    (directory / "config.yaml").write_text("model: <made>\n", encoding="utf-8")
    for index, value in enumerate(values):
        folder = directory / f"period-{index:02d}-{index}"
        record = period(str(index), value)
        past = {f"p{earlier}": value + 1 for earlier in range(index)}
        write_details(folder, details(str(index), placed=placed))
        write_period(folder, with_past(record, **past))
    return directory
