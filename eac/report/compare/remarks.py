"""What a reader must know before trusting a comparison of runs."""

from collections.abc import Iterator, Sequence
from typing import Any

from eac.records.record import RunRecord
from eac.rundir.settings import data_setting


def remarks(
    directories: Sequence[str], runs: Sequence[RunRecord], shared: Sequence[str]
) -> Iterator[str]:
    """One sentence for each way in which the runs are not alike.

    Args:
        directories: The runs; their settings say which targets were tested.
        runs: Their records.
        shared: Names of the periods that all of them have.

    Example:
        >>> from dataclasses import replace
        >>> from eac.records.sample import sample_run
        >>> runs = (sample_run((8.0,)), replace(sample_run((7.0,)), unit="km/h"))
        >>> list(remarks(("no folder", "no folder"), runs, ("0",)))
        ['The runs differ in their unit: veh/h, km/h.']
    """
    for what in ("stream", "protocol", "unit", "null_value"):
        values = _distinct([getattr(run, what) for run in runs])
        if len(values) > 1:
            yield f"The runs differ in their {what}: {', '.join(values)}."
    horizons = sorted({run.mean().horizon for run in runs})
    if len(horizons) > 1:
        yield (
            f"The runs differ in their horizon: {', '.join(map(str, horizons))}. Their errors are "
            f"compared over the first {horizons[0]} steps, on the test windows of each; errors of "
            "sensors are over all steps of a run, so those of longer horizons are left out."
        )
    for what in ("window", "fractions", "train_fraction", "val_fraction"):
        values = _distinct([v for d in directories if (v := data_setting(d, what)) is not None])
        if len(values) > 1:
            yield (
                f"The runs differ in their {what}: {', '.join(values)}. Their test targets are "
                "not the same; the naive forecasts of each run are counted on its own."
            )
    periods = [[p for p in run.periods if p.name in shared] for run in runs]
    if len({tuple(sorted((p.name, p.fingerprint) for p in found)) for found in periods}) > 1:
        yield "The runs did not read the same data: fingerprints of their periods differ."
    if any(len(run.periods) > len(shared) for run in runs):
        yield f"Only the {len(shared)} periods that all runs have are compared."


def _distinct(values: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(map(str, values)))
