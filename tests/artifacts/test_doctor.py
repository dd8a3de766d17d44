"""The advice of ``eac doctor`` works."""

import json

import pytest

from eac.artifacts.doctor import diagnose
from eac.cli.main import main
from tests.artifacts.conftest import OLD_RUNS
from tests.rundir.test_lock import hold


def test_repair_trains_from_the_first_damaged_period_on(old_run, monkeypatch, capsys):
    run = old_run("published")
    monkeypatch.chdir(OLD_RUNS)  # the run names its stream as "stream"
    kept = [(run / f"period-0{i}-200{i}" / "metrics.json").read_bytes() for i in range(3)]
    state = run / "period-01-2001" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-1])
    assert main(["doctor", str(run)]) == 1
    told = capsys.readouterr().out
    assert "state.safetensors is damaged" in told
    assert f"eac run --resume {run} --redo 1" in told
    assert main(["doctor", str(run), "--repair"]) == 0
    assert diagnose(run).findings == ()
    for i in range(3):
        path = run / f"period-0{i}-200{i}" / "metrics.json"
        mae = [json.loads(text)["point"]["MAE"]["mean"] for text in (kept[i], path.read_bytes())]
        assert mae[1] == pytest.approx(mae[0], rel=1e-3)
    assert (run / "period-00-2000" / "metrics.json").read_bytes() == kept[0]


def test_doctor_says_who_writes_in_a_run_and_repairs_none_that_is_written(old_run, capsys):
    run = old_run("published")
    state = run / "period-01-2001" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-1])
    with hold(run) as process:
        assert main(["doctor", str(run)]) == 1
        said = capsys.readouterr()
        assert f"process {process.pid} on " in said.err
        assert "is writing in" in said.err
        assert "state.safetensors is damaged" in said.out
        assert main(["doctor", str(run), "--repair"]) == 1
        assert f"process {process.pid} on " in capsys.readouterr().err
        process.communicate()
    assert main(["doctor", str(run)]) == 1
    assert "is writing" not in capsys.readouterr().err


@pytest.fixture
def noted(old_run, monkeypatch):
    """A run with digests, finished and resumed once by this version."""
    run = old_run("published")
    monkeypatch.chdir(OLD_RUNS)
    assert main(["run", "--resume", str(run)]) == 0
    assert diagnose(run).findings == ()
    return run


def test_a_damaged_manifest_is_written_again_with_the_digest_of_the_settings(noted, capsys):
    (noted / "manifest.json").write_text("{")
    assert main(["doctor", str(noted)]) == 1
    told = capsys.readouterr().out
    assert "manifest.json is damaged; going on with the run writes it again." in told
    assert f"eac run --resume {noted}\n" in told
    assert main(["run", "--resume", str(noted)]) == 0
    assert diagnose(noted).findings == ()
    (noted / "config.yaml").write_text((noted / "config.yaml").read_text() + "# more\n")
    assert any("config.yaml is damaged" in found.what for found in diagnose(noted).findings)


def test_settings_that_are_lost_are_named_beside_a_damaged_manifest(noted):
    (noted / "manifest.json").write_text("{")
    (noted / "config.yaml").write_text("model: [1, 2\n}")
    diagnosis = diagnose(noted)
    assert ["manifest.json" in found.what for found in diagnosis.findings] == [True, False]
    assert diagnosis.settings_lost


def test_a_run_of_a_newer_version_is_left_as_it_is(noted, capsys):
    for name in ("manifest.json", "run.json"):
        said = json.loads((noted / name).read_text()) | {"format_version": 2}
        (noted / name).write_text(json.dumps(said))
    before = {path: path.read_bytes() for path in noted.rglob("*") if path.is_file()}
    assert main(["run", "--resume", str(noted)]) == 1
    assert "Read it with the eac that wrote it" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before
