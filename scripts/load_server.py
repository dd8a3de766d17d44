r"""Loads ``eac serve`` as a busy network does, and kills it: latency, activations, lost readings.

    python scripts/load_server.py --sensors 1000 --seconds 20 --rate 200 \
        --activations 100 --kills 20

A run of one epoch over made-up readings is trained first, in a temporary folder.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import torch

START = datetime(2024, 1, 1)
HOUR = timedelta(hours=1)
TOKEN = "load"
STEPS = 8
"""Steps that are observed before a kill, at most."""


def main() -> None:
    """Trains, serves, asks, observes, kills, and prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sensors", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=200, help="forecasts asked for in a second")
    parser.add_argument("--activations", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        series = _train(place / "run", arguments.sensors)
        with Server(place) as server:
            asyncio.run(_under_load(server, series, arguments))
        _killed(place, arguments.kills)


def _train(run_dir: Path, sensors: int) -> np.ndarray:
    """Two periods of readings, and a run over them; returns the readings to observe."""
    from eac.backbones.seasonal import SeasonalMLP
    from eac.data.batches.datamodule import PeriodData
    from eac.data.core.calendar import Calendar
    from eac.data.core.graph import Graph
    from eac.data.core.period import Period
    from eac.data.core.stream import MemoryStream
    from eac.strategies.combined import Combined
    from eac.strategies.eac import EAC
    from eac.training.forecaster import Forecaster
    from eac.training.runner import StreamRunner
    from eac.training.trainers import DefaultTrainer

    generator = np.random.default_rng(0)
    steps = 24 * 7 * 5
    hours = np.arange(3 * steps)[:, None]
    phase = generator.uniform(0, 24, sensors)
    wave = 100 + 50 * np.sin(2 * np.pi * (hours + phase) / 24)
    series = (wave + generator.normal(0, 8, wave.shape)).clip(0).astype(np.float32)
    ids = tuple(f"s{i:04d}" for i in range(sensors))
    ring = torch.stack([torch.arange(sensors), (torch.arange(sensors) + 1) % sensors])
    graph = Graph(sensors, ring, torch.ones(sensors))
    periods = [
        Period(
            f"p{i}",
            torch.from_numpy(series[i * steps : (i + 1) * steps]),
            ids,
            graph,
            Calendar.from_timestamps(START + i * steps * HOUR, HOUR),
        )
        for i in range(2)
    ]
    data = PeriodData(
        MemoryStream(periods, name="load"),
        batch_size=512,
        nodes_per_window=1,
        steps_per_epoch=10,
        val_windows=8,
    )
    backbone = SeasonalMLP(hidden=96, num_blocks=2, lags=("1d", "1w"))
    model = Forecaster(backbone, Combined(EAC(rank=12)))
    trainer = DefaultTrainer(max_epochs=1)
    StreamRunner(model, data, run_dir=run_dir, make_trainer=trainer).run()
    first = 2 * steps
    stamps = pd.date_range(START + (first - 22 * 24) * HOUR, periods=22 * 24, freq="h", name="ds")
    frame = pd.DataFrame(series[first - 22 * 24 : first], stamps, pd.Index(ids, name="unique_id"))
    long = frame.unstack().reset_index().set_axis(["unique_id", "ds", "y"], axis=1)
    long.to_parquet(run_dir.parent / "input.parquet", index=False)
    return series[first:]


class Server:
    """One ``eac serve`` in a process of its own."""

    def __init__(self, place: Path):
        self._place = place
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def __enter__(self) -> "Server":
        command = [sys.executable, "-m", "eac", "serve", str(self._place / "run")]
        command += ["--port", str(self.port), "--rate", "0"]
        if not (self._place / "run" / "serving").exists():
            command += ["--input", str(self._place / "input.parquet")]
        self._process = subprocess.Popen(
            command, env=os.environ | {"EAC_ADMIN_TOKEN": TOKEN}, stdout=subprocess.DEVNULL
        )
        for _ in range(3000):
            try:
                if asyncio.run(ask(self.port, "GET", "/readyz"))[0] == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.1)
        raise RuntimeError("the server did not become ready")

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait()


async def ask(port: int, method: str, path: str, body: object = None) -> tuple[int, dict]:
    """One request on a connection of its own."""
    client = Client(port)
    try:
        return await client.ask(method, path, body)
    finally:
        client.close()


class Client:
    """One kept connection; the least HTTP that does."""

    def __init__(self, port: int):
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, dict]:
        """Status and JSON of an answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        head += f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write(head.encode() + content)
        headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(headers.split("content-length:")[1].split("\r\n")[0])
        answer = await reader.readexactly(length)
        return int(headers.split()[1]), json.loads(answer)

    def close(self) -> None:
        """Ends the connection."""
        if self._streams is not None:
            self._streams[1].close()


async def _under_load(server: Server, series: np.ndarray, arguments: argparse.Namespace) -> None:
    ids = [f"s{i:04d}" for i in range(arguments.sensors)]
    free: asyncio.Queue[Client] = asyncio.Queue()
    for _ in range(32):
        free.put_nowait(Client(server.port))
    latencies: dict[str, list[float]] = {"quiet": [], "activations": []}
    answers: dict[tuple[int, str], tuple] = {}
    faults: list[str] = []
    phase, chooser = "quiet", random.Random(0)

    async def forecast(due: float) -> None:
        client = await free.get()
        try:
            chosen = ["s0000", *chooser.sample(ids[1:], 9)]
            path = f"/forecast?sensors={','.join(chosen)}&level=80,95"
            status, answer = await client.ask("GET", path)
            latencies[phase].append(time.perf_counter() - due)
            if status != 200:
                faults.append(f"status {status}")
                return
            made = (answer["generation"]["number"], answer["issued"])
            said = (answer["generation"]["artifact"], answer["forecasts"][0]["y_hat"])
            if answers.setdefault(made, said) != said:
                faults.append(f"two answers of {made}")
        finally:
            free.put_nowait(client)

    async def observe() -> None:
        client = Client(server.port)
        begin = START + 2 * 24 * 35 * HOUR
        for step, row in enumerate(series):
            ds = (begin + step * HOUR).isoformat()
            body = [
                {"unique_id": n, "ds": ds, "y": float(y)} for n, y in zip(ids, row, strict=True)
            ]
            status, _ = await client.ask("POST", "/observe", {"readings": body})
            if status != 200:
                faults.append(f"observe {status}")
            await asyncio.sleep(1)

    async def asking() -> None:
        begin, tasks, count = time.perf_counter(), set(), 0
        while True:
            due = begin + count / arguments.rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(forecast(due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            count += 1

    background = [asyncio.create_task(observe()), asyncio.create_task(asking())]
    await asyncio.sleep(arguments.seconds)
    phase = "activations"
    admin = Client(server.port)
    _, listed = await admin.ask("GET", "/admin/artifacts")
    first = listed["artifacts"][0]["id"]
    for turn in range(arguments.activations):
        verb = "rollback" if turn % 2 else "activate"
        status, _ = await admin.ask("POST", f"/admin/artifacts/{first}:{verb}")
        if status != 200:
            faults.append(f"{verb} {status}")
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
    for name, found in latencies.items():
        if found:
            at = np.percentile(1000 * np.array(found), [50, 99])
            print(f"{name}: {len(found)} forecasts, p50 {at[0]:.1f} ms, p99 {at[1]:.1f} ms")
    print(f"{arguments.activations} activations and rollbacks; faults: {faults or 'none'}")


def _killed(place: Path, kills: int) -> None:
    """Observes until the server is killed, again and again, and looks for what it acknowledged."""
    lost, acknowledged = 0, 0
    begin, before = START + (2 * 24 * 35 + 24 * 10) * HOUR, set[str]()
    for turn in range(kills + 1):
        with Server(place) as server:
            _, kept = asyncio.run(ask(server.port, "GET", "/readings?sensor=s0000&last=48"))
            present = {ds for ds, y in zip(kept["ds"], kept["y"], strict=True) if y is not None}
            lost += len(before - present)
            if turn < kills:
                before = asyncio.run(_observe_until_killed(server, begin + STEPS * turn * HOUR))
                acknowledged += len(before)
    print(f"{kills} kills: {acknowledged} steps acknowledged, {lost} lost")


async def _observe_until_killed(server: Server, begin: datetime) -> set[str]:
    """Time stamps that were acknowledged before the kill, which comes while others are sent."""
    client, stamps = Client(server.port), set[str]()
    last = random.randrange(1, STEPS)
    killer: asyncio.Future[None] | None = None
    try:
        for step in range(STEPS):
            if step == last:
                loop = asyncio.get_running_loop()
                killer = loop.run_in_executor(None, _kill_soon, server)
            ds = (begin + step * HOUR).isoformat()
            body = {"readings": [{"unique_id": "s0000", "ds": ds, "y": float(step)}]}
            status, _ = await client.ask("POST", "/observe", body)
            if status == 200:
                stamps.add(ds)
    except (OSError, asyncio.IncompleteReadError):
        pass
    if killer is not None:
        await killer
    return stamps


def _kill_soon(server: Server) -> None:
    time.sleep(random.random() / 50)
    server.kill()


if __name__ == "__main__":
    main()
