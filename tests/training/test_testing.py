"""Tests on past periods: what they measure, and that they change nothing."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import seed_everything

from eac.artifacts.checkpoint import load_state
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.records.record import PERIOD_FILE, PeriodRecord, RunRecord
from eac.strategies.base import Strategy
from eac.strategies.eac import EAC
from eac.strategies.pretrain import Pretrain
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_stream


def _run(run_dir: Path, *, test_past: bool, strategy: Strategy | None = None) -> RunRecord:
    seed_everything(7, verbose=False)
    forecaster = Forecaster(STGNN(hidden=8), strategy or EAC(rank=2))
    runner = StreamRunner(
        forecaster,
        PeriodData(tiny_stream(), seed=7, batch_size=16),
        run_dir=run_dir,
        make_trainer=DefaultTrainer(max_epochs=2),
        test_past=test_past,
    )
    return runner.run()


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunRecord, Path]:
    run_dir = tmp_path_factory.mktemp("tested")
    return _run(run_dir, test_past=True), run_dir


def test_testing_the_past_changes_neither_errors_nor_weights(tested, tmp_path):
    plain = _run(tmp_path, test_past=False)
    for ours, theirs in zip(tested[0].periods, plain.periods, strict=True):
        assert ours.groups == theirs.groups
        assert (theirs.before, theirs.past) == ({}, {})
    last = sorted(path.name for path in tmp_path.glob("period-*"))[-1]
    weights, expected = load_state(tested[1] / last), load_state(tmp_path / last)
    assert all(torch.equal(weights.tensors[k], v) for k, v in expected.tensors.items())


def test_each_period_is_tested_on_all_before_it_by_the_groups_of_then(tested):
    periods = tested[0].periods
    for index, period in enumerate(periods):
        assert list(period.past) == [f"p{j}" for j in range(index)]
        for name, groups in period.past.items():
            assert set(groups) == set(periods[int(name[1:])].groups)
    assert set(periods[0].before) == {"untrained"}
    assert set(periods[1].before) == {"untrained", "previous"}


def test_a_model_that_stopped_learning_has_the_same_errors_for_ever(tmp_path):
    periods = _run(tmp_path, test_past=True, strategy=Pretrain()).periods
    for period in periods[1:]:
        assert period.before["previous"] == period.groups
        for name, groups in period.past.items():
            assert groups == periods[int(name[1:])].groups


def test_a_resumed_run_measures_the_same_transfer(tested, tmp_path):
    _run(tmp_path, test_past=True)
    for directory in sorted(tmp_path.glob("period-*"))[2:]:
        (directory / PERIOD_FILE).unlink()
    resumed = _run(tmp_path, test_past=True)
    for ours, theirs in zip(resumed.periods, tested[0].periods, strict=True):
        assert (ours.before, ours.past) == (theirs.before, theirs.past)


def test_the_record_keeps_transfer_and_reads_records_without_it(tested):
    record = tested[0].periods[2]
    content = record.to_json()
    assert PeriodRecord.from_json(content) == record
    del content["before"], content["past"]
    assert PeriodRecord.from_json(content).past == {}
