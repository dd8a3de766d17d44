"""The bar of a run moves with epochs and periods, and shows names without control characters."""

import io

from rich.console import Console
from rich.progress import Progress

from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.strategies.eac import EAC
from eac.training import bar
from eac.training.bar import RunBar, run_bar
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.streams import tiny_stream


def test_a_run_moves_its_bar_by_epochs_and_fills_it(tmp_path, monkeypatch):
    seen = []
    reach = RunBar.reach

    def noted(self, period, share):
        reach(self, period, share)
        seen.append((period, share, self._progress.tasks[0].completed))

    monkeypatch.setattr(RunBar, "reach", noted)
    data = PeriodData(tiny_stream(["ab", "abc"]), window=6, horizon=3, batch_size=32)
    model, trainer = Forecaster(STGNN(6, 3, hidden=4), EAC(rank=2)), DefaultTrainer(max_epochs=2)
    StreamRunner(model, data, run_dir=tmp_path, make_trainer=trainer, progress=True).run()

    assert seen == [
        *(("p0", 0.5, 0.5), ("p0", 1.0, 1.0), ("p0", 1.0, 1.0)),
        *(("p1", 0.5, 1.5), ("p1", 1.0, 2.0), ("p1", 1.0, 2.0)),
    ]


def test_without_a_terminal_nothing_is_drawn(capsys):
    with run_bar(3, shown=None) as shown:
        shown.done("x")

    assert capsys.readouterr() == ("", "")
    assert shown.callbacks("x") == ()


def test_names_and_time_left_are_shown(monkeypatch):
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=100)
    monkeypatch.setattr(bar, "Console", lambda **_: console)
    with run_bar(2, shown=True) as shown:
        shown.done("\x1b[2J[bold]")

    assert isinstance(shown._progress, Progress)
    assert "\x1b[2J" not in written.getvalue()
    assert "period \\x1b[2J[bold]" in written.getvalue()
    assert "50 %" in written.getvalue()
    assert "left at most" in written.getvalue()
