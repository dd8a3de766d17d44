"""A run that is killed, refused by the disk or asked to stop ends, resumed, in the same bits."""

import random
import shutil
import signal

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


def walks(operations):
    """Kills in the order in which one run meets them: together, each operation once.

    A walk kills the run before an operation of its first period, resumes it, kills it before one
    of its second, and so on. Operations before the first period are walks of their own.
    """
    begin = [at for at, (kind, path) in enumerate(operations) if (kind, path.name[:7]) == FOLDER]
    ends = [*begin[1:], len(operations)]
    alone = [[Fault("kill", at)] for at in range(begin[0])]
    longest = max(end - at for at, end in zip(begin, ends, strict=True))
    return alone + [
        [
            Fault("kill", step, operations[at][1].name)
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


def syncs(trial):
    """Places of the operations before which a file has just been written."""
    return [at for at, (kind, _) in enumerate(trial.operations) if kind == "sync"]


def torn_at(trial, places):
    """Kills with half of a file written."""
    for at in places:
        trial.with_fault(Fault("torn", at), -9)
        trial.end(at)
    return len(places)


def refused_at(trial, places):
    """The disk is full, or fails, at each of these operations."""
    for number, at in enumerate(places):
        kind = ("enospc", "eio")[number % 2]
        first = trial.with_fault(Fault(kind, at), 0, 1)
        words = ("disk is full", "reports an error", "cannot be", "page")
        assert first.status == 0 or any(word in first.err for word in words), first.err
        trial.end(at)
    return len(places)


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
    torn_at(made, syncs(made)[30:31])
    refused_at(made, [140, 270])
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
    figure("torn writes", torn_at(made, syncs(made)[share::12]))
    refused = refused_at(made, range(share, len(made.operations), 16))
    figure("operations that the disk refused (ENOSPC, EIO)", refused)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("share", range(2))
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_signal_at_any_point_ends_in_the_same_bits(trial, recipe, share, figure):
    figure("SIGTERM and SIGINT that stopped a run", stopped(trial(recipe), share, 25))
