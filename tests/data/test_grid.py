"""Time stamps that are off a grid, and the grid that is found for them."""

import numpy as np
import pandas as pd
import pytest

from eac.data.parsing.form import Form
from eac.data.parsing.grid import Grid, find_grid

LATE = np.array([0, 3, -2, 4, 1, -3, -2, -1])


def found(begin: str, step: str) -> Grid:
    """The grid of stamps a few seconds off a step that begins somewhere."""
    wall = pd.date_range(begin, periods=len(LATE), freq=step) + pd.to_timedelta(LATE, unit="s")
    rows = np.arange(len(LATE))
    return find_grid(wall, np.zeros(len(LATE), dtype=np.int64), [rows], Form(), "counts")


@pytest.mark.parametrize("begin", ["00:00", "00:03", "00:07", "00:08", "00:12"])
def test_a_grid_may_begin_at_any_minute(begin):
    grid = found(f"2024-01-01 {begin}", "15min")
    assert grid.step == pd.Timedelta(minutes=15)
    assert list(grid.wall) == list(pd.date_range(f"2024-01-01 {begin}", periods=8, freq="15min"))
    assert "7 of 8 time stamps were off the grid of 15 min by at most 4 s" in grid.notes[0]


@pytest.mark.parametrize("minutes", [1, 2, 3, 5, 6, 10, 12, 15, 20, 30, 60, 180])
def test_a_round_step_is_found_though_every_stamp_is_off_it(minutes):
    grid = found("2024-01-01", f"{minutes}min")
    assert grid.step == pd.Timedelta(minutes=minutes)
    assert list(grid.positions(np.arange(len(LATE)))) == list(range(len(LATE)))
