"""Runs written by hand: the samples of the package, with text that must not act as markup."""

from dataclasses import replace
from pathlib import Path

from eac.records.details import PeriodDetails
from eac.records.horizon_table import METRICS, HorizonTable
from eac.records.record import read_period, write_period
from eac.records.sample import (
    sample_details,
    sample_period,
    sample_run,
    sample_table,
    with_past,
    write_sample,
)

__all__ = ["details", "period", "rewrite", "stepped", "table", "with_past", "write_example"]

period, table = sample_period, sample_table


def details(name: str, nodes: str = "abc", *, placed: bool = True) -> PeriodDetails:
    """A sample whose warning holds markup."""
    found = sample_details(name, nodes, placed=placed)
    warnings = ("1 node with one constant reading: </script><b>",)
    return replace(found, quality=replace(found.quality, warnings=warnings))


def write_example(
    directory: Path, values: tuple[float, ...] = (8.0, 12.0), *, placed: bool = True
) -> Path:
    """A finished run whose periods "0", "1", ... have these errors."""
    write_sample(directory, sample_run(values), lambda name: details(name, placed=placed))
    (directory / "config.yaml").write_text("model: <made>\n", encoding="utf-8")
    return directory


def stepped(*errors: float) -> HorizonTable:
    """Errors that differ by step, with as many targets at each."""
    steps = {str(step): error for step, error in enumerate(errors, start=1)}
    up_to = {str(step): sum(errors[:step]) / step for step in range(1, len(errors) + 1)}
    mean, avg = sum(errors) / len(errors), sum(up_to.values()) / len(up_to)
    return HorizonTable(
        {metric: steps | {"mean": mean} for metric in METRICS},
        {metric: up_to | {"avg": avg} for metric in METRICS},
    )


def rewrite(run: Path, **parts: object) -> None:
    """Gives the record of every period of a run these fields."""
    for folder in run.glob("period-*"):
        write_period(folder, replace(read_period(folder), **parts))
