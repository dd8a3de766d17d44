"""No file of a run can be flipped or cut so that a command gives another number, or a traceback."""

import random
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.faults.runs import arguments, differences

PLACES = 30
SHARES = 6
RECIPE = "practical"
NEVER_READ = ("report.html",)


@pytest.fixture(scope="module")
def readings(tmp_path_factory) -> Path:
    """Recent readings of the sensors of the last period."""
    path, steps = tmp_path_factory.mktemp("recent") / "recent.csv", np.arange(24 * 15)
    stamps = pd.date_range("2024-01-01", periods=len(steps), freq="h")
    parts = [
        pd.DataFrame({"unique_id": node, "ds": stamps, "y": 40 + 10 * np.sin(steps / 3.8 + i)})
        for i, node in enumerate("ecxa")
    ]
    pd.concat(parts).to_csv(path, index=False)
    return path


class Examined:
    """A run whose files are damaged, and what every command says of it when it is whole."""

    def __init__(self, workshop, made, readings, folder, other):
        self._workshop = workshop
        self._made = made
        self._run = folder / "run"
        self._output = folder / "forecasts.csv"
        self._commands = {
            "report": ["report", str(self._run), "--json"],
            "compare": ["compare", str(self._run), str(other), "--csv"],
            "predict": [
                *("predict", "--run", str(self._run), "--input", str(readings)),
                *("--output", str(self._output), "--level", "80"),
            ],
        }
        shutil.copytree(made.run, self._run)
        self.files = sorted(
            path.relative_to(self._run).as_posix()
            for path in self._run.rglob("*")
            if path.is_file() and "log" not in path.parts and path.name not in NEVER_READ
        )
        self._told = {name: self._asked(name) for name in self._commands}
        assert all(status == 0 for status, _ in self._told.values())

    def damage(self, name, content, *, follow):
        """Writes ``content`` into a file; looks at what every command says then.

        Args:
            name: Of the file in the run.
            content: What it holds now.
            follow: Whether what ``eac doctor`` advises is done, and all must be well then.
        """
        shutil.rmtree(self._run, ignore_errors=True)
        shutil.copytree(self._made.run, self._run)
        (self._run / name).write_bytes(content)
        self._output.unlink(missing_ok=True)
        asked = list(self._commands.values())
        doctor = self._workshop.run("doctor", self._run, before=asked).check(1)
        for (command, told), (status, said) in zip(self._told.items(), doctor.before, strict=True):
            said = self._output.read_text() if command == "predict" and not status else said
            assert status in (0, 1), (name, command, doctor.err)
            assert status != 0 or (status, said) == told, (name, command, said)
        assert Path(name).name in doctor.out, (name, doctor.said)
        if follow:
            self._follow(doctor.out)
            assert differences(self._run, self._made.kept) == [], name
            return
        resumed = self._workshop.run("run", "--resume", self._run).check(0, 1)
        if resumed.status == 0:
            assert self._asked("report") == self._told["report"], name
        else:
            assert re.search(r"eac doctor|--run\.dir|--redo", resumed.err), (name, resumed.err)

    def lose(self, name):
        """Removes a file, and does what ``eac doctor`` advises; all is well then."""
        shutil.rmtree(self._run, ignore_errors=True)
        shutil.copytree(self._made.run, self._run)
        (self._run / name).unlink()
        self._follow(self._workshop.run("doctor", self._run).check(1).out)
        assert differences(self._run, self._made.kept) == [], name

    def _asked(self, command):
        self._output.unlink(missing_ok=True)
        done = self._workshop.run(*self._commands[command]).check(0, 1)
        said = self._output.read_text() if self._output.exists() else done.out
        return done.status, said

    def _follow(self, told):
        advice = re.search(r"^To train .*: eac (.*)$", told, re.MULTILINE)
        if advice is None:  # its settings are lost
            more = re.search(r"--run\.dir (\S+)(.*)$", told, re.MULTILINE)
            given = arguments(RECIPE, self._made.stream, Path(more[1]))
            self._workshop.run(*given, *shlex.split(more[2])).check(0)
        else:
            self._workshop.run(*shlex.split(advice[1])).check(0)


@pytest.fixture
def examined(workshop, whole, readings, tmp_path):
    return Examined(workshop, whole(RECIPE), readings, tmp_path, whole("eac").run)


def damaged(content, chance, count):
    """The content with one bit changed, or cut, in turn."""
    for number in range(count):
        place = chance.randrange(len(content.rstrip(b"\n")))  # a last line may end without one
        if number % 2:
            yield content[:place]
        else:
            yield (
                content[:place]
                + bytes([content[place] ^ 1 << chance.randrange(8)])
                + content[place + 1 :]
            )


def try_all(examined, made, names, count, seed):
    chance, number = random.Random(seed), 0
    for name in names:
        for content in damaged((made.run / name).read_bytes(), chance, count):
            examined.damage(name, content, follow=number % 10 == 0)
            number += 1
    return number


def test_some_damage_gives_no_other_number_and_the_advice_works(examined, whole):
    names = (
        *("period-00-p0/card.json", "period-02-p2/state.safetensors"),
        *("config.yaml", "manifest.json"),
    )
    assert set(names) <= set(examined.files)
    for seed, name in enumerate(names):
        try_all(examined, whole(RECIPE), [name], 1, seed)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("share", range(SHARES))
def test_no_damage_gives_another_number(examined, whole, share, figure):
    assert len(examined.files) > 24
    number = try_all(examined, whole(RECIPE), examined.files[share::SHARES], PLACES, share)
    figure("damaged files, each read by report, compare, predict, doctor, run --resume", number)


@pytest.mark.slow
@pytest.mark.faults
def test_a_lost_file_is_made_again_as_doctor_says(examined, figure):
    for name in examined.files:
        examined.lose(name)
    figure("lost files, made again as eac doctor says", len(examined.files))
