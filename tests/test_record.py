"""Records of periods and runs: what is written is what is read, or a clear refusal."""

import errno
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from eac.errors import CheckpointError, RunError
from eac.files import write_json
from eac.records.horizon_table import METRICS, HorizonTable, mean_table
from eac.records.jsonfile import read_json
from eac.records.record import (
    NodeCounts,
    PeriodRecord,
    RunRecord,
    SensorErrors,
    read_period,
    read_run,
    write_period,
    write_run,
)


def _table(value: float | None) -> HorizonTable:
    point = {metric: {"1": value, "2": 3.0, "mean": value} for metric in METRICS}
    cumulative = {metric: {"1": value, "2": 2.0, "avg": value} for metric in METRICS}
    return HorizonTable(point, cumulative)


def _period(name: str, value: float | None) -> PeriodRecord:
    return PeriodRecord(
        name=name,
        num_nodes=2,
        nodes=NodeCounts(new=2, gone=1),
        trainable_parameters=10,
        total_parameters=30,
        fit_seconds=1.25,
        epochs=4,
        best_epoch=3,
        val_metric=0.1 + 0.2,
        groups={"all": _table(value), "new": _table(None)},
        baselines={"last": _table(8.0)},
        fingerprint="abc",
        strategy="EAC",
        backbone="STGNN",
        notes=("first",),
        sensors=SensorErrors(("a", "ø"), (1.5, None)),
    )


def _run(*periods: PeriodRecord) -> RunRecord:
    return RunRecord("bergen", "veh/h", "a source", "strict", 42, 0.0, {"torch": "2"}, periods)


def _write_run(directory: Path, *periods: PeriodRecord) -> None:
    write_run(directory, _run(*periods))
    for index, period in enumerate(periods):
        write_period(directory / f"period-{index:02d}-{period.name}", period)


def test_a_period_is_read_as_it_was_written(tmp_path):
    write_period(tmp_path, _period("2020", 1 / 3))
    assert read_period(tmp_path) == _period("2020", 1 / 3)


def test_errors_of_all_nodes_also_stand_on_their_own_in_the_file(tmp_path):
    write_period(tmp_path, _period("2020", 1.0))
    content = read_json(tmp_path / "metrics.json")
    assert content["point"] == content["groups"]["all"]["point"]
    assert content["cumulative"] == content["groups"]["all"]["cumulative"]


def test_values_that_are_not_finite_are_written_as_null(tmp_path):
    record = replace(
        _period("a", math.nan), val_metric=math.inf, sensors=SensorErrors(("a",), (math.nan,))
    )
    write_period(tmp_path, record)
    text = (tmp_path / "metrics.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert "Infinity" not in text
    read = read_period(tmp_path)
    assert read.val_metric is None
    assert read.sensors == SensorErrors(("a",), (None,))
    assert read.errors == _table(None)


def test_a_run_is_its_header_and_its_finished_periods_in_order(tmp_path):
    periods = tuple(_period(str(index), 1.0) for index in range(12))
    write_run(tmp_path, _run())
    for index in (11, 2, 10, 0, *range(3, 10), 1):
        write_period(tmp_path / f"period-{index}-x", periods[index])
    (tmp_path / "period-12-unfinished").mkdir()
    assert read_run(tmp_path) == _run(*periods)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_mean_over_what_is_left_of_a_run_is_refused(tmp_path, lost):
    write_run(tmp_path, _run())
    for index in range(3):
        write_period(tmp_path / f"period-{index:02d}-x", _period(str(index), 1.0))
    (tmp_path / f"period-{lost:02d}-x" / "metrics.json").unlink()
    with pytest.raises(CheckpointError, match=f"period {lost} is not done, but .* eac doctor"):
        read_run(tmp_path)


def test_means_over_periods_leave_out_what_is_missing():
    run = _run(_period("a", 1.0), _period("b", 4.0), _period("c", None))
    assert run.mean().point["MAE"] == {"1": 2.5, "2": 3.0, "mean": 2.5}
    assert run.mean("new").point["MAE"]["1"] is None
    assert run.mean_baselines()["last"].cumulative["RMSE"]["avg"] == 8.0
    assert run.mean("kept") == mean_table([])


def test_a_baseline_that_one_period_lacks_has_no_mean():
    run = _run(_period("a", 1.0), replace(_period("b", 1.0), baselines={}))
    assert run.mean_baselines() == {}


def test_a_record_without_the_errors_of_all_nodes_cannot_be_made():
    with pytest.raises(ValueError, match="'all' nodes"):
        replace(_period("a", 1.0), groups={})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format version 99, this eac reads version 1"),
        ({"format": "other"}, "of format 'other', expected 'eac.period'"),
        ({"num_nodes": "many"}, "field 'num_nodes' is of type str, expected int"),
        ({"num_nodes": True}, "field 'num_nodes' is of type bool, expected int"),
        ({"groups": {}}, "the errors of 'all' nodes must be among them"),
        (
            {"nodes": {"missing": "1", "kept": "many"}},
            "field 'nodes.kept' is of type str, expected int",
        ),
        ({"baselines": {"last": 3}}, "baselines.* is of type int, expected object"),
        ({"baselines": {"last": {"point": {}}}}, "field 'baselines.*cumulative' is missing"),
    ],
)
def test_a_file_of_another_version_or_with_wrong_fields_is_refused(tmp_path, change, message):
    write_json(tmp_path / "metrics.json", _period("a", 1.0).to_json() | change)
    with pytest.raises(CheckpointError, match=message):
        read_period(tmp_path)


@pytest.mark.parametrize("field", ["name", "fit_seconds", "before", "point"])
def test_a_file_without_one_of_its_fields_is_refused_unless_it_can_be_derived(tmp_path, field):
    content = _period("a", 1.0).to_json()
    del content[field]
    write_json(tmp_path / "metrics.json", content)
    if field in ("before", "point"):  # older files lack some
        assert read_period(tmp_path) == _period("a", 1.0)
        return
    with pytest.raises(CheckpointError, match=f"field '{field}' is missing"):
        read_period(tmp_path)


def test_a_truncated_file_is_refused_with_its_name(tmp_path):
    write_period(tmp_path, _period("a", 1.0))
    path = tmp_path / "metrics.json"
    path.write_text(path.read_text(encoding="utf-8")[:100], encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"metrics\.json is damaged"):
        read_period(tmp_path)


def test_a_directory_that_is_not_a_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="is not a directory"):
        read_run(tmp_path / "absent")
    with pytest.raises(RunError, match=r"holds no run\.json"):
        read_run(tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(full))
    with pytest.raises(OSError, match="disk is full"):
        write_json(path, {"new": 2})
    assert read_json(path) == {"old": 1}


def test_nan_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": math.nan})
    assert list(tmp_path.iterdir()) == []


def test_reading_records_needs_no_torch(repository):
    code = "import sys, eac.records.record; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


def test_run_header_names_the_mean_but_not_the_periods(tmp_path):
    _write_run(tmp_path, _period("a", 2.0))
    content = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert content["mean"]["point"]["MAE"]["1"] == 2.0
    assert "periods" not in content
