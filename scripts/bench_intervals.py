"""What intervals cost: `eac predict --level 80 95` beside `eac predict`, and memory of calibrating.

Forecasts with and without levels are made in turn, by the command and by the call in Python, from
a run of one short epoch over made-up readings; the ratio is that of the medians of processor time.
Memory is that of one calibrator of two levels and twelve steps, as full as it ever gets: bytes of
what is saved, of all that it holds, and the most that the process took while it learned and bound.

python scripts/bench_intervals.py [--sensors 45 1000] [--calibrated 100000] [--rounds 9]
"""

import argparse
import contextlib
import gc
import io
import multiprocessing
import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pandas as pd
import torch
from bench_scale import START, weekly_stream
from torch import Tensor

from eac.calibration.base import Calibrator
from eac.calibration.choice import candidates
from eac.calibration.network import Network
from eac.cli.main import main as eac

LEVELS = ("80", "95")
HORIZON, DAY, STEPS = 12, 24, 1500
WEEKS = 3
"""Of readings that a forecast is made from."""


def trained(
    run_dir: Path, sensors: int, *, steps: int = STEPS, weeks: int = WEEKS, long: bool = True
) -> Path:
    """A run of the network of the recipe, and beside it the readings to forecast from.

    ``long`` says whether they have a row for each reading, or a column for each sensor.
    """
    from eac.backbones.seasonal import SeasonalMLP
    from eac.data.batches.datamodule import PeriodData
    from eac.strategies.eac import EAC
    from eac.training.forecaster import Forecaster
    from eac.training.runner import StreamRunner
    from eac.training.trainers import DefaultTrainer

    stream = weekly_stream(sensors, 1, steps)
    backbone = SeasonalMLP(hidden=192, num_blocks=2, lags=("1d", "1w", "2w"), slot_rank=4)
    small = {"steps_per_epoch": 5, "val_windows": 16, "train_fraction": 0.9, "val_fraction": 0.05}
    data = PeriodData(stream, batch_size=256, nodes_per_window=1, **small)
    model = Forecaster(backbone, EAC(rank=12))
    trainer = DefaultTrainer(max_epochs=1)
    StreamRunner(model, data, run_dir=run_dir, make_trainer=trainer).run()
    period, count = stream.load(0), weeks * 7 * DAY
    stamps = pd.date_range(START, periods=steps, freq="h", name="ds")[-count:]
    wide = pd.DataFrame(period.series[-count:].numpy(), stamps, list(period.node_ids))
    readings = run_dir.parent / "readings.parquet"
    if not long:
        wide.to_parquet(readings)
        return readings
    rows = wide.reset_index().melt("ds", var_name="unique_id", value_name="y")
    rows.to_parquet(readings, index=False)
    return readings


def in_turn(plain: Callable[[], object], with_levels: Callable[[], object], rounds: int) -> str:
    """Medians of both in milliseconds, and their ratio."""
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for seconds, call in zip(taken, (plain, with_levels), strict=True):
            begin = time.process_time()
            call()
            if turn:  # the first ones load what others find loaded
                seconds.append(time.process_time() - begin)
    first, second = median(taken[0]), median(taken[1])
    return f"{1e3 * first:.0f} ms | {1e3 * second:.0f} ms | {second / first:.2f}"


def forecasts(sensors: int, rounds: int) -> None:
    """Prints the cost of levels at one size."""
    from eac.serving.predictor import load_run

    with tempfile.TemporaryDirectory() as folder:
        run_dir, output = Path(folder) / "run", Path(folder) / "forecasts.parquet"
        readings = trained(run_dir, sensors)
        command = ["predict", "--run", str(run_dir), "--input", str(readings)]
        command += ["--output", str(output)]

        def said(*more: str) -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                if eac([*command, *more]):
                    raise SystemExit("eac predict failed")

        print(
            f"| {sensors:,} | the command |",
            in_turn(said, lambda: said("--level", *LEVELS), rounds),
            "|",
            flush=True,
        )
        run, frame = load_run(run_dir), pd.read_parquet(readings)
        levels = [int(level) for level in LEVELS]
        cost = in_turn(
            lambda: run.predict(frame), lambda: run.predict(frame, levels=levels), rounds
        )
        print(f"| {sensors:,} | in Python | {cost} |", flush=True)


def full(name: str, network: Network, forecast: Tensor) -> Calibrator:
    """A calibrator of some sensors in which as many forecasts wait as ever do."""
    kind = type(candidates(HORIZON, DAY)[name])
    calibrator = kind(HORIZON, DAY, tuple(int(level) for level in LEVELS))
    calibrator.begin(network)
    for step in range(HORIZON + 1):
        calibrator.observe(step, forecast[:, 0] + 2)
        calibrator.issue(step, forecast)
    return calibrator


def memory(name: str, sensors: int) -> str:
    """Bytes of a calibrator that many forecasts wait in, and of the process while it learns."""
    torch.set_num_threads(1)
    ones = torch.ones(sensors)
    network = Network(tuple(map(str, range(sensors))), 50 * ones, 5 * ones, ones > 0)
    some = Network(network.node_ids[:9], network.level[:9], network.spread[:9], ones[:9] > 0)
    forecast = 50 * ones[:, None].repeat(1, HORIZON)
    full(name, some, forecast[:9]).bounds(HORIZON + 1, forecast[:9])  # loads what is to be loaded
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = held("VmRSS")
    calibrator = full(name, network, forecast)
    learning = held("VmHWM") - before
    bounds = calibrator.bounds(HORIZON + 1, forecast)
    peak = held("VmHWM") - before
    saved = sum(tensor.nbytes for tensor in calibrator.state()[0].values())
    whole, given = len(pickle.dumps(calibrator)), sum(bound.nbytes for bound in bounds)
    return (
        f"{name}: saved {saved / 1e6:.1f} MB, held {whole / 1e6:.1f} MB "
        f"({whole / sensors:.0f} bytes a sensor), at most {learning / 1e6:.1f} MB while it learns, "
        f"{peak / 1e6:.1f} MB with the {given / 1e6:.1f} MB of bounds that it gives"
    )


def held(what: str) -> int:
    """Bytes of this process, by a line of its status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(what))


def main() -> None:
    """Prints memory by calibrator, then time by size."""
    parser = argparse.ArgumentParser(description="What intervals cost.")
    parser.add_argument("--sensors", type=int, nargs="*", default=[45, 1000])
    parser.add_argument("--calibrated", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{arguments.calibrated:,} sensors, {HORIZON} steps, levels {' and '.join(LEVELS)}:")
    for name in candidates(HORIZON, DAY):
        with multiprocessing.get_context("spawn").Pool(1) as alone:
            print(alone.apply(memory, (name, arguments.calibrated)), flush=True)
    print("| sensors | | without levels | with 80 and 95 % | ratio |\n|---|---|---|---|---|")
    for sensors in arguments.sensors:
        forecasts(sensors, arguments.rounds)


if __name__ == "__main__":
    main()
