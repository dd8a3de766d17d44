"""The files of the paper's experiments, run to the end on a small stream of the same layout."""

from pathlib import Path

import pandas as pd
import pytest

from eac.benchmark.config import read_benchmark
from eac.benchmark.grid import cells_of
from eac.cli.main import main
from eac.data.manage.convert import convert
from eac.data.simulator.synthetic import SyntheticStream

CONFIGS = Path(__file__).parents[2] / "configs" / "benchmarks"
PAPER = ["paper", "few-shot", "rank-sweep", "universality", "efficiency", "lora"]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """Two periods of five-minute steps in the published layout; the network grows."""
    path = tmp_path_factory.mktemp("data") / "small"
    stream = SyntheticStream(num_nodes=8, num_periods=2, steps_per_period=300)
    convert(stream, path, layout="npz")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPER)
def test_every_cell_of_the_papers_experiments_finishes_and_is_in_the_tables(name, small, tmp_path):
    config = CONFIGS / f"{name}.yaml"
    benchmark = read_benchmark(config)
    streams = [f"--stream={stream.name}={small}" for stream in benchmark.streams]
    command = ["benchmark", "-c", str(config), "--out", str(tmp_path), "--seeds", "42"]
    assert main([*command, *streams, "--set", "trainer.max_epochs=1"]) == 0

    cells = cells_of(benchmark.changed(seeds=[42]), tmp_path)
    frame = pd.read_parquet(tmp_path / "results.parquet")
    trained = frame[frame.trainable_parameters > 0]
    found = trained.groupby(["strategy", "backbone", "stream"]).ngroups
    assert found == len(cells)
    assert (tmp_path / "tables.tex").read_text().count("\\begin{table") >= len(benchmark.streams)
