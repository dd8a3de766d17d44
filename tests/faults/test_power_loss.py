"""After a power cut everything that was said to be done is there, and the rest is made again."""

import os
import random
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from eac.records.folders import done_folders
from eac.records.record import read_period
from tests.faults.disk import Disk, read_log, said_done
from tests.faults.runs import RECIPES, arguments, differences
from tests.faults.workshop import Fault

SHARES = 4
POINTS = 60
"""Power cuts in each run."""


def check(run, said, told, workshop, given):
    """What was said to be done is there, and resumed the run ends in the same bits."""
    there = {read_period(folder).name for _, folder in done_folders(run)}
    assert set(said) <= there, (said, there)
    begun = (run / "config.yaml").is_file()
    workshop.run(*(["run", "--resume", str(run)] if begun else given)).check(0)
    assert differences(run, told) == []
    shutil.rmtree(run)


def cut(made, workshop, given, folder, seeds):
    """Power cuts at random points of a run."""
    log, run = made.log, folder / "run"
    for seed in seeds:
        chance = random.Random(seed)
        point = len(log) if seed == 0 else chance.randrange(1, len(log))
        disk = Disk(made.run.parent, log)
        disk.play(point)
        disk.write(folder, made.contents, chance)
        run.mkdir(exist_ok=True)
        check(run, said_done(log, point), made.kept, workshop, given)
    return len(seeds)


def test_a_few_power_cuts_lose_nothing_that_is_done(workshop, stream, whole, tmp_path):
    given = arguments("practical", stream, tmp_path / "run")
    cut(whole("practical"), workshop, given, tmp_path, range(3))


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("recipe", RECIPES)
def test_no_power_cut_loses_what_is_done(workshop, stream, whole, tmp_path, recipe, share, figure):
    given = arguments(recipe, stream, tmp_path / "run")
    seeds = range(share, POINTS, SHARES)
    number = cut(whole(recipe), workshop, given, tmp_path, seeds)
    figure("power cuts, worked out from the log of operations", number)


def test_without_its_syncs_a_run_loses_what_is_done(whole, tmp_path):
    made = whole("practical")
    log = [entry for entry in made.log if not entry[0].startswith("sync")]
    written = [entry for entry in made.log if entry[0] == "sync"]
    disk = Disk(made.run.parent, [*log, *written])  # the contents are known, and never safe
    disk.play(len(log))
    lost = 0
    for seed in range(5):
        disk.write(tmp_path / str(seed), made.contents, random.Random(seed))
        lost += len(done_folders(tmp_path / str(seed) / "run")) < 3
    assert lost == 5


def _can_mount() -> bool:
    tools = all(shutil.which(name) for name in ("mkfs.ext4", "mount", "umount"))
    return tools and os.geteuid() == 0 and Path("/dev/loop-control").exists()


@contextmanager
def mounted(image: Path, place: Path):
    """The file system in a file, for root."""
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this system mounts no image")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.skipif(not _can_mount(), reason="needs root, ext4 and loop devices")
@pytest.mark.parametrize("recipe", RECIPES)
def test_no_copy_of_an_ext4_in_use_lacks_what_is_done(
    workshop, stream, whole, tmp_path, recipe, figure
):
    image, number = tmp_path / "image", 0
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    with mounted(image, tmp_path / "disk") as disk:
        subprocess.run(["sync", "-f", disk], check=True)
        fault = Fault("log", 13, folder=str(tmp_path / "log"), image=str(image))
        given = arguments(recipe, stream, disk / "run")
        workshop.run(*given, fault=fault).check(0)
        shutil.copyfile(image, tmp_path / "log" / "image-end")  # right after exit 0
    log = read_log(tmp_path / "log")
    for copy in sorted((tmp_path / "log").glob("image-*")):
        at = copy.name.removeprefix("image-")
        point = len(log) if at == "end" else _place(log, int(at))
        with mounted(copy, tmp_path / "disk") as disk:
            run = tmp_path / "copied" / "run"
            run.parent.mkdir(exist_ok=True)
            if (disk / "run").is_dir():
                shutil.copytree(disk / "run", run)
        run.mkdir(exist_ok=True)
        told, given = whole(recipe).kept, arguments(recipe, stream, run)
        check(run, said_done(log, point), told, workshop, given)
        copy.unlink()
        number += 1
    assert number > 20
    figure("power cuts, copies of an ext4 in use", number)


def _place(log, operations: int) -> int:
    """Place in a log before the operation of that number."""
    places = [place for place, (kind, _, _) in enumerate(log) if kind != "said"]
    return places[operations]


def test_the_log_says_which_periods_were_done(whole):
    log = whole("practical").log
    assert said_done(log, len(log)) == ["p0", "p1", "p2"]
