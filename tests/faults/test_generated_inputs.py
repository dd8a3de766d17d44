"""Recent readings made and spoilt at random: forecast, or refused in a sentence.

What is made depends on the seed alone. ``FOUND`` holds the seeds that once found something.
"""

import contextlib
import io
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eac.cli.main import main
from tests.faults.test_generated_streams import BYTES, SECONDS, damaged, edges, spoilt, written

FOUND: tuple[int, ...] = (917,)
FEW, MANY, SHARES = 15, 1000, 4
NODES = ("a", "c", "e", "x", "new", "007", " c", "c ", "-", "é")
STEPS = (*["h"] * 12, "2h", "30min", "7h", "1500ms", "D")


def recent(random: np.random.Generator) -> pd.DataFrame:
    """Hours of some sensors, most of them known, or another step."""
    count = int(random.choice([1, 5, 6, 7, 30, 200, 400]))
    start = str(random.choice(["2024-01-01", "2024-03-30 05:00", "1999-02-28", "2024-01-01 00:30"]))
    stamps = pd.date_range(start, periods=count, freq=str(random.choice(STEPS)))
    if random.random() < 0.1:
        stamps = stamps.tz_localize("UTC")
    scale = float(random.choice([1.0, 1.0, 1.0, 1e18, 1e37, 1e-30, 0.0]))
    parts = []
    for node in random.choice(NODES, random.integers(1, 6), replace=random.random() < 0.2):
        y = (40 + 10 * np.sin(np.arange(count) / 3.8)) * scale
        y[random.random(count) < random.choice([0.0, 0.3, 1.0], p=[0.7, 0.25, 0.05])] = np.nan
        parts.append(pd.DataFrame({"unique_id": node, "ds": stamps, "y": y}))
    return pd.concat(parts, ignore_index=True)


def make(seed: int, folder: Path) -> list[str]:
    """Arguments of ``eac predict`` besides the run."""
    random = np.random.default_rng(seed)
    frame = recent(random)
    frame = spoilt(frame, random) if random.random() < 0.5 else frame
    path = written(frame, folder, random)
    if random.random() < 0.15:
        path = damaged(path, random)
    output = str(random.choice(["out.csv"] * 9 + ["out.parquet"] * 2 + ["out.txt"]))
    given = ["--input", str(path), "--output", str(folder / output)]
    if random.random() < 0.3:
        given += ["--level", str(random.choice(["80", "95", "5", "99", "0", "100", "-3", "x"]))]
    if random.random() < 0.08:
        (folder / "edges.csv").write_text(edges(random))
        given += ["--edges", str(folder / "edges.csv")]
    if random.random() < 0.1:
        given += ["--period", str(random.choice(["0", "1", "p1", "p9", "-1", "7"]))]
    return given


def try_one(run: Path, seed: int, folder: Path) -> bool:
    """Whether a forecast was made; finite numbers for later steps, or one sentence."""
    folder.mkdir()
    given, out, err = make(seed, folder), io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(["predict", "--run", str(run), *given])
        except SystemExit as stop:
            status = stop.code
    if status:
        said = err.getvalue().strip()
        assert said, given
        assert "np." not in said, said
        assert len(said) < 4000, said[:300]
        return False
    path = Path(given[3])
    made = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    assert len(made), given
    assert np.isfinite(made["y_hat"].to_numpy(float)).all(), given
    return True


def try_all(run: Path, folder: Path, seeds) -> int:
    """How many inputs are forecast; each within its time and memory."""
    before, made = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    for seed in seeds:
        begin = time.monotonic()
        try:
            made += try_one(run, seed, folder / str(seed))
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
        assert time.monotonic() - begin < SECONDS, seed
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) * 1024 < BYTES
    return made


def test_generated_inputs_are_forecast_or_refused_in_a_sentence(whole, tmp_path):
    assert try_all(whole("practical").run, tmp_path, [*FOUND, *range(FEW)])


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("share", range(SHARES))
def test_very_many_inputs_are_forecast_or_refused_in_a_sentence(whole, tmp_path, share, figure):
    seeds = range(share, MANY, SHARES)
    made = try_all(whole("practical").run, tmp_path, seeds)
    assert made > len(seeds) / 10
    figure("generated inputs of eac predict", len(seeds))
    figure("generated inputs that were forecast, the others were refused", made)
