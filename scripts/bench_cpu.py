"""What `eac.cpu` is worth on this machine: linear maps by oneDNN, steps, and parts side by side.

Medians of repeats in turn. The first two tables are of one thread: linear maps, and a training step
of the practical recipe (1,024 windows of single sensors). The last forecasts 32 windows of 4,000
sensors with the network of the recipe, as a test does.

python scripts/bench_cpu.py [--sensors 4000] [--repeats 9]
"""

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median

import torch
from bench_scale import weekly_stream
from torch import nn

from eac import cpu
from eac.backbones.seasonal import SeasonalMLP
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.drawing import training_batch
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster

WINDOWS, STEPS, WINDOWS_OF_STEP = 32, 1000, 1024
STEP_SENSORS = 100
SHAPES = ((2560, 148, 204), (2560, 192, 192), (8192, 192, 192), (2560, 64, 64))


def in_turn(calls: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each."""
    taken: list[list[float]] = [[] for _ in calls]
    for turn in range(repeats + 1):
        for seconds, call in zip(taken, calls, strict=True):
            begin = time.perf_counter()
            call()
            if turn:
                seconds.append(time.perf_counter() - begin)
    return [median(seconds) for seconds in taken]


def products(repeats: int) -> None:
    """Prints what a linear map takes."""
    torch.set_num_threads(1)
    print("| rows x inputs x outputs | torch | oneDNN | ratio |\n|---|---|---|---|")
    for rows, inputs, outputs in SHAPES:
        x, weight = torch.randn(rows, inputs), torch.randn(outputs, inputs)

        plain, fast = in_turn(
            [lambda m=m, x=x, w=weight: m(x, w) for m in (nn.functional.linear, cpu.linear)],
            20 * repeats,
        )
        work = 2e-9 * rows * inputs * outputs
        shape = f"{rows:,} x {inputs} x {outputs}"
        told = f"{work / plain:.0f} GFLOP/s | {work / fast:.0f} GFLOP/s | {plain / fast:.2f}"
        print(f"| {shape} | {told} |", flush=True)


def steps(sensors: int, repeats: int) -> None:
    """Prints what a training step of the recipe takes."""
    torch.set_num_threads(1)
    data = PeriodData(weekly_stream(sensors, 1, STEPS), nodes_per_window=1, carry=0.9)
    usual = cpu.LARGE

    def training(least: int, *, one_kernel: bool) -> Callable[[], object]:
        model = Forecaster(
            SeasonalMLP(hidden=192, lags=("1d", "1w", "2w"), dropout=0.1), EAC(rank=12)
        )
        tensors, starts = model.made_ready(data).tested.tensors, data.starts("train")
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
        if one_kernel:
            cpu.in_one_kernel(optimizer)

        def step() -> None:
            cpu.LARGE = least
            some = starts[torch.randint(len(starts), (WINDOWS_OF_STEP,))]
            batch = training_batch(tensors, some, nodes_per_window=1, disguise=0.25)
            optimizer.zero_grad()
            y_hat = model.scaled_forecast(batch.inputs, batch.graph)
            (y_hat - batch.scaler.scale_target(batch.y)).abs().mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            cpu.LARGE = usual

        return step

    ways = {
        "by torch": training(1 << 60, one_kernel=False),
        "by oneDNN": training(usual, one_kernel=False),
        "by oneDNN, Adam in one kernel": training(usual, one_kernel=True),
    }
    taken = dict(zip(ways, in_turn(list(ways.values()), 10 * repeats), strict=True))
    print("| training step | milliseconds | of the first |\n|---|---|---|")
    for name, seconds in taken.items():
        print(f"| {name} | {1000 * seconds:.1f} | {seconds / taken['by torch']:.2f} |", flush=True)


def parts(sensors: int, repeats: int, threads: int) -> None:
    """Prints what forecasts in parts take by one thread and by all."""
    data = PeriodData(weekly_stream(sensors, 1, STEPS), nodes_per_window=1, carry=0.9)
    model = Forecaster(SeasonalMLP(hidden=192, lags=("1d", "1w", "2w")), EAC(rank=12))
    tensors = model.made_ready(data).tested.tensors
    model.eval()
    starts = data.starts("test")[:WINDOWS]

    def forecast(count: int) -> Callable[[], object]:
        def call() -> object:
            torch.set_num_threads(count)
            return model(tensors.in_parts(starts))

        return call

    one, all_of_them = in_turn((forecast(1), forecast(threads)), repeats)
    print(f"{WINDOWS} windows of {sensors:,} sensors: one thread {one:.3f} s,", end=" ")
    print(f"{threads} threads {all_of_them:.3f} s, ratio {one / all_of_them:.2f}")


def main() -> None:
    """Prints both."""
    parser = argparse.ArgumentParser(description="Products and parts on a CPU.")
    parser.add_argument("--sensors", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=9)
    given, threads = parser.parse_args(), torch.get_num_threads()
    cpu.WIDE = torch.backends.cpu.get_cpu_capability()  # oneDNN is tried on every processor
    print(f"{cpu.WIDE}, {threads} threads")
    with torch.no_grad():
        products(given.repeats)
        parts(given.sensors, given.repeats, threads)
    steps(STEP_SENSORS, given.repeats)


if __name__ == "__main__":
    main()
