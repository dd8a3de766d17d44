"""A run that is killed, refused by the disk or asked to stop ends, resumed, in the same bits."""

import random
import shutil
import signal
from dataclasses import replace

import pytest

from eac.rundir.opening import is_complete
from tests.faults.runs import RECIPES, arguments, differences
from tests.faults.workshop import Fault

SHARES = 6
FOLDER = ("folder", "period-")
STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}


class Trial:
    """A run with a fault, and the same run resumed."""

    def __init__(self, workshop, stream, made, recipe, folder):
        self._workshop = workshop
        self._run = folder / "run"
        self._arguments = arguments(recipe, stream, self._run)
        self._told = made.kept
        self.operations = made.operations

    def with_fault(self, fault, *statuses):
        """Begins or resumes the run, which ends as the fault says."""
        return self._go(fault).check(*statuses)

    def end(self, said):
        """Resumes to the end, compares, and makes room for the next."""
        self._go(None).check(0)
        assert is_complete(self._run)
        assert differences(self._run, self._told) == [], said
        left = [path.name for path in self._run.rglob("*") if path.name.startswith(".tmp-")]
        assert left == [], said
        shutil.rmtree(self._run)

    def _go(self, fault):
        resumed = (self._run / "config.yaml").is_file()
        given = ["run", "--resume", str(self._run)] if resumed else self._arguments
        return self._workshop.run(*given, fault=fault)


@pytest.fixture
def trial(workshop, stream, whole, tmp_path):
    return lambda recipe: Trial(workshop, stream, whole(recipe), recipe, tmp_path)


def begins(operations):
    """Places of the operations that make the folders of periods."""
    return [at for at, (kind, path) in enumerate(operations) if (kind, path.name[:7]) == FOLDER]


def walks(operations, kind="kill"):
    """Faults in the order in which one run meets them: together, each operation once.

    A walk stops the run before an operation of its first period, resumes it, stops it before one
    of its second, and so on. Operations before the first period are walks of their own.
    """
    begin = begins(operations)
    ends = [*begin[1:], len(operations)]
    alone = [[Fault(kind, at)] for at in range(begin[0])]
    longest = max(end - at for at, end in zip(begin, ends, strict=True))
    return alone + [
        [
            Fault(kind, step, operations[at][1].name)
            for at, end in zip(begin, ends, strict=True)
            if at + step < end
        ]
        for step in range(longest)
    ]


def kill_along(trial, chosen):
    """Kills along these walks; returns how often."""
    for walk in chosen:
        for fault in walk:
            trial.with_fault(fault, -9)
        trial.end(walk)
    return sum(map(len, chosen))


def torn_walks(operations):
    """Walks in which half of a file is written before each kill, where one was just written."""
    begin = begins(operations)[0]
    places = (walk[0].at + (begin if walk[0].since else 0) for walk in walks(operations))
    found = zip(places, walks(operations, "torn"), strict=True)
    return [walk for place, walk in found if operations[place][0] == "sync"]


def refused_along(trial, chosen):
    """The disk is full, or fails, along these walks; returns how often.

    A run that needs nothing of what is refused, such as its page, goes on to its end: what is left
    of its walk then begins with a run of its own.
    """
    number = 0
    for walk in chosen:
        ended = False
        for fault in walk:
            kind = ("enospc", "eio")[number % 2]
            number += 1
            done = trial.with_fault(replace(fault, kind=kind), 0, 1)
            words = ("disk is full", "reports an error", "cannot be", "page")
            assert done.status == 0 or any(word in done.err for word in words), done.err
            ended = done.status == 0
            if ended:
                trial.end(fault)
        if not ended:
            trial.end(walk)
    return number


def stopped(trial, seed, count):
    """A signal at a random operation, or at a random time."""
    chance, seen = random.Random(seed), 0
    for number in range(count):
        signum = (signal.SIGTERM, signal.SIGINT)[number % 2]
        after = chance.uniform(0.02, 0.8) if number % 4 > 1 else None
        at = chance.randrange(4, len(trial.operations)) if after is None else 10**9
        first = trial.with_fault(Fault("signal", at, number=signum, after=after), STATUS[signum], 0)
        if first.status:
            seen += 1
            line = first.err.strip().splitlines()[-1]
            assert line.startswith(f"eac run: stopped by {signum.name}. Kept in"), first.err
        trial.end((number, at, after))
    return seen


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_kill_at_some_operations_ends_in_the_same_bits(trial, recipe):
    made = trial(recipe)
    chosen = walks(made.operations)
    assert sum(map(len, chosen)) == len(made.operations)
    kill_along(made, [chosen[12], chosen[-60]])


def test_other_faults_at_some_operations_end_in_the_same_bits(trial):
    made = trial("practical")
    kill_along(made, torn_walks(made.operations)[9:10])
    refused_along(made, walks(made.operations)[40:41])
    assert stopped(made, 2, 2)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_kill_at_every_operation_ends_in_the_same_bits(trial, recipe, share, figure):
    made = trial(recipe)
    number = kill_along(made, walks(made.operations)[share::SHARES])
    figure("kills, one at each operation on a file of two runs of three periods", number)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("share", range(4))
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_torn_write_or_a_failing_disk_ends_in_the_same_bits(trial, recipe, share, figure):
    made = trial(recipe)
    torn = kill_along(made, torn_walks(made.operations)[share::12])
    figure("torn writes", torn)
    refused = refused_along(made, walks(made.operations)[share::16])
    figure("operations that the disk refused (ENOSPC, EIO)", refused)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("share", range(2))
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_signal_at_any_point_ends_in_the_same_bits(trial, recipe, share, figure):
    figure("SIGTERM and SIGINT that stopped a run", stopped(trial(recipe), share, 25))
