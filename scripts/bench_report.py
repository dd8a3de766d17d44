"""The page that ``bench.py`` prints."""

import argparse
from datetime import UTC, datetime
from statistics import median
from typing import Any

TASKS = {
    "all": ("training step, period 0 (all parameters)", 15),
    "prompts": ("training step, later periods (prompts only)", 20),
    "evaluate": ("evaluation, per batch", 15),
}
WINDOW, HIDDEN = 12, 64

PAGE = """# Performance

Written by `scripts/bench.py`; do not edit. The package's own pieces (`PeriodTensors`, `STGNN`,
`PromptPool`, `HorizonErrors`) against `scripts/dense_reference.py`, a plain dense implementation of
the published computation that materialises all windows (float64, as the published files), collates
them from single samples and multiplies by the dense adjacency. Same run, same weights, same
batches; medians of interleaved repeats. Forecasts of the two differ by {apart:.1e} (relative).

{nodes} nodes, {steps} steps, {edges} edges, batch {batch}; AdamW, squared error.
{processor}; {threads} thread(s), {clock} clock; {versions}; {date}.

    python scripts/bench.py {arguments}

| | dense reference | eac | ratio | target |
|---|---|---|---|---|
{rows}

A step holds everything between two batches: gathering it, forward, loss, backward, optimizer. An
evaluation is a pass over the whole test part, forecasts and errors, divided by its batches; the
reference keeps the forecasts until the end, as published. An epoch is {batches} training steps.
Peak memory is the largest resident size of the process; an idle import is the same before any data
are read.

What was tried for it, and steps by size, are in [speed.md](speed.md).

## Distance from the machine's floor

This machine multiplies large float32 matrices at {gflops:.0f} GFLOP/s and copies large arrays at
{gigabytes:.1f} GB/s (bytes read plus bytes written). The floor of a batch is what cannot be
avoided: the narrowest products, and reading inputs and targets and writing forecasts once.

| per batch | operations | their floor | bytes | their floor | measured | times the floor |
|---|---|---|---|---|---|---|
{floors}
"""


def render(
    settings: argparse.Namespace,
    arguments: list[str],
    num_edges: int,
    machine: dict[str, Any],
    results: dict[str, Any],
    apart: float,
) -> str:
    """The whole page as Markdown."""
    batches = -(-(int(settings.steps * 0.6) - 2 * WINDOW) // settings.batch_size)
    return PAGE.format(
        apart=apart,
        nodes=settings.nodes,
        steps=settings.steps,
        edges=num_edges,
        batch=settings.batch_size,
        threads=settings.threads,
        clock=settings.clock,
        date=datetime.now(UTC).date(),
        arguments=" ".join(arguments),
        rows="\n".join(_rows(results, batches)),
        batches=batches,
        gflops=machine["flops"] / 1e9,
        gigabytes=machine["bandwidth"] / 1e9,
        floors="\n".join(_floors(settings, num_edges, machine, results["fast"])),
        processor=machine["processor"],
        versions=machine["versions"],
    )


def _rows(results: dict[str, Any], batches: int) -> list[str]:
    dense, fast = results["dense"], results["fast"]
    rows = []
    for task, (label, target) in TASKS.items():
        slow, quick = dense.median(task), fast.median(task)
        ratio = f"{slow / quick:.1f} | >= {target}"
        rows.append(f"| {label} | {slow * 1e3:.1f} ms | {quick * 1e3:.1f} ms | {ratio} |")
    for task in ("all", "prompts"):
        label = TASKS[task][0].replace("training step", "training epoch")
        slow, quick = dense.median(task) * batches, fast.median(task) * batches
        rows.append(f"| {label} | {slow:.1f} s | {quick:.2f} s | {slow / quick:.1f} | |")
    ratio = f"{dense.peak / fast.peak:.1f} | >= 5"
    rows.append(f"| peak memory | {dense.peak:.0f} MiB | {fast.peak:.0f} MiB | {ratio} |")
    above = [result.peak - result.idle for result in (dense, fast)]
    label = "of which above an idle import"
    rows.append(
        f"| {label} | {above[0]:.0f} MiB | {above[1]:.0f} MiB | {above[0] / above[1]:.1f} | |"
    )
    if fast.by_lightning:
        step = median(fast.by_lightning)
        above = f"{100 * (step / fast.median('all') - 1):.0f} % more | < 15 %"
        rows.append(
            f"| the first of these by Lightning's Trainer | | {step * 1e3:.1f} ms | {above} |"
        )
    return rows


def _floors(
    settings: argparse.Namespace, num_edges: int, machine: dict[str, Any], fast: Any
) -> list[str]:
    rows_per_batch = settings.batch_size * settings.nodes
    layer = 2 * rows_per_batch * HIDDEN * 2 * WINDOW
    readout = 2 * rows_per_batch * WINDOW * WINDOW
    spread = 2 * num_edges * settings.batch_size * WINDOW
    forward = 2 * layer + readout + spread
    to_prompt = layer + readout + spread
    operations = {
        "all": forward + to_prompt + 2 * layer + readout,
        "prompts": forward + to_prompt,
        "evaluate": forward,
    }
    size = 4 * 4 * rows_per_batch * WINDOW
    rows = []
    for task, count in operations.items():
        compute, memory = count / machine["flops"], size / machine["bandwidth"]
        seconds = fast.median(task)
        times = seconds / max(compute, memory)
        floors = f"{compute * 1e3:.1f} ms | {size / 1e6:.1f} MB | {memory * 1e3:.1f} ms"
        label = TASKS[task][0]
        rows.append(
            f"| {label} | {count / 1e6:.0f} M | {floors} | {seconds * 1e3:.1f} ms | {times:.1f} |"
        )
    return rows
