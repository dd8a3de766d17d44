"""What changed in a period is said by sensor, without the old data."""

from dataclasses import replace

import pytest
import torch

from eac.data.core.graph import Graph
from eac.rundir import checksums
from eac.rundir.checksums import changed_sensors, write_checksums
from tests.streams import tiny_period


def told(directory, period):
    return [str(sensor) for sensor in changed_sensors(directory, period)]


def test_readings_that_changed_are_counted_by_sensor(tmp_path):
    period = tiny_period("p", "abcd")
    write_checksums(tmp_path, period)
    series = period.series.clone()
    series[5, 1] += 1
    series[7:9, 3] = torch.nan
    assert told(tmp_path, period) == []
    assert told(tmp_path, replace(period, series=series)) == ["'b' (1 changed)", "'d' (2 changed)"]


def test_another_order_of_sensors_is_no_change(tmp_path):
    period = tiny_period("p", "abcd")
    write_checksums(tmp_path, period)
    assert told(tmp_path, period.permute(torch.tensor([2, 0, 3, 1]))) == []


def test_sensors_that_came_or_went_are_named_with_their_readings(tmp_path):
    period = tiny_period("p", "abcd", num_steps=20)
    write_checksums(tmp_path, period)
    series = torch.cat([period.series[:, :3], torch.full((20, 1), torch.nan)], 1)
    series[4:9, 3] = 1.0
    graph = Graph(4, torch.zeros(2, 0, dtype=torch.long), torch.zeros(0))
    now = replace(period, series=series, node_ids=("a", "b", "c", "x"), graph=graph)
    assert told(tmp_path, now) == ["'x' (5 of a sensor that is new in it)", "'d' (20 gone)"]


def test_a_long_period_is_told_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(checksums, "MOST_CELLS", 40)
    period = tiny_period("p", "abcd", num_steps=40)
    write_checksums(tmp_path, period)
    series = period.series.clone()
    series[1:3, 0] = 0.0
    assert told(tmp_path, replace(period, series=series)) == ["'a' (at least 1 changed)"]


@pytest.mark.parametrize("text", [None, b"", b"x" * 100])
def test_a_run_without_checksums_says_so(tmp_path, text):
    if text is not None:
        (tmp_path / checksums.CHECKSUM_FILE).write_bytes(text)
    assert changed_sensors(tmp_path, tiny_period("p", "ab")) is None


def test_sensors_without_a_reading_come_and_go_without_a_change(tmp_path):
    period = tiny_period("p", "abcd", num_steps=20)
    series = period.series.clone()
    series[:, 3] = torch.nan
    write_checksums(tmp_path, replace(period, series=series))
    rest = replace(period, series=series).permute(torch.tensor([0, 1, 2]))
    assert told(tmp_path, rest) == []
    series[5, 0] += 1
    assert told(tmp_path, replace(period, series=series).permute(torch.arange(3))) == [
        "'a' (1 changed)"
    ]
