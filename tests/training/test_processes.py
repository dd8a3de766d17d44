"""Two processes on one stream: the numbers of one process, one run directory, resumption."""

import os
import shutil
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from eac.data.batches.sampler import SharedBatches, StartBatches
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
