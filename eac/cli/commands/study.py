"""``eac study``: heterogeneity of a stream, and spectrum of the prompts of a run."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from eac.errors import RunError
from eac.records.folders import period_folders
from eac.report.common.studies import (
    cumulative_energy,
    dispersion_across,
    dispersion_within,
    mean_day,
    read_prompts,
)


def main(argv: Sequence[str]) -> int:
    """Prints one study as CSV."""
    arguments = make_parser().parse_args(list(argv))
    lines = arguments.study(arguments.path)
    print("\n".join(lines))
    return 0


def _heterogeneity(path: str) -> Iterator[str]:
    """Dispersion of the nodes' mean days, in units of the stream's own variance."""
    import torch

    from eac.data.readers.open import open_stream

    yield "period,nodes,within,kept,across"
    before: dict[str, Float[ndarray, " feature"]] = {}
    scale = None
    for period in open_stream(path):
        series = period.series.double().numpy()
        scale = float(np.nanvar(series)) if scale is None else scale
        slots = period.calendar.slot_of_day(torch.arange(len(series))).numpy()
        features = mean_day(series, slots, period.calendar.steps_per_day)
        day = features.shape[1] * scale
        known = [(row, node) for row, node in enumerate(period.node_ids) if node in before]
        across = float("nan")
        if known:
            old = np.stack([before[node] for _, node in known])
            across = dispersion_across(old, features[[row for row, _ in known]]) / day
        within = dispersion_within(features) / day
        yield f"{period.name},{period.num_nodes},{within:.6g},{len(known)},{across:.6g}"
        before = dict(zip(period.node_ids, features, strict=True))


def _spectrum(path: str) -> Iterator[str]:
    """Share of the energy of the prompts in their largest singular values, by period."""
    folders = [folder for _, folder in period_folders(Path(path))]
    directories = [found for folder in folders if (found := folder / "state.safetensors").is_file()]
    if not directories:
        raise RunError(f"{path} holds no trained period. Give the directory of a run.")
    yield "period,nodes,rank,cumulative_energy"
    for file in directories:
        prompts = read_prompts(file.parent)
        for rank, share in enumerate(cumulative_energy(prompts), start=1):
            yield f"{file.parent.name},{len(prompts)},{rank},{share:.6f}"


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = argparse.ArgumentParser(
        "eac study", description="Studies behind node prompts, as CSV."
    )
    studies = parser.add_subparsers(required=True, metavar="STUDY")
    nodes = studies.add_parser(
        "heterogeneity",
        help="how much nodes differ within a period, and from themselves a period before",
        description="Mean squared distance between the mean days of two nodes of a period "
        "(within), and between those of the same node in two periods (across), per slot and in "
        "units of the variance of the first period.",
    )
    nodes.add_argument("path", help="folder or file of the stream")
    nodes.set_defaults(study=_heterogeneity)
    energy = studies.add_parser("spectrum", help="cumulative energy of the prompts of a run")
    energy.add_argument("path", help="directory of the run")
    energy.set_defaults(study=_spectrum)
    return parser
