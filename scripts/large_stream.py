"""One period of a very large stream, trained and tested as `eac run` does it, with its peak memory.

Readings and graph are random; the graph is local, ten edges per node.

python scripts/large_stream.py [--nodes 100000] [--steps 2016] [--train-batches 100]
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from eac.backbones.stgnn import STGNN
from eac.data.calendar import Calendar
from eac.data.datamodule import PeriodData
from eac.data.graph import Graph
from eac.data.period import Period
from eac.data.stream import MemoryStream
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner

EDGES_PER_NODE = 10


def random_period(num_nodes: int, num_steps: int) -> Period:
    """Readings with a daily cycle on a graph whose edges reach at most fifty rows."""
    generator = torch.Generator().manual_seed(0)
    target = torch.arange(num_nodes).repeat_interleave(EDGES_PER_NODE)
    reach = torch.randint(1, 51, target.shape, generator=generator)
    graph = Graph(
        num_nodes,
        torch.stack([(target + reach) % num_nodes, target]),
        torch.rand(target.shape, generator=generator),
    )
    series = torch.rand(num_steps, num_nodes, generator=generator).mul_(20)
    series.add_(50 + 40 * torch.sin(torch.arange(num_steps) * (2 * torch.pi / 288))[:, None])
    return Period("0", series, tuple(map(str, range(num_nodes))), graph, Calendar(288))


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
    settings = parser.parse_args(arguments)
    begin = time.perf_counter()
    stream = MemoryStream([random_period(settings.nodes, settings.steps)])
    data = PeriodData(stream, batch_size=settings.batch_size)
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

    with tempfile.TemporaryDirectory() as folder:
        runner = StreamRunner(
            Forecaster(STGNN(), EAC()), data, run_dir=folder, make_trainer=make_trainer
        )
        runner.run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.perf_counter() - begin:.0f} s in all, peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main(sys.argv[1:])
