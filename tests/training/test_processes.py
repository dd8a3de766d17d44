"""Two processes on one stream: the numbers of one process, one run directory, resumption."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import torch

from eac.artifacts.artifact import read_artifact
from eac.data.batches.sampler import SharedBatches, StartBatches
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream
from eac.data.manage.convert import convert
from eac.protocols.draws import epoch_seed
from eac.records.record import read_run

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("num_windows", [1, 9, 12, 13])
def test_shares_of_a_batch_make_up_the_batch(num_windows):
    def batches():
        made = StartBatches(num_windows, 4, seed_of=partial(epoch_seed, 7))
        made.set_epoch(3)
        return made

    shares = [list(SharedBatches(batches(), r, 3, fill=False)) for r in range(3)]
    for whole, *parts in zip(batches(), *shares, strict=True):
        assert torch.cat(parts).sort().values.equal(whole.sort().values)


def test_older_windows_of_a_batch_go_to_every_process_that_holds_a_share_of_the_nodes():
    made = StartBatches(7, 6, seed_of=partial(epoch_seed, 7), num_older=5, older_share=0.5)
    shares = [list(SharedBatches(made, rank, 2, fill=True, shared=7)) for rank in range(2)]
    for whole, *parts in zip(made, *shares, strict=True):
        own, older = whole[whole < 7], whole[whole >= 7]
        assert len(older) == 3
        assert all(torch.equal(part[part >= 7], older) for part in parts)
        assert torch.cat([p[p < 7] for p in parts]).unique().equal(own.sort().values)


def test_a_process_without_a_window_takes_the_first_again_where_it_must_take_part():
    batches = StartBatches(5, 4, seed_of=None)

    assert list(SharedBatches(batches, 1, 2, fill=True))[-1].tolist() == [4]
    assert list(SharedBatches(batches, 1, 2, fill=False))[-1].tolist() == []


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def run(directory: Path, *, processes: int) -> None:
    settings = [
        *("-c", "configs/recipes/eac.yaml", "--stream", "datasets/sample", "--run.dir"),
        *(str(directory), "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"),
    ]
    launch = [sys.executable, "-m"]
    if processes > 1:
        launch += ["torch.distributed.run", "--nproc-per-node", str(processes)]
        launch += ["--master-port", str(free_port()), "-m"]
        settings += ["--trainer.strategy", "ddp", "--trainer.devices", str(processes)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*launch, "eac", "run", *settings],
        check=True,
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        timeout=300,
    )


def errors_of(directory: Path) -> list[float | None]:
    return [p.errors.point["MAE"]["mean"] for p in read_run(directory).periods]


@pytest.mark.slow
def test_two_processes_give_the_errors_of_one_and_resume(tmp_path):
    run(tmp_path / "one", processes=1)
    run(tmp_path / "two", processes=2)
    one, two = (errors_of(tmp_path / name) for name in ("one", "two"))
    assert two == pytest.approx(one, rel=0.01)

    last = sorted((tmp_path / "two").glob("period-*"))[-1]
    shutil.rmtree(last)
    run(tmp_path / "two", processes=2)
    assert errors_of(tmp_path / "two") == two


def waves(sensors: int, *, periods: int, steps: int) -> MemoryStream:
    """Daily waves, lower on weekends, whose level, size and phase belong to the sensor."""
    draw, ids = torch.Generator().manual_seed(0), tuple(f"s{i}" for i in range(sensors))
    phase, size, level = torch.rand(3, sensors, generator=draw)
    target = torch.arange(sensors).repeat_interleave(3)
    source = (target + torch.tensor([1, 2, 5]).repeat(sensors)) % sensors
    graph = Graph(sensors, torch.stack([source, target]), torch.rand(len(target), generator=draw))
    made, hour = [], timedelta(hours=1)
    for index in range(periods):
        step = torch.arange(index * steps, (index + 1) * steps)[:, None]
        calm = 1 - ((step // 24) % 7 >= 5).float() / 2
        wave = (5 + 20 * size) * torch.sin(2 * torch.pi * (step / 24 + phase)) * calm
        series = 40 + 60 * level + wave + 3 * torch.randn(wave.shape, generator=draw)
        clock = Calendar.from_timestamps(datetime(2024, 1, 1) + index * steps * hour, hour)
        made.append(Period(str(index), series, ids, graph, clock))
    return MemoryStream(made)


def divided(directory: Path, stream: Path, *, processes: int) -> None:
    """Two periods of the recipe on a narrower network, whose processes divide the sensors."""
    settings = ["-c", "practical", "--stream", str(stream), "--run.dir", str(directory)]
    settings += ["--model.backbone.init_args.hidden", "32", "--trainer.accelerator", "cpu"]
    launch = [sys.executable, "-m"]
    if processes > 1:
        launch += ["torch.distributed.run", "--nproc-per-node", str(processes)]
        launch += ["--master-port", str(free_port()), "-m"]
        settings += ["--run.divide_sensors", "true"]
    subprocess.run(
        [*launch, "eac", "run", *settings],
        check=True,
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=300,
    )


@pytest.mark.slow
def test_two_processes_that_divide_the_sensors_give_the_errors_of_one(tmp_path):
    stream = convert(waves(60, periods=2, steps=24 * 42), tmp_path / "stream", "table")
    divided(tmp_path / "one", stream, processes=1)
    divided(tmp_path / "two", stream, processes=2)
    one, two = (errors_of(tmp_path / name) for name in ("one", "two"))
    assert two == pytest.approx(one, rel=0.005)

    for folder in sorted((tmp_path / "one").glob("period-*")):
        cards = [read_artifact(tmp_path / name / folder.name) for name in ("one", "two")]
        assert cards[0].node_ids == cards[1].node_ids
        assert cards[0].fingerprint == cards[1].fingerprint
        assert cards[0].extra.keys() == cards[1].extra.keys()
    last = sorted((tmp_path / "two").glob("period-*"))[-1]
    shutil.rmtree(last)
    divided(tmp_path / "two", stream, processes=1)  # goes on with another number
    assert errors_of(tmp_path / "two") == pytest.approx(one, rel=0.005)


@pytest.mark.slow
def test_a_process_that_stops_ends_the_others_within_the_time_out(tmp_path):
    log, seconds = tmp_path / "log.txt", 8
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
        *("--master-port", str(free_port()), "-m", "eac", "run", "-c", "configs/recipes/eac.yaml"),
        *("--stream", "datasets/sample", "--run.dir", str(tmp_path / "run")),
        *("--trainer.accelerator", "cpu", "--trainer.strategy", "ddp", "--trainer.devices", "2"),
        *("--run.process_timeout", str(seconds)),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with log.open("w") as out:
        launcher = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    wait_until(lambda: list((tmp_path / "run").glob("period-*/last.ckpt")))
    ranks = [pid for pid in children(launcher.pid) if rank_of(pid) == "1"]
    assert len(ranks) == 1
    os.kill(ranks[0], signal.SIGSTOP)
    begin = time.monotonic()
    wait_until(lambda: "did not answer within --run.process_timeout" in log.read_text())
    assert time.monotonic() - begin < seconds + 10
    assert launcher.wait(timeout=60) != 0  # torchrun gives the stopped one half a minute
    assert not Path(f"/proc/{ranks[0]}").exists()


def wait_until(condition) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def rank_of(pid: int) -> str:
    environment = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return next((line[5:] for line in environment if line.startswith("RANK=")), "")
