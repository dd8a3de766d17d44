"""Readings of meters, and readings whose steps single precision loses; and what only looks so."""

import numpy as np
import pytest
import torch

from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.windows import Split
from eac.data.manage.suspicious import COARSE, COUNTING, before_training, suspicious_values

STEPS = np.arange(1000)
GENERATOR = np.random.default_rng(0)
USED = GENERATOR.integers(0, 60, 1000)
DAY = 10 * np.sin(STEPS / 24 * 2 * np.pi)


def said(*values: np.ndarray) -> list[str]:
    series = torch.tensor(np.stack(values, 1), dtype=torch.float32)
    names = tuple(f"s{i}" for i in range(series.shape[1]))
    period = Period("p", series, names, Graph.empty(len(names)), Calendar(24))
    return list(before_training(period, Split.by_fraction(1000, (0.6, 0.2))))


@pytest.mark.parametrize("reset", [2000, 720])
def test_a_meter_is_named_beside_what_is_none(reset):
    meter = 1000 + np.cumsum(USED)
    meter = meter - meter[STEPS // reset * reset]
    [found] = said(15 + DAY + GENERATOR.normal(0, 1, 1000), meter)
    assert found == f"1 node {COUNTING}: s1"


def test_a_level_that_slowly_rises_is_not_called_a_meter_outright():
    level = (60 + np.cumsum(USED) / 500).round(1)
    [found] = said(15 + DAY + GENERATOR.normal(0, 1, 1000), level)
    assert "or of a level that slowly rises (leave it as it is): s1" in found


@pytest.mark.parametrize(
    "values",
    [
        (15 + DAY + GENERATOR.normal(0, 1, 1000)).round(1),  # temperature
        101_325 + np.cumsum(GENERATOR.normal(0, 20, 1000)).round(1),  # air pressure in Pa
        GENERATOR.poisson(30 + DAY),  # counts
        np.cumsum(USED) - np.cumsum(USED)[STEPS // 24 * 24],  # rain, from 0 each day
        STEPS % 288,  # a tank that is emptied
        np.where(STEPS % 90 == 0, 3.0, 0.0),  # hardly ever
    ],
)
def test_ordinary_readings_are_neither(values):
    assert not [text for text in said(values) if COUNTING in text or COARSE in text]


def test_digits_that_single_precision_loses_are_said():
    found = said(423_474_003 + np.cumsum(USED), 1000 + GENERATOR.normal(0, 1, 1000))
    assert f"1 node {COARSE}: s0" in found


@pytest.mark.parametrize("steps", [1, 2])
def test_a_period_of_one_step_has_no_differences(steps):
    series = torch.tensor([[1.0, 1e-6, 5e37, 2.0]] * steps)
    period = Period("p", series, ("a", "b", "c", "d"), Graph.empty(4), Calendar(24))
    for found in suspicious_values(period, series[0], series[0]):
        assert COUNTING not in found
        assert COARSE not in found
