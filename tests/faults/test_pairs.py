"""Of two runs in one directory at the same time one works and one is refused."""

import random

import pytest

from tests.faults.runs import arguments, differences
from tests.faults.workshop import Fault, Job

FEW, MANY, SHARES = 2, 100, 4


def try_pairs(workshop, stream, made, folder, count, seed):
    """Pairs that begin together, or the second while the first is under way."""
    chance = random.Random(seed)
    for number in range(count):
        run = folder / str(number)
        given = arguments("eac", stream, run)
        late = Fault("wait", after=chance.uniform(0, 0.6)) if number % 2 else None
        pair = workshop.together(Job(given), Job(given, late))
        statuses = sorted(done.check(0, 1).status for done in pair)
        refused = [done for done in pair if done.status]
        if len(refused) == 1:
            assert "is writing in" in refused[0].err, refused[0].err
        else:  # the second came when the first had ended
            assert statuses == [0, 0]
            assert late is not None
        assert differences(run, made.kept) == []
    return count


def test_of_a_pair_of_runs_one_works_and_one_is_refused(workshop, stream, whole, tmp_path):
    try_pairs(workshop, stream, whole("eac"), tmp_path, FEW, 1)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("share", range(SHARES))
def test_of_each_of_many_pairs_one_works_and_one_is_refused(
    workshop, stream, whole, tmp_path, share, figure
):
    number = try_pairs(workshop, stream, whole("eac"), tmp_path, MANY // SHARES, 7 + share)
    figure("pairs of runs in one directory at the same time", number)
