"""A program laid beside the forecaster that it was made from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.series.scaling import Scaler
from eac.export.program import Program, prompt_of
from eac.serving.predictor import Predictor
from eac.serving.recent import Recent, scaler_of

Call = Callable[..., Float[Tensor, "node horizon"]]
GAPS = 0.1
"""Share of the readings of a check that are missing."""


@dataclass(frozen=True)
class Checked:
    """One comparison.

    Attributes:
        nodes: Sensors.
        edges: Edges.
        difference: Largest difference of two forecasts, as a share of the largest forecast.

    Example:
        >>> Checked(nodes=12, edges=30, difference=2e-7).difference < 1e-4
        True
    """

    nodes: int
    edges: int
    difference: float


@dataclass(frozen=True, eq=False)
class Arguments:
    """What a program is called with; see ``Program.forward``.

    Example:
        >>> none = torch.zeros(0)
        >>> call = Arguments(torch.zeros(12, 3), torch.tensor([5]), none, none, none, prompt=None)
        >>> len(call.given())
        5
    """

    readings: Tensor
    slot: Tensor
    scales: Tensor
    edge_index: Tensor
    edge_weight: Tensor
    prompt: Tensor | None

    def given(self) -> tuple[Tensor, ...]:
        """Those that the program takes, in order."""
        values = tuple(vars(self).values())
        return values if self.prompt is not None else values[:-1]


def arguments_of(predictor: Predictor, recent: Recent, graph: Graph) -> Arguments:
    """What a program is called with for these readings, sensors and edges."""
    data = predictor.data
    inputs, targets = scaler_of(recent, data, data.inputs), scaler_of(recent, data, data.targets)
    with torch.no_grad():
        prompt = prompt_of(predictor.pointed_at(recent), len(recent.node_ids), data.window)
    steps_per_week = recent.clock.steps_per_week
    slot = (recent.clock.start_slot + len(recent.series) - 1) % steps_per_week
    return Arguments(
        recent.series,
        torch.tensor([slot]),
        torch.stack([inputs.mean, inputs.scale, targets.mean, targets.scale]),
        graph.edge_index,
        graph.edge_weight,
        prompt,
    )


def compare(predictor: Predictor, program: Program, call: Call) -> Iterator[Checked]:
    """Calls a program at the sizes of the run, above and below, with one sensor, without edges."""
    nodes, edges = len(predictor.data.current_ids), predictor.data.graph.num_edges
    sizes = [(nodes, edges), (nodes + 3, 2 * edges + 5), (max(1, nodes // 2), edges // 2)]
    for number, (some, among) in enumerate([*sizes, (1, 0), (nodes, 0)]):
        generator = torch.Generator().manual_seed(number)
        graph = _drawn_graph(some, among, generator)
        other, recent = _drawn(predictor, program, graph, generator)
        expected = other.forecast(recent, graph, plain=True)
        found = call(*arguments_of(other, recent, graph).given())
        most = float(expected.abs().max().clamp_min(1e-6))
        same = found.shape == expected.shape and bool(found.isfinite().all())
        difference = float((found - expected).abs().max()) / most if same else float("inf")
        yield Checked(some, among, difference)


def _drawn_graph(nodes: int, edges: int, generator: torch.Generator) -> Graph:
    index = torch.randint(0, nodes, (2, edges), generator=generator)
    return Graph(nodes, index, torch.rand(edges, generator=generator))


def _drawn(
    predictor: Predictor, program: Program, graph: Graph, generator: torch.Generator
) -> tuple[Predictor, Recent]:
    """The predictor with other sensors and edges, and readings of these; some have never been."""
    data, count = predictor.data, graph.num_nodes
    known = data.current_ids[:count]
    strangers = tuple(f"never seen {i}" for i in range(count - len(known)))
    ids, row = (*known, *strangers), {node: i for i, node in enumerate(data.node_ids)}
    if program.needs.network:  # a program takes the mean of all it is given: all are of the run
        row |= dict.fromkeys(strangers, row[known[0]])
        known = ids
    rows = torch.tensor([row[node] for node in known], dtype=torch.long)
    mean, scale = data.inputs.mean[rows].mean(), data.inputs.scale[rows].mean()
    noise = torch.randn(program.shape.steps, count, generator=generator)
    series = mean + scale * noise
    series[torch.rand(series.shape, generator=generator) < GAPS] = torch.nan
    start = int(torch.randint(0, 1000, (1,), generator=generator))
    clock = Calendar(program.shape.steps_per_day, program.shape.days_per_week, start)
    pick = Scaler(data.inputs.mean[rows], data.inputs.scale[rows], data.inputs.trivial)
    targets = Scaler(data.targets.mean[rows], data.targets.scale[rows], data.targets.trivial)
    among = graph.subgraph(torch.arange(len(known)))
    kept = replace(data, graph=among, node_ids=known, inputs=pick, targets=targets)
    other = Predictor(predictor.forecaster, kept, predictor.calibrator)
    return other, Recent(series, ids, ids, strangers, {}, clock, "")
