"""Step time and peak memory of the published backbone by nodes, rank and what is frozen.

Random readings on a local graph of ten edges per node; each row is measured in a process of its
own, in processor seconds, so that one thread on a machine that others load gives figures that
compare: the lower quartile of a few steps.

python scripts/bench_sizes.py [--steps 2016] [--threads 1]
"""

import argparse
import multiprocessing as mp
import sys
import time
from statistics import quantiles

import bench_worker

NODES, RANKS = (100, 715, 3000, 10000), (1, 6, 12, None)
WINDOW_NODES = 1 << 16
"""Windows x nodes of a step; no step holds more than 64 windows."""


def measure(nodes: int, rank: int | None, frozen: bool, settings: argparse.Namespace) -> str:
    """One row of the table."""
    import torch
    from large_stream import random_period

    from eac.backbones.stgnn import STGNN
    from eac.data.batches.datamodule import PeriodData
    from eac.data.core.stream import MemoryStream
    from eac.metrics.losses import MSE
    from eac.nn.prompt_pool import PromptPool

    torch.set_num_threads(settings.threads)
    model, pool, loss = STGNN(), PromptPool(12, rank=rank), MSE()
    data = PeriodData(MemoryStream([random_period(nodes, settings.steps)]))
    tensors = data.prepared(model.needs).full
    pool.grow(data.period.node_ids)
    model.requires_grad_(not frozen)
    parameters = [p for p in (*model.parameters(), *pool.parameters()) if p.requires_grad]
    optimizer, rows = torch.optim.AdamW(parameters), pool.rows(data.period.node_ids)
    starts, windows = data.starts("train"), max(1, min(64, WINDOW_NODES // nodes))

    def step() -> None:
        at = starts[torch.randint(len(starts), (windows,))]
        batch = tensors.batch(at)
        y_hat = model(batch.inputs.with_prompt(pool(rows)), batch.graph)
        optimizer.zero_grad()
        loss(batch.scaler.inverse(y_hat), batch.y, None).backward()
        optimizer.step()

    def seconds() -> float:
        begin = time.process_time()
        step()
        return time.process_time() - begin

    step()
    taken = quantiles(seconds() for _ in range(settings.repeats))[0]
    trained = sum(p.numel() for p in parameters)
    cells = (
        *(f"{nodes:,}", windows, rank or "none", "frozen" if frozen else "trained", f"{trained:,}"),
        *(f"{taken * 1e3:.1f} ms", f"{taken / windows / nodes * 1e9:.0f} ns"),
        f"{bench_worker.peak_mebibytes():.0f} MiB",
    )
    return f"| {' | '.join(map(str, cells))} |"


def main(arguments: list[str]) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Step time and memory by size.")
    parser.add_argument("--steps", type=int, default=2016)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    settings = parser.parse_args(arguments)
    print("| nodes | windows | rank | backbone | trained | step | per window and node | peak |")
    print("|---|---|---|---|---|---|---|---|")
    cases: list[tuple[int, int | None, bool]] = [
        (nodes, 6, frozen) for nodes in NODES for frozen in (False, True)
    ]
    cases += [(715, rank, True) for rank in RANKS if rank != 6]
    context = mp.get_context("spawn")
    for case in cases:
        with context.Pool(1) as pool:
            print(pool.apply(measure, (*case, settings)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
