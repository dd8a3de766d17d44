"""Step time of the practical recipe's network beside the published backbone, in one run.

Each takes a training step (gather, forward, loss, backward, optimizer) on the last period of a
stream, in turn with the others; the median of each is printed.

python scripts/bench_recipe.py STREAM [--rounds 60] [--threads 1]
"""

import argparse
import sys
import time
from statistics import median

import torch

from eac.backbones.base import Backbone
from eac.backbones.seasonal import SeasonalMLP
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.drawing import draw_nodes
from eac.data.core.stream import GraphStream
from eac.data.readers.open import open_stream
from eac.data.series.scaling import PerNode
from eac.metrics.losses import MAE
from eac.nn.prompt_pool import PromptPool

RANK = 12


class Steps:
    """Training steps of one backbone with prompts, on one period.

    Args:
        backbone: All of it is trained.
        stream: Its last period is used.
        windows: In a batch.
        nodes: Of each window, drawn for it; None takes all.
    """

    def __init__(self, backbone: Backbone, stream: GraphStream, windows: int, nodes: int | None):
        data = PeriodData(
            stream, period=len(stream) - 1, scaling=PerNode(), carry=0.9, nodes_per_window=nodes
        )
        data = data.prepared(backbone.needs)
        tensors = data.ready.tested.on(torch.device("cpu"))
        self._backbone, self._tensors, self._chosen = backbone, tensors, nodes
        self._starts, self._windows = data.starts("train"), windows
        self._pool = PromptPool(backbone.prompt_width, rank=RANK)
        self._pool.grow(data.period.node_ids)
        self._rows = self._pool.rows(data.period.node_ids)
        self._optimizer = torch.optim.AdamW([*backbone.parameters(), *self._pool.parameters()])
        self._loss = MAE()
        self.window_nodes = windows * (nodes or data.period.num_nodes)

    def seconds(self) -> float:
        """Takes one step."""
        begin = time.perf_counter()
        at = self._starts[torch.randint(len(self._starts), (self._windows,))]
        nodes = draw_nodes(self._tensors, self._chosen, len(at))
        batch = self._tensors.batch(at, None, nodes)
        rows = self._rows if nodes is None else self._rows[nodes]
        y_hat = self._backbone(batch.inputs.with_prompt(self._pool(rows)), batch.graph)
        loss = self._loss(batch.scaler.inverse(y_hat), batch.y, batch.mask)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return time.perf_counter() - begin


def main(arguments: list[str]) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Step time of the practical recipe's network.")
    parser.add_argument("stream", help="folder of a stream")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    settings = parser.parse_args(arguments)
    torch.set_num_threads(settings.threads)
    stream = open_stream(settings.stream)
    steps = {
        "published backbone, 64 channels": Steps(STGNN(), stream, 64, None),
        "SeasonalMLP, width 64": Steps(SeasonalMLP(hidden=64), stream, 1024, 1),
        "SeasonalMLP, width 96": Steps(SeasonalMLP(hidden=96), stream, 1024, 1),
        "SeasonalMLP, width 192, dropout, mean of the network (the recipe)": Steps(
            SeasonalMLP(hidden=192, dropout=0.1, network=True), stream, 1024, 1
        ),
    }
    taken = {name: [step.seconds() for _ in range(3)] for name, step in steps.items()}
    for _ in range(settings.rounds):
        for name, step in steps.items():
            taken[name].append(step.seconds())
    first = median(next(iter(taken.values())))
    print("| | window-nodes in a step | step | of the first |\n|---|---|---|---|")
    for name, step in steps.items():
        middle = median(taken[name])
        row = f"{step.window_nodes:,} | {middle * 1e3:.1f} ms | {middle / first:.1f}"
        print(f"| {name} | {row} |")


if __name__ == "__main__":
    main(sys.argv[1:])
