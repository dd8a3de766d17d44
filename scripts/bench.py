"""Step time and peak memory of the package beside a plain dense implementation, in one run.

Each implementation lives in a process of its own, so that its peak memory is its own; the two are
asked in turn, a few steps at a time, so that whatever disturbs the machine disturbs both.

python scripts/bench.py [--nodes 715] [--steps 8928] [--threads 2] [--out docs/performance.md]
"""

import argparse
import multiprocessing as mp
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import bench_report
import bench_worker

PATHS = {"dense": ("dense_reference", "DensePath"), "fast": ("fast_path", "FastPath")}
TASKS = ("all", "prompts", "evaluate")


@dataclass
class Measured:
    """Seconds per batch of each task, and memory in MiB, of one implementation."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {task: [] for task in TASKS})
    idle: float = 0.0
    peak: float = 0.0
    by_lightning: list[float] = field(default_factory=list)

    def median(self, task: str) -> float:
        """The median second of one batch."""
        return median(self.seconds[task])


class Worker:
    """A process that answers one question at a time."""

    def __init__(self, serve: Callable[..., None], *arguments: Any):
        context = mp.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, *question: Any) -> Any:
        """Sends a question and waits for its answer."""
        self._pipe.send(question)
        return self._pipe.recv()

    def stop(self) -> None:
        """Ends the process."""
        self._pipe.send(None)
        self._process.join()


def measure(settings: argparse.Namespace, data: Path) -> tuple[dict[str, Measured], float]:
    """Both implementations in turn, and how far apart their first forecasts are."""
    workers = {
        name: Worker(
            bench_worker.serve, *path, data, settings.batch_size, settings.threads, settings.clock
        )
        for name, path in PATHS.items()
    }
    results = {name: Measured() for name in PATHS}
    workers["fast"].ask("load", workers["dense"].ask("weights"))
    dense, fast = (workers[name].ask("forecast") for name in ("dense", "fast"))
    apart = float(((dense - fast) ** 2).sum() / (dense**2).sum()) ** 0.5
    for _ in range(settings.rounds):
        for task in TASKS:
            for name, worker in workers.items():
                results[name].seconds[task] += worker.ask(task, settings.repeats)
    for name, worker in workers.items():  # before Lightning is imported
        results[name].idle, results[name].peak = worker.ask("memory")
    for _ in range(settings.lightning):
        results["fast"].by_lightning += workers["fast"].ask("lightning", 8)
        results["fast"].seconds["all"] += workers["fast"].ask("all", 8)
    for worker in workers.values():
        worker.stop()
    return results, apart


def parse(arguments: list[str]) -> argparse.Namespace:
    """Settings of the command line."""
    parser = argparse.ArgumentParser(
        description="Step times and memory beside a plain dense implementation."
    )
    parser.add_argument("--nodes", type=int, default=715)
    parser.add_argument("--steps", type=int, default=8928, help="steps of the period")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each implementation")
    parser.add_argument("--repeats", type=int, default=3, help="batches per turn and task")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: processor seconds, for one thread on a machine that others load",
    )
    parser.add_argument(
        "--lightning", type=int, default=2, help="turns of steps taken by Lightning's Trainer"
    )
    parser.add_argument("--out", type=Path, help="also write the report to this file")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    """Measures, prints the report, and writes it where asked."""
    settings = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        helper = Worker(bench_worker.serve_machine, settings.threads, settings.clock)
        num_edges = helper.ask("write_stream", data, settings.nodes, settings.steps)
        machine = helper.ask("machine")
        helper.stop()
        results, apart = measure(settings, data)
    text = bench_report.render(settings, arguments, num_edges, machine, results, apart)
    print(text)
    if settings.out:
        settings.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
