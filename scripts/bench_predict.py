"""How long a run takes to load and to forecast from two weeks of readings, and what it holds.

Trains the network of the recipe for a moment on made-up readings; then, in a process of its own,
loads the run and forecasts from a table with one column for each sensor.

python scripts/bench_predict.py [--sensors 1000 100000] [--rounds 5]
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path
from statistics import median

import pandas as pd
from bench_intervals import held, trained

STEPS, WEEKS = 700, 2


def asked(run_dir: Path, readings: Path, rounds: int) -> str:
    """A line of the table; medians of rounds in a process that has imported everything."""
    import pyarrow.parquet  # noqa: F401 - read by pandas

    import eac.backbones.seasonal
    import eac.strategies.eac
    import eac.training.forecaster  # noqa: F401 - imports are not timed
    from eac.serving.predictor import load_run

    frame = pd.read_parquet(readings)
    loads, forecasts, rows = [], [], 0
    for _ in range(rounds):
        begin = time.perf_counter()
        run = load_run(run_dir)
        loaded = time.perf_counter()
        rows = len(run.predict(frame))
        forecasts.append(time.perf_counter() - loaded)
        loads.append(loaded - begin)
    return (
        f"| {frame.shape[1]:,} | {loads[0]:.2f} s | {median(loads):.2f} s | {forecasts[0]:.2f} s "
        f"| {median(forecasts):.2f} s | {rows:,} | {held('VmHWM') / 2**30:.2f} GiB |"
    )


def main() -> None:
    """Prints a line for each size."""
    parser = argparse.ArgumentParser(description="Loading a run and forecasting from it.")
    parser.add_argument("--sensors", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print("| sensors | first load | load | first forecast | forecast | rows | peak memory |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for sensors in given.sensors:
        with tempfile.TemporaryDirectory() as folder:
            run_dir = Path(folder) / "run"
            readings = trained(run_dir, sensors, steps=STEPS, weeks=WEEKS, long=False)
            with multiprocessing.get_context("spawn").Pool(1) as alone:
                print(alone.apply(asked, (run_dir, readings, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
