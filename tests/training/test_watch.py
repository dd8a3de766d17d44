"""Watching a stream: what arrives is trained once, whole, at the end, and what is wrong is said."""

import shutil

import pandas as pd
import pytest
import torch

from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.data.core.stream import GraphStream, MemoryStream
from eac.data.manage.convert import convert
from eac.data.readers.open import open_stream
from eac.errors import RunError
from eac.rundir.requests import Request, ask, waiting
from eac.strategies.eac import EAC
from eac.strategies.online_all import OnlineAll
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from eac.training.watch import watch
from tests.streams import tiny_period


def make(run_dir, stream, strategy=None, **options):
    torch.manual_seed(3)
    model = Forecaster(STGNN(window=3, horizon=2, hidden=2), strategy or OnlineAll())
    data = PeriodData(stream, window=3, horizon=2, batch_size=64)
    trainer = DefaultTrainer(max_epochs=1)
    return StreamRunner(model, data, run_dir=run_dir, make_trainer=trainer, **options)


class Growing(GraphStream):
    """A stream whose periods may be others at each look."""

    name = "tiny"

    def __init__(self, periods):
        self.periods = list(periods)

    @property
    def period_names(self):
        return [period.name for period in self.periods]

    def load(self, index):
        return self.periods[index]


class Steps:
    """Stands for ``time.sleep``: does one thing at each look."""

    def __init__(self, *steps):
        self._steps = list(steps)

    def __call__(self, seconds):
        del seconds
        if self._steps:
            step = self._steps.pop(0)
            if step is not None:
                step()


def write_rows(path, first, days, *, mode="w"):
    """Hourly readings of two sensors, whole days."""
    stamps = pd.date_range(first, periods=24 * days, freq="h")
    rows = [pd.DataFrame({"unique_id": node, "ds": stamps, "y": range(24 * days)}) for node in "ab"]
    pd.concat(rows).to_csv(path, mode=mode, header=mode == "w", index=False)


@pytest.fixture
def frame(tmp_path):
    """A folder with one CSV that is cut by months."""
    folder = tmp_path / "counts"
    folder.mkdir()
    (folder / "stream.yaml").write_text("period: MS\n")
    write_rows(folder / "series.csv", "2024-01-01", 31)
    return folder


def test_a_month_in_a_csv_is_trained_when_it_is_over(tmp_path, frame, caplog):
    series, reports = frame / "series.csv", []
    runner = make(tmp_path / "run", open_stream(frame), after_period=reports.append)
    runner.run()
    steps = Steps(
        None,
        lambda: write_rows(series, "2024-02-01", 10, mode="a"),
        None,
        None,
        lambda: write_rows(series, "2024-02-11", 19, mode="a"),
    )
    with caplog.at_level("INFO", logger="eac"):
        watch(runner, every=1.0, quiet=2.0, timeout=10.0, sleep=steps)
    assert [p.name for p in runner.run().periods] == ["2024-01-01", "2024-02-01"]
    assert len(reports) == 2
    said = [record.getMessage() for record in caplog.records]
    assert (
        sum("'2024-02-01' is not over: its readings end at 2024-02-10 23" in s for s in said) == 1
    )
    assert any("waiting for a period after the 1 that are done" in text for text in said)


def test_a_file_that_grows_is_left_alone_until_it_rests(tmp_path, frame):
    series = frame / "series.csv"
    runner = make(tmp_path / "run", open_stream(frame))
    runner.run()
    looks = []

    def grow(day):
        def step():
            looks.append(runner.position)
            write_rows(series, f"2024-02-{day:02d}", 1, mode="a")

        return step

    watch(runner, every=1.0, quiet=2.0, timeout=35.0, sleep=Steps(*map(grow, range(1, 30))))
    assert looks == [1] * 29
    assert runner.position == 2


def test_a_broken_new_period_is_said_once_with_the_reason(tmp_path, frame, caplog):
    series = frame / "series.csv"
    runner = make(tmp_path / "run", open_stream(frame))
    runner.run()

    def broken():
        with series.open("a") as file:
            file.write("a,2024-02-01 00:00,many\n")

    with caplog.at_level("INFO", logger="eac"):
        watch(runner, every=1.0, quiet=1.0, timeout=8.0, sleep=Steps(broken))
    said = [r.getMessage() for r in caplog.records if "many" in r.getMessage()]
    assert len(said) == 1
    assert runner.position == 1


def test_a_period_that_sorts_into_the_middle_is_refused_and_nothing_is_trained_twice(tmp_path):
    periods = [tiny_period(name, "ab", index=i, num_steps=40) for i, name in enumerate("ac")]
    between = tiny_period("b", "ab", index=9, num_steps=40)
    stream = Growing(periods)
    trained = []
    runner = make(tmp_path, stream, after_period=trained.append)
    runner.run()

    def late():
        stream.periods.insert(1, between)

    with pytest.raises(RunError, match="'c' in place 1, but the stream now has 'b' before it"):
        watch(runner, every=1.0, quiet=1.0, timeout=9.0, sleep=Steps(late))
    assert len(trained) == 2


def npz_stream(folder, names):
    """A folder of arrays, one file a period; names sort as they are."""
    periods = [tiny_period(name, "ab", index=i, num_steps=40) for i, name in enumerate(names)]
    return convert(MemoryStream(periods, name="tiny"), folder, "npz")


def test_a_file_that_sorts_into_the_middle_is_refused_with_advice_that_works(tmp_path):
    whole = npz_stream(tmp_path / "whole", "abc")
    here = npz_stream(tmp_path / "here", "ac")
    runner = make(tmp_path / "run", open_stream(here))
    runner.run()

    def arrive():
        for part, name in (("RawData", "b.npz"), ("graph", "b_adj.npz")):
            shutil.copy(whole / part / name, here / part / name)
        for part in ("stream.yaml",):
            shutil.copy(whole / part, here / part)

    with pytest.raises(RunError, match="'c' in place 1, but the stream now has 'b' before it") as e:
        watch(runner, every=1.0, quiet=1.0, timeout=9.0, sleep=Steps(arrive))
    assert "redo='b'" in str(e.value)
    again = make(tmp_path / "run", open_stream(here), redo="b").run()
    assert [p.name for p in again.periods] == ["a", "b", "c"]


def test_a_file_that_is_copied_slowly_is_trained_whole_when_all_of_it_is_there(tmp_path, caplog):
    whole = npz_stream(tmp_path / "whole", "ab")
    here = npz_stream(tmp_path / "here", "a")
    runner = make(tmp_path / "run", open_stream(here))
    runner.run()
    content = (whole / "RawData" / "b.npz").read_bytes()
    target = here / "RawData" / "b.npz"

    def copy(share):
        def step():
            target.write_bytes(content[: int(len(content) * share)])
            shutil.copy(whole / "graph" / "b_adj.npz", here / "graph")
            shutil.copy(whole / "stream.yaml", here)

        return step

    steps = Steps(copy(0.3), None, None, None, copy(0.6), None, None, None, copy(1.0))
    with caplog.at_level("INFO", logger="eac"):
        watch(runner, every=1.0, quiet=2.0, timeout=9.0, sleep=steps)
    assert [p.name for p in runner.run().periods] == ["a", "b"]
    assert "the new period 'b' cannot be trained yet" in caplog.text
    plain = make(tmp_path / "plain", open_stream(whole)).run()
    assert runner.run().periods[1].errors == plain.periods[1].errors


def test_what_is_asked_for_is_done_in_the_next_period_and_noted(tmp_path, caplog):
    periods = [tiny_period(name, "ab", index=i, num_steps=40) for i, name in enumerate("abcd")]
    stream = Growing(periods[:1])
    runner = make(tmp_path, stream, strategy=EAC(rank=1, tune="new"))
    runner.run()
    drift = Request("refresh everything", "network drift", "all rose", "2024-03-01T05:00:00")

    def arrive(*requests):
        for request in requests:
            ask(tmp_path, request)
        stream.periods.append(periods[len(stream.periods)])

    shift = Request("tune prompts", "level shift", "20 % lower", unique_id="b")
    looks = (lambda: arrive(drift), None, None, arrive, None, None, lambda: arrive(shift))
    with caplog.at_level("INFO", logger="eac"):
        watch(runner, every=1.0, quiet=1.0, timeout=4.0, sleep=Steps(*looks))
    trained = [(p.name, p.trainable_parameters) for p in runner.run().periods]
    whole, prompts = trained[0][1], trained[3][1]
    assert trained == [("a", whole), ("b", whole), ("c", 0), ("d", prompts)]
    assert 0 < prompts < whole
    notes = {p.name: [n for n in p.notes if n.startswith("asked")] for p in runner.run().periods}
    assert notes["b"] == ["asked to refresh everything: network drift at 2024-03-01T05:00:00"]
    assert notes["d"] == ["asked to tune prompts: level shift of b"]
    assert notes["a"] == notes["c"] == waiting(tmp_path) == []
    said = [r.getMessage() for r in caplog.records if "the next period will" in r.getMessage()]
    assert said == [
        "watch: the next period will refresh everything: network drift at 2024-03-01T05:00:00 "
        "(all rose)",
        "watch: the next period will tune prompts: level shift of b (20 % lower)",
    ]
