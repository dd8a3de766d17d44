"""Which calibrator a run uses."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import torch

from eac.backbones.stgnn import STGNN
from eac.calibration.choice import best
from eac.calibration.store import START_FILE, load_calibrator
from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.graph import Graph
from eac.data.core.period import Period
from eac.data.core.stream import MemoryStream
from eac.records.intervals import Intervals
from eac.records.record import PeriodRecord, read_run
from eac.report.run.page import write_page
from eac.strategies.retrain import Retrain
from eac.training.forecaster import Forecaster
from tests.training.test_predictor import trained

HOUR = timedelta(hours=1)


def run(place: Path, hours: int) -> tuple[Intervals, ...]:
    """Two periods of four sensors, of which the last 40 % are validation and test."""
    generator, periods = torch.Generator().manual_seed(0), []
    for index in range(2):
        wave = 50 + 20 * torch.sin(torch.arange(hours)[:, None] * 0.2618)
        series = wave + torch.randn(hours, 4, generator=generator)
        clock = Calendar.from_timestamps(datetime(2024, 1, 1) + index * hours * HOUR, HOUR)
        periods.append(Period(f"p{index}", series, tuple("abcd"), Graph.empty(4), clock))
    torch.manual_seed(0)
    data = PeriodData(MemoryStream(periods), window=3, horizon=2, batch_size=64)
    model = Forecaster(STGNN(window=3, horizon=2, hidden=2), Retrain())
    trained(place, model, data)
    made = [period.intervals for period in read_run(place).periods]
    return tuple(one for one in made if one is not None)


@pytest.mark.parametrize("judges", [256, 2])
def test_the_better_winkler_score_on_validation_decides_and_is_kept(tmp_path, monkeypatch, judges):
    monkeypatch.setattr("eac.calibration.choice.SENSORS", judges)
    first, second = run(tmp_path / "a", 1800)
    assert list(first.candidates) == ["RollingQuantiles", "ConformalPID"]
    assert first.calibrator == best(first.candidates) == second.calibrator
    assert second.candidates == {}
    other = next(name for name in first.candidates if name != first.calibrator)
    monkeypatch.setattr("eac.training.results.intervals.best", lambda scores: other)
    chosen, then = run(tmp_path / "b", 1800)
    assert chosen.calibrator == then.calibrator == other
    assert chosen.candidates == pytest.approx(first.candidates)
    assert 85 < chosen.coverage["90"] < 95
    folder = tmp_path / "b" / "period-00-p0"
    for found in (load_calibrator(folder), load_calibrator(folder, START_FILE)):
        assert type(found).__name__ == other
        assert found.known.node_ids == tuple("abcd")
        assert found.state()[0]["node.count"].min() > 300  # steps that every sensor taught it
    write_page(tmp_path / "b", tmp_path / "page.html")
    assert f"{other} was chosen by the Winkler score" in (tmp_path / "page.html").read_text()


def test_a_short_validation_leaves_the_first_candidate(tmp_path):
    first, _ = run(tmp_path, 400)
    assert (first.calibrator, first.candidates) == ("RollingQuantiles", {})
    record = read_run(tmp_path).periods[0]
    content = record.to_json()
    del content["intervals"]["candidates"]  # as in records of before
    assert PeriodRecord.from_json(content) == record


def test_a_score_that_is_not_known_is_never_the_best():
    assert best({"a": None, "b": 3.0}) == "b"
    assert best({"a": 3.0, "b": 3.0}) == "a"
    assert best({"a": None, "b": None}) == "a"
