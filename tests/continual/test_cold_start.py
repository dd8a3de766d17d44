"""First prompts of new nodes, by hand on small graphs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eac.continual.cold_start import (
    AlikeStart,
    Arrival,
    FirstRows,
    MeasuredStart,
    NeighboursStart,
    RandomStart,
    UnknownStart,
    correlation,
    first_week,
)
from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream

LEARNED = torch.tensor([[1.0, 0.0], [0.0, 4.0]])
POOL = torch.cat([LEARNED, torch.tensor([[2.0, 2.0]])])
MEAN = [1.0, 2.0]


def arrival(series=None, edges=(), error=lambda rows: 0.0):
    """Nodes a, b with prompts; c, d, e new. Edges as (listener, source, weight)."""
    matrix = torch.zeros(5, 5)
    for target, source, weight in edges:
        matrix["abcde".index(target), "abcde".index(source)] = weight
    series = torch.rand(400, 5) if series is None else series
    graph = Graph.from_dense(matrix)
    period = Period("p", series, tuple("abcde"), graph, Calendar(steps_per_day=24))
    view = PeriodData(MemoryStream([period]), window=2, horizon=2).view
    new, old = torch.tensor([2, 3, 4]), torch.tensor([0, 1])
    return Arrival(view, new, old, LEARNED, POOL, torch.full((3, 2), 0.1), error)


def test_random_and_unknown_starts():
    assert torch.equal(RandomStart().first_rows(arrival()).rows, torch.full((3, 2), 0.1))
    assert UnknownStart().first_rows(arrival()).rows.tolist() == [MEAN] * 3


def test_a_new_node_takes_the_weighted_mean_of_those_it_listens_to():
    edges = [("c", "a", 3.0), ("c", "b", 1.0), ("d", "c", 5.0), ("a", "e", 1.0)]
    rows = NeighboursStart().first_rows(arrival(edges=edges)).rows
    by_hand = [0.75, 1.0]  # 3/4 of a and 1/4 of b
    assert rows.tolist() == [by_hand, by_hand, MEAN]  # d hears c alone; e hears nobody


def test_a_new_node_takes_from_the_nodes_that_move_like_it():
    wave = torch.sin(torch.arange(400.0) / 4)
    other = torch.cos(torch.arange(400.0) / 9)
    silent = torch.full((400,), torch.nan)
    series = torch.stack([wave, other, 50 + 9 * wave, 2 * other, silent], dim=1)
    rows = AlikeStart(count=1).first_rows(arrival(series)).rows
    torch.testing.assert_close(rows, torch.tensor([[1.0, 0.0], [0.0, 4.0], MEAN]))


def test_likeness_looks_at_the_first_week_of_training_alone():
    series = torch.rand(400, 5)
    later = series.clone()
    later[168:] = 7.0
    rows = [AlikeStart().first_rows(arrival(s)).rows for s in (series, later)]
    assert torch.equal(*rows)
    assert len(first_week(arrival(series[:50]).view)) == 30  # 60 % of 50 steps


def test_correlation_agrees_with_numpy_over_shared_readings():
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(40, 3, generator=generator) + 100 for _ in range(2))
    one[torch.rand(one.shape, generator=generator) < 0.3] = torch.nan
    other[:, 2] = 5.0
    found = correlation(one, other, 10)
    for i in range(3):
        for j in range(2):
            both = ~one[:, i].isnan()
            twin = np.corrcoef(one[both, i].numpy(), other[both, j].numpy())[0, 1]
            assert found[i, j].item() == pytest.approx(twin, abs=1e-4)
    assert found[:, 2].isnan().all()
    assert correlation(one, other, 41).isnan().all()


def test_the_measured_start_takes_the_least_error_and_says_so():
    errors = {0.1: 3.0, 1.0: 2.0}  # by the first value of the rows
    case = arrival(error=lambda rows: errors[round(float(rows[0, 0]), 1)])
    first = MeasuredStart([RandomStart(), UnknownStart()]).first_rows(case)
    assert first.rows.tolist() == [MEAN] * 3
    assert first.note == (
        "first prompts by UnknownStart: MAE of the first week 3 RandomStart, 2 UnknownStart"
    )


def test_without_a_reading_the_first_start_listed_is_taken():
    case = arrival(error=lambda rows: float("nan"))
    assert torch.equal(MeasuredStart().first_rows(case).rows, case.drawn)


def test_no_old_node_present_leaves_the_mean_of_the_pool():
    case = arrival(edges=[("c", "d", 1.0)])
    alone = replace(case, old=torch.tensor([], dtype=torch.long), learned=LEARNED[:0])
    for start in (NeighboursStart(), AlikeStart()):
        assert start.first_rows(alone).rows.tolist() == [MEAN] * 3


def test_two_measured_starts_of_one_class_are_told_apart():
    class Fixed(RandomStart):
        def __init__(self, value: float):
            self.value = value

        def first_rows(self, arrival):
            return FirstRows(torch.full((3, 2), self.value))

    case = arrival(error=lambda rows: float(rows[0, 0]))
    first = MeasuredStart([Fixed(1.0), Fixed(5.0)]).first_rows(case)
    assert first.rows[0, 0] == 1
    assert first.note == "first prompts by Fixed: MAE of the first week 1 Fixed, 5 Fixed"
