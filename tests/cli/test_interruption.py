"""A run that is asked to stop says what it keeps and how to go on, and exits as a shell expects."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eac.artifacts.doctor import diagnose
from eac.benchmark.grid import Cell, EntryPoint, read_result
from eac.benchmark.worker import run_cell
from eac.cli.commands import report
from eac.cli.main import main
from eac.data.manage.convert import convert
from eac.records.record import read_run
from eac.rundir.opening import is_complete
from eac.training.callbacks import CountEpochs
from eac.training.forecaster import Forecaster
from tests.streams import tiny_stream

STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}
PLACES = {
    "training": (CountEpochs, "on_train_epoch_end", 3),
    "refit": (CountEpochs, "on_train_epoch_end", 2),
    "test": (Forecaster, "on_test_epoch_start", 1),
    "report": (report, "write_run_page", 1),
}


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    """Of a run over two small periods, each trained for one epoch and once more."""
    path = convert(tiny_stream(["abcd", "abcde"]), tmp_path_factory.mktemp("s") / "stream", "npz")
    small = "--trainer.max_epochs 1 --model.backbone.init_args.hidden 4 --data.refit_epochs 1"
    return ["-c", "eac", "--stream", str(path), *small.split()]


@pytest.fixture(scope="module")
def whole(arguments, tmp_path_factory):
    directory = tmp_path_factory.mktemp("whole") / "run"
    assert main(["run", *arguments, "--run.dir", str(directory)]) == 0
    return read_run(directory)


def signal_at(monkeypatch, place, signum):
    """Sends this process a signal in the middle of that place, once."""
    owner, name, count = PLACES[place]
    called, calls = getattr(owner, name), []

    def call(*args, **kwargs):
        calls.append(1)
        if len(calls) == count:
            os.kill(os.getpid(), signum)
        return called(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize(
    ("place", "signum"),
    [
        *((place, signal.SIGTERM) for place in PLACES),
        ("training", signal.SIGINT),
    ],
)
def test_a_stopped_run_exits_as_such_and_its_advice_ends_in_the_same_numbers(
    arguments, whole, tmp_path, monkeypatch, capsys, place, signum
):
    directory = tmp_path / "run"
    with monkeypatch.context() as patched:
        signal_at(patched, place, signum)
        assert main(["run", *arguments, "--run.dir", str(directory)]) == STATUS[signum]
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith(f"eac run: stopped by {signum.name}. Kept in {directory}: ")
    advice = re.search(r"Go on with: eac (.*)", line)[1]
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(advice)) == 0
    assert read_run(directory).mean() == whole.mean()
    assert is_complete(directory)


def test_the_handlers_of_before_are_back_after_a_run(whole):
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_a_cell_that_was_asked_to_stop_is_not_done(arguments, tmp_path, monkeypatch):
    cell = Cell("tiny", "EAC", "", 1, tmp_path / "cell", tuple(arguments))
    monkeypatch.setattr("eac.benchmark.worker.end_with_parent", lambda: None)
    with monkeypatch.context() as patched:
        signal_at(patched, "training", signal.SIGTERM)
        run_cell(cell, EntryPoint("eac.cli.commands.run"))
    assert not read_result(cell).done
    assert "stopped by SIGTERM" in read_result(cell).error


@pytest.mark.slow
@pytest.mark.parametrize("signum", STATUS)
def test_a_process_that_is_asked_to_stop_ends_with_the_status_of_the_signal(
    arguments, tmp_path, repository, signum
):
    options = ["--trainer.max_epochs", "500", "--run.dir", str(tmp_path / "run")]
    process = subprocess.Popen(
        [sys.executable, "-m", "eac", "run", *arguments, *options],
        cwd=repository,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    for text in process.stderr:
        if text.startswith("period p0:"):
            break
    process.send_signal(signum)
    _, error = process.communicate(timeout=60)
    assert process.returncode == STATUS[signum]
    assert "Go on with: eac run --resume" in error
    assert not is_complete(Path(tmp_path / "run"))


@pytest.mark.parametrize("way", ["exactly those", "--redo 0", "another"])
def test_where_settings_are_lost_each_way_that_is_named_works(
    way, arguments, whole, tmp_path, capsys
):
    run = tmp_path / "run"
    assert main(["run", *arguments, "--run.dir", str(run)]) == 0
    (run / "config.yaml").write_text("model: [1, 2")
    other = [*arguments, "--data.batch_size", "16"]
    assert main(["run", *other, "--run.dir", str(run)]) == 1
    said = capsys.readouterr().err
    assert "config.yaml is damaged, and the settings given are not those it held" in said
    assert way in said
    more, directory = {"--redo 0": ["--redo", "0"]}.get(way, []), run
    if way == "another":
        directory = tmp_path / "elsewhere"
    given = arguments if way == "exactly those" else other
    assert main(["run", *given, "--run.dir", str(directory), *more]) == 0
    assert is_complete(directory)
    assert diagnose(directory).findings == ()
    found, expected = read_run(directory).periods[-1].errors, whole.periods[-1].errors
    assert (found == expected) == (way == "exactly those")
