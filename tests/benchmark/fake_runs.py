"""Runs that take no training: they write a run directory whose errors follow from the seed."""

import os
import sys
import time
from pathlib import Path

from eac.benchmark.config import Benchmark, Choice, StreamChoice
from eac.benchmark.executors import LocalExecutor
from eac.benchmark.grid import Cell, EntryPoint, cells_of
from eac.benchmark.session import run_grid
from eac.errors import RunError
from eac.records.horizon_table import METRICS, HorizonTable
from eac.records.record import NodeCounts, PeriodRecord, RunRecord, write_period, write_run

ENTRY = EntryPoint("tests.benchmark.fake_runs", "fake_run")
PERIODS = ("a", "b", "c")


def fake_run(arguments: list[str]) -> int:
    """Writes a finished run, or fails as its arguments say."""
    given = dict(text.removeprefix("--").split("=", 1) for text in arguments)
    directory = Path(given["run.dir"])
    with (directory.parents[3] / "calls.txt").open("a") as file:
        file.write(f"{directory.parents[0].name}/{directory.name}\n")
    time.sleep(float(given.get("sleep", "0")))
    how = given.get("fail", "")
    if how == "error":
        raise RunError("the stream is made of cheese")
    if how == "exit":
        sys.stderr.write("error: no such key\n")
        raise SystemExit(2)
    if how == "kill":
        os.kill(os.getpid(), 9)
    if how == "half":  # as a run that got SIGTERM and says nothing of it
        _write(directory, given)
        (directory / "period-02-c" / "metrics.json").unlink()
        return 0
    _write(directory, given)
    return 0


def fake_check(arguments: list[str]) -> str:
    """What a check of the arguments says."""
    return "there is no class 'Od'." if "--fail=mistake" in arguments else ""


def table(value: float, horizon: int = 12) -> HorizonTable:
    """The same error at all steps."""
    steps: dict[str, float | None] = {str(step): value for step in range(1, horizon + 1)}
    return HorizonTable(
        {metric: steps | {"mean": value} for metric in METRICS},
        {metric: steps | {"avg": value} for metric in METRICS},
    )


def _write(directory: Path, given: dict[str, str]) -> None:
    """A run; "week" errs by the steps ahead and a half, "last" by 17.5 more."""
    error, seed = float(given["error"]), int(given["seed_everything"])
    horizon = int(given.get("data.horizon", "12"))
    protocol = given.get("protocol", "strict")
    null_value = float(given["metrics.null_value"]) if "metrics.null_value" in given else None
    run = RunRecord("fake", "mm", "", protocol, seed, null_value, versions={"eac": "0"})
    write_run(directory, run)
    if "data.window" in given:
        settings = f"data:\n  window: {given['data.window']}\n"
        (directory / "config.yaml").write_text(settings, encoding="utf-8")
    week = horizon + 0.5
    naive = {"last": table(week + 17.5, horizon), "week": table(week, horizon)}
    if "run.peers" in given:
        naive["lightgbm"] = table(7.0 + seed, horizon)
    for index, name in enumerate(PERIODS):
        value = error + seed + index
        before = {"untrained": {"all": table(100.0)}}
        if index:
            before["previous"] = {"all": table(value + 5)}
        record = PeriodRecord(
            name=name,
            num_nodes=2,
            nodes=NodeCounts(new=2),
            trainable_parameters=50 if index else 200,
            total_parameters=200,
            fit_seconds=1.5,
            epochs=2,
            best_epoch=1,
            val_metric=1.0,
            groups={"all": table(value, horizon)},
            baselines=naive,
            strategy="Fake",
            backbone="Net",
            before=before,
            # period a was learned with error + seed and loses 2 with every later period
            past={
                n: {"all": table(error + seed + i + 2.0 * (index - i))}
                for i, n in enumerate(PERIODS[:index])
            },
        )
        write_period(directory / f"period-{index:02d}-{name}", record)


def grid(out: Path, *, sleep: float = 0.0, fail: str = "") -> list[Cell]:
    """Three strategies on one stream with two seeds; the second strategy may fail."""
    strategies = (
        Choice("Good", options={"error": 10.0}),
        Choice("Odd", options={"error": 20.0, **({"fail": fail} if fail else {})}),
        Choice("Bad", options={"error": 40.0}),
    )
    stream = StreamChoice("fake", Path("nowhere"))
    benchmark = Benchmark("fakes", (1, 2), (stream,), strategies, options={"sleep": sleep})
    return cells_of(benchmark, out)


def drive(out: Path, *, sleep: float = 0.0, fail: str = "", workers: int = 2) -> list[str]:
    """Runs the grid and returns the names of the cells that ended, in that order."""
    ended = []
    run_grid(
        grid(out, sleep=sleep, fail=fail),
        LocalExecutor(workers),
        ENTRY,
        out=out,
        command="eac benchmark",
        on_end=lambda cell, result: ended.append(cell.name),
    )
    return ended


if __name__ == "__main__":
    drive(Path(sys.argv[1]), sleep=float(sys.argv[2]))


def threads_seen(arguments: list[str]) -> str:
    """What the process of a check was told of threads."""
    del arguments
    return f"threads: {os.environ.get('OMP_NUM_THREADS')}"
