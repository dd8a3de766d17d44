"""What runs inside the processes of ``bench.py``."""

import importlib
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

Clock: TypeAlias = Callable[[], float]
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}


def serve(
    pipe: Connection, module: str, name: str, data: Path, batch_size: int, threads: int, clock: str
) -> None:
    """Answers questions about one implementation until told to stop."""
    import torch

    torch.set_num_threads(threads)
    make = getattr(importlib.import_module(module), name)
    idle = peak_mebibytes()
    path = make(data, batch_size)
    tick = CLOCKS[clock]
    mode = ""
    while (question := pipe.recv()) is not None:
        task, *rest = question
        if task in ("all", "prompts"):
            if mode != task:
                path.start(frozen=task == "prompts")
            mode = task
            pipe.send(_step_seconds(path, tick, *rest))
        elif task == "evaluate":
            pipe.send([_evaluation_seconds(path, tick)])
        elif task == "lightning":
            pipe.send(path.lightning_step_seconds(*rest, tick))
            mode = ""
        elif task == "forecast":
            pipe.send(path.first_forecast().numpy())
        elif task == "memory":
            pipe.send((idle, peak_mebibytes()))
        elif task == "weights":
            pipe.send({key: value.numpy() for key, value in path.weights().items()})
        elif task == "load":
            pipe.send(path.load({key: torch.from_numpy(v.copy()) for key, v in rest[0].items()}))


def serve_machine(pipe: Connection, threads: int, clock: str) -> None:
    """Writes the stream and measures the machine."""
    import torch

    torch.set_num_threads(threads)
    answers = {"write_stream": _write_stream, "machine": partial(_machine, CLOCKS[clock])}
    while (question := pipe.recv()) is not None:
        pipe.send(answers[question[0]](*question[1:]))


def peak_mebibytes() -> float:
    """Largest resident size of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        if lines:
            return int(lines[0].split()[1]) / 1024
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1024**2 if sys.platform == "darwin" else 1024)


def _step_seconds(path: Any, tick: Clock, count: int) -> list[float]:
    path.train_step()
    return [_seconds(path.train_step, tick) for _ in range(count)]


def _evaluation_seconds(path: Any, tick: Clock) -> float:
    begin = tick()
    batches = path.evaluate()
    return (tick() - begin) / batches


def _write_stream(folder: Path, num_nodes: int, num_steps: int) -> int:
    """One simulated period in the published layout; returns its number of edges."""
    import numpy as np

    from eac.data.simulator.synthetic import SyntheticStream

    stream = SyntheticStream(num_nodes=num_nodes, num_periods=1, steps_per_period=num_steps)
    period = stream[0]
    for name in ("RawData", "graph"):
        (folder / name).mkdir()
    np.savez(folder / "RawData" / "0.npz", x=period.series.double().numpy())
    np.savez(folder / "graph" / "0_adj.npz", x=period.graph.to_dense().double().numpy())
    return period.graph.num_edges


def _machine(tick: Clock) -> dict[str, Any]:
    """Name of the processor, versions, and the rates of a large product and a large copy."""
    import platform

    import torch

    a, b = torch.randn(2, 2048, 2048).unbind()
    source, target = torch.ones(1 << 26), torch.ones(1 << 26)
    product = min(_seconds(lambda: torch.mm(a, b), tick) for _ in range(7))
    copy = min(_seconds(lambda: target.copy_(source), tick) for _ in range(7))
    return {
        "processor": _processor(),
        "versions": f"Python {platform.python_version()}, torch {torch.__version__}",
        "flops": 2 * 2048**3 / product,
        "bandwidth": 2 * source.nbytes / copy,
    }


def _seconds(work: Callable[[], object], tick: Clock) -> float:
    begin = tick()
    work()
    return tick() - begin


def _processor() -> str:
    import os
    import platform

    info, name = Path("/proc/cpuinfo"), platform.processor() or platform.machine()
    if info.exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = models[0].split(":", 1)[1].strip() if models else name
    return f"{name}, {os.cpu_count()} cores"
