"""A period that nobody trained, as a run keeps it: for examples."""

from pathlib import Path

import torch

from eac.artifacts.artifact import Artifact
from eac.artifacts.checkpoint import SavedState
from eac.artifacts.saving import save_artifact
from eac.data.batches.datamodule import PeriodData
from eac.data.simulator.synthetic import SyntheticStream
from eac.records.record import write_period
from eac.records.sample import sample_period


def write_sample_period(run_dir: Path) -> Artifact:
    """Writes the first period of a run of three simulated sensors, and returns its artifact.

    Its state is one tensor ``w`` of ones; its folder is ``period-00-0``.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as run:
        ...     print(write_sample_period(Path(run)).period)
        0
    """
    data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
    folder = run_dir / "period-00-0"
    state = SavedState({"w": torch.ones(2)}, {})
    made = save_artifact(folder, state, data, base=None, parent=None)
    write_period(folder, sample_period("0", 8.0))
    return made
