"""What a run directory accepts, what it refuses, and that the advice it gives works."""

import re
import shutil
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import torch
from lightning.pytorch import Callback

from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core.calendar import Calendar
from eac.data.core.stream import MemoryStream
from eac.data.series.scaling import PerNode
from eac.errors import RunError
from eac.metrics.losses import MAE
from eac.records.record import read_period, read_run
from eac.rundir.opening import is_complete
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.schedules import WarmupCosine
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_period, tiny_stream

CHURN = ("abcd", "cabde", "ecxa")


def make(run_dir, stream=None, *, model=None, data=None, callbacks=(), epochs=1, **options):
    """A runner of the cheapest settings, built from one seed."""
    torch.manual_seed(3)
    settings = {"seed": 3, "batch_size": 32, **(data or {})}
    base = DefaultTrainer(max_epochs=epochs)
    trainer = base if not callbacks else lambda d, own: base(d, (*own, *callbacks))
    forecaster = Forecaster(STGNN(hidden=4), EAC(rank=1), **(model or {}))
    stream = tiny_stream(CHURN) if stream is None else stream
    return StreamRunner(
        forecaster,
        PeriodData(stream, **settings),
        run_dir=run_dir,
        make_trainer=trainer,
        **options,
    )


def periods_of(stream=None):
    return list(stream or tiny_stream(CHURN))


def numbers(record):
    return [replace(period, fit_seconds=0.0, notes=()) for period in record.periods]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run, to be copied."""
    directory = tmp_path_factory.mktemp("done") / "run"
    make(directory).run()
    return directory


@pytest.fixture
def run_dir(done, tmp_path):
    return shutil.copytree(done, tmp_path / "run")


LEARNING = {
    "loss": ({"loss": MAE()}, {}),
    "loss_steps": ({"loss_steps": "cumulative"}, {}),
    "optimizer": ({"optimizer": lambda p: torch.optim.Adam(p, lr=0.5)}, {}),
    "lr_scheduler": ({"lr_scheduler": WarmupCosine}, {}),
    "null_value": ({}, {"null_value": 0.0}),
    "scaling": ({}, {"scaling": PerNode()}),
    "carry": ({}, {"carry": 0.5}),
    "refit_epochs": ({}, {"refit_epochs": 1}),
    "window": ({}, {"window": 12, "horizon": 12, "batch_size": 16}),
}


@pytest.mark.parametrize("name", LEARNING)
def test_a_run_from_python_with_other_learning_is_refused_by_name(run_dir, name):
    model, data = LEARNING[name]
    word = "batch_size" if name == "window" else name
    with pytest.raises(RunError, match=rf"other settings: .*{word}.* in the run, .* given"):
        make(run_dir, model=model, data=data).run()


def test_a_run_from_python_names_the_line_that_goes_on_with_it(run_dir):
    with pytest.raises(RunError) as refused:
        make(run_dir, data={"carry": 0.5}).run()
    line = f"the same StreamRunner(..., run_dir={str(run_dir)!r}).run() in Python"
    assert line in str(refused.value)
    assert len(make(run_dir).run().periods) == 3  # the same StreamRunner


class FailedError(Exception):
    """Stands for a GPU that is not there."""


class Fail(Callback):
    def setup(self, trainer, pl_module, stage):
        raise FailedError


class FailLate(Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            raise FailedError


@pytest.mark.parametrize("callback", [Fail, FailLate])
def test_a_first_start_that_failed_does_not_block_other_settings(tmp_path, callback):
    with pytest.raises(FailedError):
        make(tmp_path, callbacks=(callback(),), epochs=2).run()
    assert not is_complete(tmp_path)
    record = make(tmp_path, data={"carry": 0.5}).run()
    fresh = make(tmp_path / "fresh", data={"carry": 0.5}).run()
    assert numbers(record) == numbers(fresh)
    assert is_complete(tmp_path)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_damaged_record_is_named_and_trained_again_once_it_is_removed(run_dir, done, index):
    path = sorted(run_dir.glob("period-*"))[index] / "metrics.json"
    path.write_text("{")
    with pytest.raises(Exception, match="is damaged") as refused:
        make(run_dir).run()
    assert str(path) in str(refused.value)
    path.unlink()
    assert numbers(make(run_dir).run()) == numbers(read_run(done))


def test_a_period_that_came_out_otherwise_is_followed_by_those_after_it(run_dir, done):
    folder = sorted(run_dir.glob("period-*"))[0]
    card = (folder / "card.json").read_text()
    digest = re.search(r'"state_sha256": "(\w+)"', card)[1]
    (folder / "card.json").write_text(card.replace(digest, "0" * 64))
    (folder / "metrics.json").unlink()
    trained = []
    make(run_dir, after_period=lambda _: trained.append(1)).run()
    assert len(trained) == 3
    assert numbers(read_run(run_dir)) == numbers(read_run(done))


def corrected():
    periods = periods_of()
    series = periods[1].series.clone()
    series[3:6, 2] += 1
    return MemoryStream([periods[0], replace(periods[1], series=series), periods[2]], name="tiny")


def test_corrected_readings_are_refused_with_period_sensor_and_number(run_dir):
    with pytest.raises(RunError, match=r"'p1' changed .*: 3 readings of 1 sensor, 'b'"):
        make(run_dir, corrected()).run()


def test_a_stream_that_is_refused_leaves_the_settings_as_they_were(run_dir):
    path = run_dir / "config.yaml"
    before = path.read_bytes()
    elsewhere = before.decode() + "# the same settings, with another stream\n"
    with pytest.raises(RunError, match="'p1' changed"):
        make(run_dir, corrected(), config=elsewhere).run()
    assert path.read_bytes() == before
    make(run_dir, config=elsewhere).run()
    assert path.read_text() == elsewhere


def test_accepted_changes_go_on_and_stand_in_the_record(run_dir, done):
    before = read_run(done)
    make(run_dir, corrected(), accept_changes=True).run()
    after = read_run(run_dir)
    assert "3 readings of 1 sensor, 'b'" in after.periods[1].notes[-1]
    assert after.mean() == before.mean()
    make(run_dir, corrected()).run()  # accepted once, for good


def test_redo_trains_from_a_period_on_as_if_it_had_always_been_so(run_dir, tmp_path):
    trained = []
    options = {"redo": "p1", "after_period": lambda _: trained.append(1)}
    again = make(run_dir, corrected(), **options).run()
    assert len(trained) == 2
    assert numbers(again) == numbers(make(tmp_path / "fresh", corrected()).run())


def test_a_new_sensor_in_the_history_of_an_old_period_is_new_where_it_is_learned(run_dir):
    periods = periods_of()
    wide = tiny_period("p1", "cabdex", index=1)
    series = wide.series.clone()
    series[:, :5] = periods[1].series
    stream = MemoryStream([periods[0], replace(wide, series=series), *periods[2:]], name="tiny")
    with pytest.raises(RunError, match=r"160 readings of 1 sensor, 'x' \(160 of a sensor that is"):
        make(run_dir, stream).run()
    shutil.rmtree(sorted(run_dir.glob("period-*"))[2])
    record = make(run_dir, stream, accept_changes=True).run()
    assert record.periods[2].nodes.new == 1


def test_an_unknown_period_to_redo_is_answered_with_those_there_are(run_dir):
    with pytest.raises(RunError, match=r"there is no period 'p9'. Give a name"):
        make(run_dir, redo="p9").run()
    assert is_complete(run_dir)


def test_a_period_that_sorts_into_the_middle_is_refused_by_name_and_redo_takes_it(run_dir):
    periods = periods_of()
    middle = tiny_period("p0b", "abcd", index=7)
    grown = MemoryStream([periods[0], middle, *periods[1:]], name="tiny")
    with pytest.raises(RunError, match=r"has period 'p1' in place 1, .* has 'p0b' before it") as no:
        make(run_dir, grown).run()
    assert "redo='p0b'" in str(no.value)
    names = [p.name for p in make(run_dir, grown, redo="p0b").run().periods]
    assert names == ["p0", "p0b", "p1", "p2"]


@pytest.mark.parametrize("names", [["a/b", "a%2Fb"], ["x/../../../escaped", "n" * 300]])
def test_periods_of_any_name_are_trained_found_and_kept_inside(tmp_path, names):
    periods = [tiny_period(name, "abcd", index=i) for i, name in enumerate(names)]
    record = make(tmp_path / "run", MemoryStream(periods, name="tiny")).run()
    assert [period.name for period in record.periods] == names
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert is_complete(tmp_path / "run")


def test_a_file_or_a_folder_of_other_files_is_no_run_directory(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(Exception, match="file"):
        make(tmp_path / "file").run()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match=r"holds other files, such as 'thesis.tex'"):
        make(tmp_path / "folder").run()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["thesis.tex"]


def test_a_run_is_complete_when_every_period_asked_for_is_done(run_dir):
    assert is_complete(run_dir)
    (read := sorted(run_dir.glob("period-*"))[1] / "metrics.json").unlink()
    assert not is_complete(run_dir)
    assert read_period(run_dir / "period-02-p2").name == "p2"
    assert not is_complete(read.parent)


class Ongoing(MemoryStream):
    def unfinished(self, index):
        return "its readings end on the 28th" if index == len(self) - 1 else None


def test_a_last_period_that_is_not_over_waits_unless_it_is_asked_for(tmp_path, caplog):
    stream = Ongoing(periods_of(), name="tiny")
    with caplog.at_level("WARNING", logger="eac"):
        assert len(make(tmp_path / "a", stream).run().periods) == 2
    assert "'p2' is not over: its readings end on the 28th" in caplog.text
    assert is_complete(tmp_path / "a")
    assert len(make(tmp_path / "a", stream, partial="train").run().periods) == 3
    with pytest.raises(RunError, match="the only period, 'p0', is not over"):
        make(tmp_path / "b", Ongoing(periods_of()[:1], name="tiny")).run()


def unread(stream, node):
    """The same stream, in whose first period a node is never read."""
    first, *rest = periods_of(stream)
    series = first.series.clone()
    series[:, first.node_ids.index(node)] = torch.nan
    return [replace(first, series=series), *rest]


def without_first(periods, node):
    """The same, the node not being in the first period."""
    first, *rest = periods
    order = [row for row, one in enumerate(first.node_ids) if one != node]
    return [first.permute(torch.tensor(order)), *rest]


@pytest.mark.parametrize("leaves", [True, False])
def test_a_sensor_that_was_never_read_in_a_trained_period_may_come_and_go(tmp_path, leaves):
    present = unread(tiny_stream(("abcd", "cabde")), "d")
    absent = without_first(present, "d")
    before, after = (present, absent) if leaves else (absent, present)
    third = tiny_period("p2", "cabd", index=2)
    make(tmp_path, MemoryStream(before, name="tiny")).run()
    record = make(tmp_path, MemoryStream([*after, third], name="tiny")).run()
    assert len(record.periods) == 3


def test_another_step_is_no_change_to_go_on_from(tmp_path):
    def dated(step: timedelta) -> MemoryStream:
        clock = Calendar.from_timestamps(datetime(2024, 1, 1), step)
        return MemoryStream([replace(p, calendar=clock) for p in periods_of()[:1]], name="tiny")

    make(tmp_path / "run", dated(timedelta(hours=1))).run()
    for accept in (False, True):
        with pytest.raises(RunError, match=r"every 15 min, but the run was trained on one every 1"):
            make(tmp_path / "run", dated(timedelta(minutes=15)), accept_changes=accept).run()
