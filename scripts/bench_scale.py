"""Time and memory of the whole `eac run -c practical` at several sizes of a network.

The stream is random: hourly readings with a daily and a weekly cycle, ten edges to each sensor, two
periods of 2,184 steps. Each size is one process from start to report page; its memory is looked at
five times a second. ``rest`` is what the process holds apart from the pages of files. With
``--processes 2`` two processes divide the sensors; memory is then that of the larger one.

python scripts/bench_scale.py 1000 10000 [--layout npy] [--page docs/scaling.md] [-- SETTINGS]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import torch

from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream
from eac.data.manage.convert import convert

START, HOUR = datetime(2024, 1, 1), timedelta(hours=1)
EDGES, STEPS_AT_ONCE = 10, 256
BEGIN, END = "<!-- bench_scale -->\n", "<!-- end of bench_scale -->\n"


def weekly_stream(sensors: int, periods: int, steps: int) -> MemoryStream:
    """Waves of a day, lower on weekends, whose level, size and phase belong to the sensor."""
    generator = torch.Generator().manual_seed(0)
    phase, size, level = torch.rand(3, sensors, generator=generator)
    ids = tuple(f"s{i}" for i in range(sensors))
    made = []
    for index in range(periods):
        series = torch.empty(steps, sensors)
        for step in (torch.arange(steps) + index * steps).split(STEPS_AT_ONCE):
            weekend = ((step // 24) % 7 >= 5).float()[:, None]
            wave = torch.sin(2 * torch.pi * (step[:, None] / 24 + phase))
            noise = 3 * torch.randn(len(step), sensors, generator=generator)
            readings = 40 + 60 * level + (5 + 20 * size) * wave * (1 - weekend / 2) + noise
            series[step - index * steps] = readings
        clock = Calendar.from_timestamps(START + index * steps * HOUR, HOUR)
        made.append(Period(str(index), series, ids, near_graph(sensors, generator), clock))
    return MemoryStream(made, name=f"{sensors} random sensors")


def near_graph(sensors: int, generator: torch.Generator) -> Graph:
    """Ten edges to each sensor, from others at most fifty places away."""
    target = torch.arange(sensors).repeat_interleave(EDGES)
    reach = 5 * torch.arange(EDGES).repeat(sensors)
    reach = reach + torch.randint(1, 6, target.shape, generator=generator)
    weight = torch.rand(target.shape, generator=generator)
    return Graph(sensors, torch.stack([(target + reach) % sensors, target]), weight)


@dataclass(frozen=True)
class Cost:
    """What one run took.

    Attributes:
        wall: Seconds.
        cpu: Seconds of the processor, of all threads.
        peak: GiB held at most, pages of files included.
        rest: GiB held at most without them.
        page: MB of the report page.
        error: MAE of the last period.
    """

    wall: float
    cpu: float
    peak: float
    rest: float
    page: float
    error: float


class Watch(threading.Thread):
    """Looks at the memory of a process, and of those it starts, until it ends."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self._pid, self.peak, self.rest = pid, 0.0, 0.0

    def run(self) -> None:
        """Looks five times a second."""
        while Path(f"/proc/{self._pid}").exists():
            for pid in (self._pid, *children(self._pid)):
                self.peak = max(self.peak, held(pid, "VmHWM"))
                self.rest = max(self.rest, held(pid, "RssAnon"))
            time.sleep(0.2)


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def held(pid: int, what: str) -> float:
    """GiB that a process holds, or held at most; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(what)) / 2**20


def measured(stream: Path, run_dir: Path, settings: Sequence[str], processes: int = 1) -> Cost:
    """Runs the recipe on a stream, page included."""
    command = [sys.executable, "-m", "eac", "run", "-c", "practical", "--stream", str(stream)]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
        command[1:2] = [*launcher, str(processes), "-m"]
        command += ["--run.divide_sensors", "true", "--trainer.accelerator", "cpu"]
    begin = time.perf_counter()
    with (run_dir.parent / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--run.dir", str(run_dir), *settings], stdout=log, stderr=subprocess.STDOUT
        )
        watch = Watch(process.pid)
        watch.start()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit((run_dir.parent / "log").read_text()[-3000:])
    last = sorted(run_dir.glob("period-*/metrics.json"))[-1]
    errors = json.loads(last.read_text())["groups"]["all"]["point"]["MAE"]
    return Cost(
        wall=time.perf_counter() - begin,
        cpu=used.ru_utime + used.ru_stime,
        peak=watch.peak,
        rest=watch.rest,
        page=sum(page.stat().st_size for page in run_dir.glob("*.html")) / 1e6,
        error=errors["mean"],
    )


def table(costs: dict[int, Cost], empty: float) -> Iterator[str]:
    """Lines of Markdown.

    Args:
        costs: By sensors.
        empty: GiB that a process holds before there is any data.
    """
    yield "| sensors | wall | CPU | CPU a sensor | peak memory | without files | page | MAE |"
    yield "|---|---|---|---|---|---|---|---|"
    for sensors, cost in costs.items():
        yield (
            f"| {sensors:,} | {cost.wall:.0f} s | {cost.cpu:.0f} s "
            f"| {1000 * cost.cpu / sensors:.1f} ms | {cost.peak:.2f} GiB "
            f"| {cost.rest:.2f} GiB ({(cost.rest - empty) * 2**20 / sensors:.0f} KiB a sensor "
            f"above the {empty:.2f} of an empty process) | {cost.page:.1f} MB | {cost.error:.3f} |"
        )


def empty_process() -> float:
    """GiB of a process that has only imported what a run needs."""
    text = (
        "import eac.training.runner, eac.data.readers.table, eac.report.run.page, re, pathlib;"
        "s = pathlib.Path('/proc/self/status').read_text();"
        "print(re.search(r'RssAnon:\\s+(\\d+)', s)[1])"
    )
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return int(found.stdout) / 2**20


def main(arguments: list[str]) -> None:
    """Prints the table, and puts it on the page."""
    parser = argparse.ArgumentParser(description="Time and memory of the recipe by sensors.")
    parser.add_argument("sensors", type=int, nargs="+")
    parser.add_argument("--layout", choices=("npy", "table"), default="npy")
    parser.add_argument("--periods", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2184)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--page", type=Path, help="where the table stands between two comments")
    own, settings = arguments, []
    if "--" in arguments:
        at = arguments.index("--")
        own, settings = arguments[:at], arguments[at + 1 :]
    asked = parser.parse_args(own)
    empty, costs = empty_process(), {}
    for sensors in asked.sensors:
        with tempfile.TemporaryDirectory() as folder:
            stream = weekly_stream(sensors, asked.periods, asked.steps)
            where = convert(stream, Path(folder) / "stream", asked.layout)
            del stream
            run_dir = Path(folder) / "run"
            costs[sensors] = measured(where, run_dir, settings, asked.processes)
        print(*table({sensors: costs[sensors]}, empty), sep="\n", flush=True)
    lines = "\n".join(table(costs, empty)) + "\n"
    if asked.page is not None:
        text = asked.page.read_text()
        before, rest = text.split(BEGIN, 1)
        asked.page.write_text(before + BEGIN + lines + END + rest.split(END, 1)[1])


if __name__ == "__main__":
    main(sys.argv[1:])
