"""The empirical studies behind node prompts: how nodes differ, and how few directions prompts use.

Chen & Liang (ICLR 2025), sections on heterogeneity ("expand") and low rank ("compress").
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from eac.errors import CheckpointError
from eac.records.jsonfile import StrPath, doctor
from eac.records.manifest import read_verified_json, verify
from eac.records.tensorfile import check_tensors

POOL = "strategy.pool."
FACTOR = f"{POOL}node_factor"
"""Where a state has the prompts; with a strategy that stands on another, deeper."""


def mean_day(
    series: Float[ndarray, "time node"], slots: Int[ndarray, " time"], steps_per_day: int
) -> Float[ndarray, "node {steps_per_day}"]:
    """Mean reading of each node in each slot of the day; NaN where a slot holds none.

    Example:
        >>> mean_day(np.array([[1.0], [2.0], [5.0]]), np.array([0, 1, 0]), 2).tolist()
        [[3.0, 2.0]]
    """
    present = ~np.isnan(series)
    sums = np.zeros((steps_per_day, series.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, slots, np.where(present, series, 0.0))
    np.add.at(counts, slots, present)
    with np.errstate(invalid="ignore"):
        return (sums / counts).T


def dispersion_within(features: Float[ndarray, "node feature"]) -> float:
    """Mean squared distance between the features of two nodes, over all ordered pairs.

    Example:
        >>> dispersion_within(np.array([[0.0, 0.0], [3.0, 4.0]]))  # pairs: 0, 25, 25, 0
        12.5
    """
    whole = features[~np.isnan(features).any(1)]
    return float(2 * whole.var(0).sum()) if len(whole) else float("nan")


def dispersion_across(
    before: Float[ndarray, "node feature"], after: Float[ndarray, "node feature"]
) -> float:
    """Mean squared distance between the features of the same node in two periods.

    Example:
        >>> dispersion_across(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]))
        25.0
    """
    distance = ((after - before) ** 2).sum(1)
    known = distance[~np.isnan(distance)]
    return float(known.mean()) if len(known) else float("nan")


def cumulative_energy(prompts: Float[ndarray, "node width"]) -> Float[ndarray, " rank"]:
    """Share of the squared singular values held by the largest 1, 2, ... of them.

    Example:
        >>> cumulative_energy(np.diag([3.0, 4.0])).round(2).tolist()
        [0.64, 1.0]
    """
    energy = np.linalg.svd(prompts, compute_uv=False).astype(np.float64) ** 2
    return energy.cumsum() / max(energy.sum(), np.finfo(np.float64).tiny)


def read_prompts(period_directory: StrPath) -> Float[ndarray, "node width"]:
    """Every prompt of the pool that a period of a run left behind.

    Raises:
        CheckpointError: If the run has no pool of prompts.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.files import write_json
        >>> from safetensors.numpy import save_file
        >>> rows = {f"{POOL}settled": np.zeros((1, 2)), f"{POOL}node_factor": np.ones((2, 2))}
        >>> with TemporaryDirectory() as folder:
        ...     save_file(rows, f"{folder}/state.safetensors")
        ...     _ = write_json(Path(folder, "card.json"), {"base": None})
        ...     print(read_prompts(folder).shape)
        (3, 2)
    """
    directory = Path(period_directory)
    card = read_verified_json(directory / "card.json")
    tensors = _read_state(directory)
    base = card.get("base") if isinstance(card, dict) else None
    if base is not None:
        tensors = _read_state(directory.parent / Path(str(base)).name) | tensors
    pool = next((k.removesuffix("node_factor") for k in tensors if k.endswith(FACTOR)), None)
    if pool is None:
        raise CheckpointError(
            f"{directory} holds no pool of node prompts. Give a run of a strategy that has one, "
            "such as EAC."
        )
    rows = np.concatenate([tensors[f"{pool}settled"], tensors[f"{pool}node_factor"]])
    basis = tensors.get(f"{pool}basis")
    return rows if basis is None else rows @ basis


def _read_state(directory: Path) -> dict[str, ndarray]:
    """The tensors of a period, after a look that they are those that were written."""
    path = directory / "state.safetensors"
    verify(path)
    check_tensors(path)
    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}). {doctor(path)}") from error
