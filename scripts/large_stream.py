"""One period of a very large stream, trained and tested as `eac run` does it, with its peak memory.

Readings and graph are random; the graph is local, ten edges per node. With ``--mapped`` the
readings are written to a file first, a few steps at a time, and mapped from there.

python scripts/large_stream.py [--nodes 100000] [--steps 2016] [--train-batches 100]
python scripts/large_stream.py --mapped --nodes 10000 --steps 107374 --train-fraction 0.96
"""

import argparse
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream
from eac.data.readers.npy import open_series, write_series
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner

EDGES_PER_NODE = 10
STEPS_AT_ONCE = 256


def random_period(num_nodes: int, num_steps: int, file: Path | None = None) -> Period:
    """Readings with a daily cycle on a graph whose edges reach at most fifty rows.

    Args:
        num_nodes: Sensors.
        num_steps: Steps.
        file: Where the readings are written and mapped from; None keeps them in memory.
    """
    generator = torch.Generator().manual_seed(0)
    target = torch.arange(num_nodes).repeat_interleave(EDGES_PER_NODE)
    reach = torch.randint(1, 51, target.shape, generator=generator)
    graph = Graph(
        num_nodes,
        torch.stack([(target + reach) % num_nodes, target]),
        torch.rand(target.shape, generator=generator),
    )
    ids, size = tuple(map(str, range(num_nodes))), num_steps if file is None else STEPS_AT_ONCE
    parts = (
        _readings(steps, num_nodes, generator) for steps in torch.arange(num_steps).split(size)
    )
    if file is None:
        return Period("0", next(parts), ids, graph, Calendar(288))
    write_series(file, num_steps, num_nodes, (part.numpy() for part in parts))
    return Period("0", open_series(file, "0"), ids, graph, Calendar(288), mapped=True)


def _readings(
    steps: Int[Tensor, " step"], num_nodes: int, generator: torch.Generator
) -> Float[Tensor, "step node"]:
    noise = torch.rand(len(steps), num_nodes, generator=generator).mul_(20)
    return noise.add_(50 + 40 * torch.sin(steps * (2 * torch.pi / 288))[:, None])


class Memory(threading.Thread):
    """Watches what the process holds apart from the pages of files, which the system may drop."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak = 0.0

    def run(self) -> None:
        """Looks ten times a second, where the system tells."""
        status = Path("/proc/self/status")
        while status.exists():
            lines = status.read_text().splitlines()
            own = sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
            self.peak = max(self.peak, own / 1024)
            time.sleep(0.1)


class Progress(Callback):
    """Prints seconds per node and window of training."""

    def __init__(self, data: PeriodData):
        self._data = data

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock."""
        del trainer, pl_module
        self._begin = time.perf_counter(), time.process_time()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Training batches of the epoch are done."""
        del pl_module
        data = self._data
        count = trainer.num_training_batches * data.batch_size * data.period.num_nodes
        wall, cpu = time.perf_counter() - self._begin[0], time.process_time() - self._begin[1]
        per_unit = [1e9 * seconds / count for seconds in (wall, cpu)]
        print(f"training: {per_unit[0]:.0f} ns per node and window ({per_unit[1]:.0f} ns of CPU)")


def main(arguments: list[str]) -> None:
    """Runs one period and prints seconds and memory."""
    parser = argparse.ArgumentParser(description="One period of a very large stream.")
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=2016)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--train-batches", type=int, default=100)
    parser.add_argument("--train-fraction", type=float, default=0.6)
    parser.add_argument("--mapped", action="store_true", help="read the series from a file")
    settings = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        run(settings, Path(folder))


def run(settings: argparse.Namespace, folder: Path) -> None:
    """Runs the period in ``folder``."""
    begin, memory = time.perf_counter(), Memory()
    memory.start()
    file = folder / "series.npy" if settings.mapped else None
    period = random_period(settings.nodes, settings.steps, file)
    share = settings.train_fraction
    data = PeriodData(
        MemoryStream([period]),
        batch_size=settings.batch_size,
        train_fraction=share,
        val_fraction=(1 - share) / 2,
    )
    made = time.perf_counter() - begin
    print(f"series of {period.series.nbytes / 2**30:.2f} GiB, made in {made:.0f} s")
    print(f"{settings.nodes} nodes, {data.period.graph.num_edges} edges, {settings.steps} steps")

    def make_trainer(directory: Path, callbacks: Sequence[Callback]) -> Trainer:
        return Trainer(
            accelerator="auto",
            devices=1,
            max_epochs=1,
            limit_train_batches=settings.train_batches,
            callbacks=[*callbacks, Progress(data)],
            logger=False,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=directory,
        )

    model, place = Forecaster(STGNN(), EAC()), folder / "run"
    StreamRunner(model, data, run_dir=place, make_trainer=make_trainer).run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = time.perf_counter() - begin
    print(
        f"{seconds:.0f} s in all, peak memory {peak:.0f} MiB, {memory.peak:.0f} MiB without files"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
