"""No file of a run can be flipped, cut or lost without being named; never another number."""

import random
import shutil
from pathlib import Path

import pytest
import torch

from eac.artifacts.artifact import read_artifact
from eac.artifacts.checkpoint import load_state
from eac.artifacts.doctor import diagnose
from eac.artifacts.resume_points import AtomicCheckpointIO, is_whole, load_checkpoint, resume_point
from eac.artifacts.saved_data import done_periods, load_data
from eac.backbones.stgnn import STGNN
from eac.data.batches.datamodule import PeriodData
from eac.disk import watched
from eac.errors import CheckpointError, EACError
from eac.records.manifest import admit, read_verified, rewrite
from eac.records.record import read_run
from eac.report.run.page import read_all_details
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.streams import CHURN, tiny_stream

PLACES = 3
"""Bits flipped in each file, besides one cut; ``make test-faults`` takes more."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of three periods, and what is read from it."""
    run = tmp_path_factory.mktemp("run") / "run"
    data = PeriodData(tiny_stream(CHURN[:3]), window=6, horizon=3, batch_size=32, seed=1)
    model = Forecaster(STGNN(6, 3, hidden=4), EAC(rank=2))
    StreamRunner(model, data, run_dir=run, make_trainer=DefaultTrainer(max_epochs=1)).run()
    return run, _read(run)


def _read(run: Path) -> list[object]:
    folders = done_periods(run)
    kept = load_data(folders)
    states = [load_state(folder) for folder in folders]
    return [
        read_run(run),
        read_all_details(run),
        [(sorted(state.tensors), state.extra) for state in states],
        [tensor.tolist() for state in states for tensor in state.tensors.values()],
        (kept.node_ids, kept.graph.edge_index.tolist(), kept.inputs.mean.tolist()),
        (kept.inputs.scale.tolist(), kept.targets.mean.tolist(), kept.targets.scale.tolist()),
    ]


def _told_or_refused(run: Path) -> list[object] | str:
    """What is read of a run, or that it was refused in a sentence that says what to do."""
    try:
        return _read(run)
    except EACError as error:
        return "refused" if "eac doctor" in str(error) or "--run.dir" in str(error) else str(error)


def _files(run: Path) -> list[Path]:
    found = [p for p in sorted(run.rglob("*")) if p.is_file() and "log" not in p.parts]
    return [p.relative_to(run) for p in found]


def test_every_file_that_is_flipped_cut_or_lost_is_named(whole, tmp_path):
    run, told = whole
    chance, names = random.Random(7), _files(run)
    assert len(names) > 3 * 6
    assert diagnose(run).findings == ()
    for name in names:
        content = (run / name).read_bytes()
        flipped = []
        for _ in range(PLACES):
            changed = bytearray(content)
            changed[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            flipped.append(bytes(changed))
        for damaged in (*flipped, content[: chance.randrange(len(content))], None):
            copy = tmp_path / "copy"
            shutil.copytree(run, copy)
            (copy / name).unlink()
            if damaged is not None:
                (copy / name).write_bytes(damaged)
            # without its metrics.json the last period is one that is not done yet
            if damaged is not None or name.as_posix() != "period-02-p2/metrics.json":
                assert _told_or_refused(copy) in (told, "refused"), name
            assert diagnose(copy).findings, name
            shutil.rmtree(copy)


def test_the_first_damaged_period_is_where_training_begins_again(whole, tmp_path):
    run = Path(shutil.copytree(whole[0], tmp_path / "run"))
    (run / "period-01-p1" / "metrics.json").unlink()
    with pytest.raises(CheckpointError, match="period 1 is not done"):
        read_run(run)
    found = diagnose(run)
    assert found.redo_from == 1
    assert "metrics.json is missing, though later periods are done" in found.findings[0].what


def test_artifacts_name_the_one_they_began_from(whole):
    first, second, third = map(read_artifact, done_periods(whole[0]))
    assert (first.parent, second.parent, third.parent) == (None, first.id, second.id)
    assert len({first.id, second.id, third.id}) == 3
    assert second.base_sha256 == first.state_sha256


def test_a_base_is_found_by_its_digest_not_by_its_folder(whole, tmp_path):
    run = Path(shutil.copytree(whole[0], tmp_path / "run"))
    (run / "period-00-p0").rename(run / "period-00-renamed")
    state = load_state(run / "period-02-p2")
    kept = load_state(whole[0] / "period-02-p2")
    assert all(torch.equal(state.tensors[name], kept.tensors[name]) for name in kept.tensors)


def test_a_checkpoint_that_changed_is_never_loaded(tmp_path):
    path, io = tmp_path / "last.ckpt", AtomicCheckpointIO()
    io.save_checkpoint({"x": torch.ones(100)}, path)
    io.save_checkpoint({"x": torch.ones(100)}, tmp_path / "best.ckpt")
    assert resume_point(tmp_path) == path
    content = path.read_bytes()
    for place in range(0, len(content), 97):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert resume_point(tmp_path) is None
        with pytest.raises(CheckpointError):
            load_checkpoint(path)
    io.remove_checkpoint(path)
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["best.ckpt", "best.ckpt.sha256"]


def test_a_kill_between_a_checkpoint_and_its_digest_loses_nothing(tmp_path):
    path, io = tmp_path / "last.ckpt", AtomicCheckpointIO()
    io.save_checkpoint({"x": 1}, path)
    stops = 0

    def kill(operation, where):
        nonlocal stops
        stops -= 1
        if stops == 0:
            raise KeyboardInterrupt

    for at in range(1, 11):
        stops = at
        with watched(kill), pytest.raises(KeyboardInterrupt):
            io.save_checkpoint({"x": 2}, path)
        assert is_whole(path)
    assert load_checkpoint(path)["x"] in (1, 2)


def test_a_file_that_is_written_again_is_right_before_and_after(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    admit(tmp_path, {})
    rewrite(path, b"new")
    assert read_verified(path) == b"new"
    path.write_bytes(b"old")
    assert read_verified(path) == b"old"  # as after a kill in between
    path.write_bytes(b"odd")
    with pytest.raises(CheckpointError, match=r"a\.json is damaged"):
        read_verified(path)
