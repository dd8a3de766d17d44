"""What a period costs in a stream of many: time, peak memory and bytes on disk, period by period.

Writes a stream whose sensors join, leave and return, so that each period has as many as the one
before, and runs a recipe on it with `eac run` in tiny steps. Time is that of the processor. Means
are taken over ten periods each.

python scripts/long_stream.py [--periods 200] [--nodes 200] [--recipe practical] [--keep FOLDER]
"""

import argparse
import logging
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import pandas as pd

from eac.cli.main import main as eac
from eac.disk import watched

LADDER = "--model.strategy.init_args.strategy.init_args"
TINY = (
    *("--trainer.max_epochs", "2", "--data.steps_per_epoch", "20", "--data.batch_size", "512"),
    *("--data.val_windows", "16", "--trainer.enable_progress_bar", "false"),
    *(f"{LADDER}.steps", "5", f"{LADDER}.windows", "16"),
)
AROUND = 10
"""Periods of a mean."""


@dataclass(frozen=True)
class Cost:
    """What one period took.

    Attributes:
        seconds: Of the processor, since the period before was done.
        wall: Seconds on the clock.
        peak: Most memory held meanwhile, in MB.
        written: Bytes of its folder, in kB.
        sizes: Bytes of each file.
    """

    seconds: float
    wall: float
    peak: float
    written: float
    sizes: dict[str, int]


def node_ids(count: int, num_periods: int, turnover: float, seed: int = 0) -> list[list[str]]:
    """Sensors of each period: a share leaves, and as many join or, one in four, return."""
    rng = np.random.default_rng(seed)
    present, gone, number = [f"n{i:05d}" for i in range(count)], list[str](), count
    periods = [present]
    for _ in range(num_periods - 1):
        moved = round(count * turnover)
        leaving = set(rng.choice(present, moved, replace=False).tolist())
        back = list(rng.choice(gone, min(moved // 4, len(gone)), replace=False)) if gone else []
        fresh = [f"n{number + i:05d}" for i in range(moved - len(back))]
        number += len(fresh)
        gone = [node for node in gone if node not in set(back)] + sorted(leaving)
        present = [node for node in present if node not in leaving] + [*map(str, back)] + fresh
        periods.append(present)
    return periods


def write_stream(folder: Path, periods: Sequence[Sequence[str]], steps: int) -> None:
    """One folder for each period: hourly readings with a daily and a weekly cycle, on a ring."""
    (folder / "stream.yaml").parent.mkdir(parents=True, exist_ok=True)
    (folder / "stream.yaml").write_text("name: long\nfrequency: 1h\n")
    for index, nodes in enumerate(periods):
        rng = np.random.default_rng(index)
        step = np.arange(index * steps, (index + 1) * steps)[:, None]
        phase = np.array([int(node[1:]) % 24 for node in nodes])
        level = 50 + np.array([int(node[1:]) % 37 for node in nodes])
        wave = np.sin(2 * np.pi * (step + phase) / 24) + 0.3 * np.sin(2 * np.pi * step / 168)
        values = level * (1 + 0.3 * wave) + rng.normal(0, 3, (steps, len(nodes)))
        times = pd.Timestamp("2020-01-06") + pd.to_timedelta(step[:, 0], unit="h")
        frame = pd.DataFrame(values.astype(np.float32), index=times, columns=list(nodes))
        where = folder / f"{index:04d}"
        where.mkdir(exist_ok=True)
        frame.to_parquet(where / "series.parquet")
        pd.DataFrame({"node_id": nodes}).to_csv(where / "nodes.csv", index=False)
        ring = [(a, b, 1.0) for a, b in zip(nodes, [*nodes[1:], nodes[0]], strict=True)]
        edges = pd.DataFrame(ring, columns=["source", "target", "weight"])
        edges.to_csv(where / "edges.csv", index=False)


class Costs:
    """Notes what each period took, at the moment at which the file comes that says it is done."""

    def __init__(self):
        self.periods: list[Cost] = []
        self._since = time.process_time(), time.perf_counter()

    def __call__(self, operation: str, path: Path) -> None:
        """Told of every operation on a file."""
        if operation != "rename" or path.name != "metrics.json":
            return
        now = time.process_time(), time.perf_counter()
        sizes = {
            file.name: file.stat().st_size for file in path.parent.rglob("*") if file.is_file()
        }
        kept = {name: size for name, size in sizes.items() if ".ckpt" not in name}
        processor, wall = now[0] - self._since[0], now[1] - self._since[1]
        self.periods.append(Cost(processor, wall, _peak(), sum(kept.values()) / 1000, kept))
        self._since = time.process_time(), time.perf_counter()


def _peak() -> float:
    """Most memory held since this was last asked, in MB."""
    try:
        status = Path("/proc/self/status").read_text()
        Path("/proc/self/clear_refs").write_text("5")
        return float(status.split("VmHWM:")[1].split()[0]) / 1000
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def table(costs: Sequence[Cost], at: Sequence[int]) -> str:
    """Means of the periods around each of those, and the last over the first."""
    lines = [
        "| periods | processor time (s) | peak memory (MB) | on disk (kB) |",
        "|---|---|---|---|",
    ]
    rows = []
    for last in at:
        some = costs[last - AROUND : last]
        rows.append(
            [mean(getattr(c, name) for c in some) for name in ("seconds", "peak", "written")]
        )
        numbers = f"{rows[-1][0]:.2f} | {rows[-1][1]:.0f} | {rows[-1][2]:.0f}"
        lines.append(f"| {last - AROUND + 1} to {last} | {numbers} |")
    ratios = " | ".join(f"{b / a:.2f}" for a, b in zip(rows[0], rows[-1], strict=True))
    return "\n".join([*lines, f"| last over first | {ratios} |"])


def main() -> None:
    """Writes the stream, runs the recipe on it and prints the table."""
    parser = argparse.ArgumentParser(description="Cost of a period in a stream of many.")
    parser.add_argument("--periods", type=int, default=200)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--steps", type=int, default=240, help="hours of a period")
    parser.add_argument("--turnover", type=float, default=0.05)
    parser.add_argument("--recipe", default="practical")
    parser.add_argument("--keep", type=Path, help="folder for stream and run; default: removed")
    parser.add_argument("--files", action="store_true", help="also print sizes of files")
    args, further = parser.parse_known_args()
    logging.getLogger("eac").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        write_stream(
            folder / "stream", node_ids(args.nodes, args.periods, args.turnover), args.steps
        )
        given = ["run", "-c", args.recipe, "--stream", str(folder / "stream")]
        costs = Costs()
        with watched(costs), open(os.devnull, "w") as nowhere:
            shown, sys.stdout = sys.stdout, nowhere
            try:
                status = eac([*given, *TINY, "--run.dir", str(folder / "run"), *further])
            finally:
                sys.stdout = shown
        if status:
            sys.exit(status)
    marks = [m for m in (20, 50, 100, 150, 200) if m <= args.periods] or [args.periods]
    print(table(costs.periods, marks))
    if args.files:
        for mark in marks:
            print(mark, dict(sorted(costs.periods[mark - 1].sizes.items())))


if __name__ == "__main__":
    main()
