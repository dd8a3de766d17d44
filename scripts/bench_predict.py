"""How long a run takes to load and to forecast from two weeks of readings, and what it holds.

Trains the network of the recipe for a moment on made-up readings; then, in a process of its own,
loads the run and forecasts from a table with one column for each sensor.

python scripts/bench_predict.py [--sensors 1000 100000] [--rounds 5]
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from bench_scale import START, weekly_stream

STEPS, WEEKS, DAY = 700, 2, 24

ASKING = """
import sys, time
from pathlib import Path
from statistics import median
import pandas as pd, torch
import eac.backbones.seasonal, eac.strategies.eac, eac.training.forecaster, pyarrow.parquet
from eac.serving.predictor import load_run

def held(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 2**20

frame, rounds = pd.read_parquet(sys.argv[2]), int(sys.argv[3])
loads, forecasts = [], []
for _ in range(rounds):
    begin = time.perf_counter()
    run = load_run(sys.argv[1])
    loads.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    found = run.predict(frame)
    forecasts.append(time.perf_counter() - begin)
print(f"| {frame.shape[1]:,} | {loads[0]:.2f} s | {median(loads):.2f} s | {forecasts[0]:.2f} s "
      f"| {median(forecasts):.2f} s | {len(found):,} | {held('VmHWM'):.2f} GiB |")
"""


def trained(run_dir: Path, sensors: int) -> Path:
    """A run, and beside it the readings to forecast from."""
    from eac.backbones.seasonal import SeasonalMLP
    from eac.data.batches.datamodule import PeriodData
    from eac.strategies.eac import EAC
    from eac.training.forecaster import Forecaster
    from eac.training.runner import StreamRunner
    from eac.training.trainers import DefaultTrainer

    stream = weekly_stream(sensors, 1, STEPS)
    backbone = SeasonalMLP(hidden=192, num_blocks=2, lags=("1d", "1w", "2w"), slot_rank=4)
    data = PeriodData(
        stream,
        batch_size=256,
        nodes_per_window=1,
        steps_per_epoch=5,
        val_windows=16,
        train_fraction=0.9,
        val_fraction=0.05,
    )
    trainer = DefaultTrainer(max_epochs=1)
    model = Forecaster(backbone, EAC(rank=12))
    StreamRunner(model, data, run_dir=run_dir, make_trainer=trainer).run()
    period, count = stream.load(0), WEEKS * 7 * DAY
    stamps = pd.date_range(START, periods=STEPS, freq="h", name="ds")[-count:]
    readings = run_dir.parent / "readings.parquet"
    wide = pd.DataFrame(period.series[-count:].numpy(), stamps, list(period.node_ids))
    wide.to_parquet(readings)
    return readings


def main() -> None:
    """Prints a line for each size."""
    parser = argparse.ArgumentParser(description="Loading a run and forecasting from it.")
    parser.add_argument("--sensors", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    print("| sensors | first load | load | first forecast | forecast | rows | peak memory |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for sensors in asked.sensors:
        with tempfile.TemporaryDirectory() as folder:
            run_dir = Path(folder) / "run"
            readings = trained(run_dir, sensors)
            given = [str(run_dir), str(readings), str(asked.rounds)]
            subprocess.run([sys.executable, "-c", ASKING, *given], check=True)


if __name__ == "__main__":
    main()
