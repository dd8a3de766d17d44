"""Artifacts listed, compared, exported, imported, and the pointer that forecasts follow."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from eac.artifacts.artifact import read_artifact
from eac.artifacts.checkpoint import STATE_FILE
from eac.artifacts.kept import CURRENT_FILE
from eac.artifacts.saved_data import done_periods
from eac.cli.main import main
from eac.serving.predictor import load_run
from tests.training.test_predictor import build, long, trained


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    run_dir = tmp_path_factory.mktemp("first")
    trained(run_dir, *build())
    return run_dir


@pytest.fixture
def run(first, tmp_path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "run"))


def ids(run: Path) -> list[str]:
    return [read_artifact(folder).id for folder in done_periods(run)]


def said(capsys, *arguments: str, status: int = 0) -> str:
    assert main(["artifacts", *arguments]) == status
    captured = capsys.readouterr()
    return captured.err if status else captured.out


def forecasts(run: Path) -> list[float]:
    return load_run(run).predict(long(build()[1], 2, 150))["y_hat"].tolist()


def test_the_list_names_sensors_errors_holdings_and_which_is_in_use(run, capsys):
    listed = json.loads(said(capsys, "list", str(run), "--json"))
    assert [known["id"] for known in listed] == ids(run)
    assert [known["current"] for known in listed] == [False, False, True]
    assert listed[0]["base_sha256"] is None
    assert listed[0]["holds"].keys() == {"network", "prompts"}
    assert listed[2]["holds"].keys() == {"prompts"}  # EAC leaves the network as it is
    assert (listed[2]["sensors"], listed[2]["last"]) == (4, "2024-01-20 23:00")
    shown = said(capsys, "list", str(run))
    assert ids(run)[2][:12] in shown
    assert "prompts" in shown


def test_a_comparison_names_sensors_settings_and_tensors(run, capsys):
    found = json.loads(said(capsys, "diff", str(run), "1", "2", "--json"))
    assert (found["joined"], found["left"]) == (["x"], ["b", "d"])
    assert set(found["tensors"]) == {"strategy.pool.basis", "strategy.pool.node_factor"}
    shown = said(capsys, "diff", str(run), "1", ids(run)[2][:8])
    assert "sensors left: 2 (b, d)" in shown
    assert "setting" not in shown


def test_forecasts_follow_a_rollback_and_come_back(run, capsys):
    newest = forecasts(run)
    assert ids(run)[1][:12] in said(capsys, "rollback", str(run))
    assert (
        forecasts(run)
        == load_run(run, period=1).predict(long(build()[1], 2, 150))["y_hat"].tolist()
    )
    said(capsys, "rollback", str(run))
    assert "no artifact before" in said(capsys, "rollback", str(run), status=1)
    said(capsys, "use", str(run), "newest")
    assert not (run / CURRENT_FILE).exists()
    assert forecasts(run) == newest


def test_a_pointer_to_nothing_is_named_with_advice_that_works(run, capsys):
    (run / CURRENT_FILE).write_text("0" * 64)
    assert main(["doctor", str(run), "--repair"]) == 1  # no training mends it
    assert main(["doctor", str(run)]) == 1
    told = capsys.readouterr().out
    assert "which is not in the run. To use the newest: eac artifacts use" in told
    assert "eac run" not in told
    assert main(["artifacts", "list", str(run)]) == 1
    advice = capsys.readouterr().err.rpartition("To use the newest: eac ")[2].split()
    assert main(advice) == 0
    assert main(["doctor", str(run)]) == 0
    assert len(forecasts(run)) == 48


def test_an_exported_artifact_forecasts_in_another_run_of_its_base(run, first, tmp_path, capsys):
    base = tmp_path / "base-only"
    shutil.copytree(first, base)
    for folder in done_periods(base)[1:]:
        shutil.rmtree(folder)
    said(capsys, "export", str(run), "-1", "--output", str(tmp_path / "out"))
    assert not {"metrics.json", "readings.safetensors"} & {
        path.name for path in (tmp_path / "out").iterdir()
    }
    said(capsys, "import", str(base), str(tmp_path / "out"))
    assert forecasts(base) != forecasts(run)
    said(capsys, "use", str(base), ids(run)[2][:12])
    assert forecasts(base) == forecasts(run)
    assert "holds the artifact" in said(
        capsys, "import", str(base), str(tmp_path / "out"), status=1
    )
    assert main(["doctor", str(base)]) == 0


def test_a_whole_artifact_and_one_on_top_of_it_make_a_run(run, tmp_path, capsys):
    for period in ("0", "2"):
        said(capsys, "export", str(run), period, "--output", str(tmp_path / period))
    fresh = tmp_path / "fresh"
    refused = said(capsys, "import", str(fresh), str(tmp_path / "2"), status=1)
    assert "import the base first" in refused
    said(capsys, "import", str(fresh), str(tmp_path / "0"))
    said(capsys, "import", str(fresh), str(tmp_path / "2"))
    said(capsys, "use", str(fresh), ids(run)[2][:12])
    assert forecasts(fresh) == forecasts(run)
    long(build()[1], 2, 150).to_csv(tmp_path / "in.csv", index=False)
    given = ["--input", str(tmp_path / "in.csv"), "--output", str(tmp_path / "out.csv")]
    assert main(["predict", "--run", str(fresh), *given]) == 0
    assert main(["doctor", str(fresh)]) == 0
    assert "all is well" in capsys.readouterr().out
    state = next(fresh.glob("imported-*")) / STATE_FILE
    state.write_bytes(state.read_bytes()[:-1])
    assert main(["doctor", str(fresh)]) == 1
    told = capsys.readouterr().out
    assert "Remove that folder and import it again" in told
    assert "eac run" not in told


def test_another_base_is_refused(run, tmp_path, capsys):
    other = tmp_path / "other"
    model, data = build()
    torch.nn.init.normal_(model.backbone.fc.weight)
    trained(other, model, data)
    said(capsys, "export", str(run), "-1", "--output", str(tmp_path / "out"))
    refused = said(capsys, "import", str(other), str(tmp_path / "out"), status=1)
    assert "completes the base" in refused
    assert not list(other.glob("imported-*"))


@pytest.mark.parametrize("name", ["state.safetensors", "card.json", "about.json", "manifest.json"])
def test_a_damaged_or_missing_file_is_refused(run, tmp_path, capsys, name):
    out = tmp_path / "out"
    said(capsys, "export", str(run), "-1", "--output", str(out))
    whole = (out / name).read_bytes()
    (out / name).write_bytes(whole[:-30] + b"x" + whole[-29:])
    assert "cannot be imported" in said(capsys, "import", str(run), str(out), status=1)
    (out / name).unlink()
    assert "cannot be imported" in said(capsys, "import", str(run), str(out), status=1)


def test_a_link_or_a_further_file_of_a_stranger_is_refused(run, tmp_path, capsys):
    out = tmp_path / "out"
    said(capsys, "export", str(run), "-1", "--output", str(out))
    (out / "setup.py").write_text("raise SystemExit")
    assert "setup.py" in said(capsys, "import", str(run), str(out), status=1)
    (out / "setup.py").unlink()
    (out / STATE_FILE).unlink()
    (out / STATE_FILE).symlink_to(done_periods(run)[2] / STATE_FILE)
    assert "symbolic link" in said(capsys, "import", str(run), str(out), status=1)


def test_no_class_of_a_stranger_is_trusted(run, tmp_path, capsys):
    from dataclasses import asdict

    import msgspec

    from eac.artifacts.artifact import content_id
    from eac.records.jsonfile import convert
    from eac.records.manifest import seal

    out = tmp_path / "out"
    said(capsys, "export", str(run), "-1", "--output", str(out))
    card = json.loads((out / "card.json").read_text())
    card["strategy"]["class_path"] = "pickle.Unpickler"
    artifact = convert(type(read_artifact(out)), card, "eac.state", "card.json")
    card["id"] = content_id(artifact)
    (out / "card.json").write_bytes(msgspec.json.encode(card))
    seal(out, {})
    fresh = tmp_path / "fresh"
    shutil.copytree(run, fresh)
    refused = said(capsys, "import", str(fresh), str(out), status=1)
    assert "'pickle.Unpickler', which is not part of eac" in refused
    assert asdict(artifact)["strategy"]["class_path"] == "pickle.Unpickler"


def test_a_period_of_the_run_can_go_on_beside_an_imported_artifact(run, tmp_path, capsys):
    said(capsys, "export", str(run), "1", "--output", str(tmp_path / "out"))
    shutil.rmtree(done_periods(run)[2])
    shutil.rmtree(done_periods(run)[1])
    said(capsys, "import", str(run), str(tmp_path / "out"))
    said(capsys, "use", str(run), "newest")
    trained(run, *build())
    assert len(done_periods(run)) == 3
    assert main(["doctor", str(run)]) == 0
